#include "models/rotation_order.h"

#include <algorithm>
#include <vector>

namespace limpid {

namespace {

void reorder(float* values, std::int64_t rows, std::int64_t columns, std::int64_t d, bool pairs) {
  std::vector<float> head(static_cast<std::size_t>(d * columns));
  for (std::int64_t first = 0; first + d <= rows; first += d) {
    float* at = values + first * columns;
    std::copy_n(at, d * columns, head.data());
    for (std::int64_t p = 0; p < 2; ++p)
      for (std::int64_t i = 0; i < d / 2; ++i) {
        const std::int64_t half = p * (d / 2) + i, pair = 2 * i + p;
        std::copy_n(head.data() + (pairs ? half : pair) * columns, columns, at + (pairs ? pair : half) * columns);
      }
  }
}

}  // namespace

bool rotates(const ModelConfig& config, std::string_view name) {
  return config.architecture == "llama" && (name.find(".self_attn.q_proj.") != std::string_view::npos ||
                                            name.find(".self_attn.k_proj.") != std::string_view::npos);
}

void to_pairs(float* values, std::int64_t rows, std::int64_t columns, std::int64_t head_dim) {
  reorder(values, rows, columns, head_dim, true);
}
void to_halves(float* values, std::int64_t rows, std::int64_t columns, std::int64_t head_dim) {
  reorder(values, rows, columns, head_dim, false);
}

}  // namespace limpid
