// What the tests of whole models' gradients compute: one sequence of 70 tokens, all rows with logits.
#pragma once

#include <cstddef>
#include <vector>

namespace limpid::model_test {

inline constexpr std::size_t kTokens = 70;
inline constexpr std::size_t kArena = std::size_t{96} << 20;

// Of the rows in the loss.
inline std::vector<float> row_weights() {
  std::vector<float> weights;
  for (std::size_t i = 0; i < kTokens; ++i)
    weights.push_back(i % 5 == 3 ? 0.0F : 0.25F * static_cast<float>(1 + i % 4));
  return weights;
}

}  // namespace limpid::model_test
