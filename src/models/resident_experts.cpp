#include "models/resident_experts.h"

#include <cassert>

namespace limpid {

std::span<ExpertWeights> ResidentExperts::layer(int layer, int experts) {
  std::vector<ExpertWeights>& weights = layers_[layer];
  if (weights.empty()) weights.resize(static_cast<std::size_t>(experts));
  assert(weights.size() == static_cast<std::size_t>(experts));
  return weights;
}

ExpertSource::Ticket ResidentExperts::begin(int layer, std::span<const std::int32_t> ids,
                                            std::span<const std::int32_t> counts) {
  return {layer, ids, counts, 0, 0};
}

std::optional<ExpertView> ResidentExperts::next(Ticket& ticket, Wait) {
  if (ticket.given == ticket.ids.size()) return std::nullopt;
  const std::int32_t id = ticket.ids[ticket.given++];
  return ExpertView{id, &layers_.at(ticket.layer)[static_cast<std::size_t>(id)]};
}

}  // namespace limpid
