// Compiled with -O3, which makes vectors of these loops (CMakeLists.txt); square roots and divisions are exact, so that
// vectors give the same bits.
#include "train/optimiser_rows.h"

#include <cmath>

namespace limpid {

void adamw_row(float* __restrict values, const float* __restrict gradient, float* __restrict mean,
               float* __restrict square, std::int64_t n, const AdamNumbers& numbers) noexcept {
  const AdamNumbers k = numbers;
  for (std::int64_t i = 0; i < n; ++i) {
    const float g = gradient[i] * k.scale;
    mean[i] += (g - mean[i]) * k.mean_part;
    square[i] = square[i] * k.square_keep + g * g * k.square_part;
    const float root = std::sqrt(square[i]) / k.root + k.epsilon;
    values[i] = values[i] * k.keep - k.step * (mean[i] / root);
  }
}

double sum_squares(const float* x, std::int64_t n) noexcept {
  double sums[16] = {};
  for (std::int64_t i = 0; i < n; i += 16)
    for (std::int64_t j = 0; j < 16; ++j) {
      const auto value = static_cast<double>(x[i + j]);
      sums[j] += value * value;
    }
  for (std::int64_t half = 8; half > 0; half /= 2)
    for (std::int64_t j = 0; j < half; ++j) sums[j] += sums[j + half];
  return sums[0];
}

void nesterov_row(const float* __restrict gradient, float scale, float mu, float* __restrict momentum,
                  float* __restrict update, std::int64_t n) noexcept {
  for (std::int64_t i = 0; i < n; ++i) {
    const float g = gradient[i] * scale;
    momentum[i] = momentum[i] * mu + g;
    update[i] = g + momentum[i] * mu;
  }
}

void mix_row(float a, const float* __restrict x, float b, float* __restrict y, std::int64_t n) noexcept {
  for (std::int64_t i = 0; i < n; ++i) y[i] = a * x[i] + b * y[i];
}

}  // namespace limpid
