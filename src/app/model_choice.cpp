#include "app/model_choice.h"

#include <algorithm>
#include <optional>

#include "hub/reference.h"

namespace limpid {

namespace {

bool is_here(const std::string& name, const std::vector<std::string>& here) {
  return std::ranges::any_of(here, [&](const std::string& other) { return equal_ignoring_case(name, other); });
}

std::optional<ModelChoice> choice_of(const CatalogueModel& model, const std::vector<std::string>& here,
                                     const MachineFacts& machine) {
  const CatalogueVariant* chosen = nullptr;
  for (const CatalogueVariant& variant : model.variants) {
    const bool stored = is_here(model.name + ":" + variant.quant, here);
    if (variant.bytes == 0 || memory_needed(variant.bytes) > machine.memory) continue;
    if (!stored && variant.bytes > machine.disk) continue;
    if (variant.quant == model.preferred) {
      chosen = &variant;
      break;
    }
    // More than 8 bits a weight is no gain that is worth half the speed.
    if (variant.bytes > model.parameters * 9 / 8) continue;
    if (chosen == nullptr || variant.bytes > chosen->bytes) chosen = &variant;
  }
  if (chosen == nullptr) return std::nullopt;
  const std::string name = model.name + ":" + chosen->quant;
  return ModelChoice{
      name,          model.title,   model.good_at,       model.aime,
      chosen->bytes, chosen->exact, is_here(name, here), tokens_per_second(model, chosen->bytes, machine.bandwidth)};
}

}  // namespace

std::uint64_t memory_needed(std::uint64_t weights) {
  return static_cast<std::uint64_t>(static_cast<double>(weights) * kRoomBesideWeights);
}

const CatalogueVariant* largest_that_fits(const CatalogueModel& model, std::uint64_t memory) {
  const CatalogueVariant* largest = nullptr;
  for (const CatalogueVariant& variant : model.variants) {
    const bool fits = variant.bytes > 0 && memory_needed(variant.bytes) <= memory;
    if (fits && (largest == nullptr || variant.bytes > largest->bytes)) largest = &variant;
  }
  return largest;
}

std::vector<const CatalogueVariant*> listed_variants(const CatalogueModel& model, std::uint64_t memory) {
  const CatalogueVariant* preferred = model.find(model.preferred);
  const CatalogueVariant* other = largest_that_fits(model, memory);
  if (other == nullptr)  // the smallest
    for (const CatalogueVariant& variant : model.variants)
      if (variant.bytes > 0 && (other == nullptr || variant.bytes < other->bytes)) other = &variant;
  std::vector<const CatalogueVariant*> listed;
  if (preferred->bytes > 0) listed.push_back(preferred);
  if (other != nullptr && other != preferred) listed.push_back(other);
  return listed;
}

double tokens_per_second(const CatalogueModel& model, std::uint64_t bytes, double bandwidth) {
  const double part = static_cast<double>(model.active_parameters) / static_cast<double>(model.parameters);
  return kBandwidthReached * bandwidth / (static_cast<double>(bytes) * part);
}

std::vector<ModelChoice> choose_models(const Catalogue& catalogue, const std::vector<std::string>& here,
                                       const MachineFacts& machine, std::size_t most) {
  std::vector<ModelChoice> choices;
  for (const CatalogueModel& model : catalogue.models())
    if (model.aime > 0)
      if (const auto choice = choice_of(model, here, machine)) choices.push_back(*choice);
  std::ranges::stable_sort(choices, std::greater{}, &ModelChoice::aime);
  auto best = std::ranges::find_if(choices, [](const ModelChoice& c) { return c.tokens_per_second >= kComfortable; });
  if (best == choices.end()) best = std::ranges::max_element(choices, {}, &ModelChoice::tokens_per_second);
  if (best != choices.end()) std::rotate(choices.begin(), best, best + 1);
  if (choices.size() > most) choices.resize(most);
  return choices;
}

}  // namespace limpid
