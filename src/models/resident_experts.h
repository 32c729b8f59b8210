// ResidentExperts: all routed experts of a model in memory, packed with its other weights. Filled while the model loads; read-only after that, so any
// number of threads may ask at a time.
#pragma once

#include <map>
#include <vector>

#include "nn/expert_source.h"

namespace limpid {

class ResidentExperts final : public ExpertSource {
 public:
  // Where a layer's `experts` weights go: to be visited and loaded. The layer is made by the first call.
  std::span<ExpertWeights> layer(int layer, int experts);

  bool immediate() const override { return true; }
  const ExpertWeights& like(int layer) const override { return layers_.at(layer).front(); }
  Ticket begin(int layer, std::span<const std::int32_t> ids, std::span<const std::int32_t> counts) override;
  std::optional<ExpertView> next(Ticket& ticket, Wait wait) override;
  void release(const Ticket&, const ExpertView&) override {}
  void hint(int, std::span<const std::int32_t>) override {}

 private:
  std::map<int, std::vector<ExpertWeights>> layers_;
};

}  // namespace limpid
