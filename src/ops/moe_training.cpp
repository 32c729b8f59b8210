#include "ops/moe_training.h"

#include <algorithm>
#include <numeric>

namespace limpid {

namespace {

std::int64_t total_of(std::span<const std::int64_t> counts) {
  return std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
}

}  // namespace

void balance_bias(std::span<const std::int64_t> counts, float speed, float* bias) {
  const std::int64_t total = total_of(counts), experts = static_cast<std::int64_t>(counts.size());
  for (std::size_t e = 0; e < counts.size(); ++e) {
    const std::int64_t excess = counts[e] * experts - total;
    if (excess != 0) bias[e] += excess > 0 ? -speed : speed;
  }
}

double max_violation(std::span<const std::int64_t> counts) {
  const std::int64_t total = total_of(counts);
  if (total == 0) return 0;
  const double mean = static_cast<double>(total) / static_cast<double>(counts.size());
  return static_cast<double>(*std::ranges::max_element(counts)) / mean - 1;
}

}  // namespace limpid
