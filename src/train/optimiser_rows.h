// The arithmetic of the optimisers over rows of values: plain loops without a reduction but for sum_squares, whose order
// is fixed, so that any way to share values gives the same bits. n is a multiple of 16 where it says so.
#pragma once

#include <cstdint>

namespace limpid {

struct AdamNumbers {
  float scale;                     // of the gradient
  float keep;                      // of the value: 1 - rate * decay
  float mean_part;                 // 1 - beta1
  float square_keep, square_part;  // beta2, 1 - beta2
  float root;                      // sqrt(1 - beta2^t)
  float epsilon;
  float step;  // rate / (1 - beta1^t)
};

// n a multiple of 16.
void adamw_row(float* values, const float* gradient, float* mean, float* square, std::int64_t n,
               const AdamNumbers& numbers) noexcept;

// In double, 16 strided sums and then a fixed tree. n a multiple of 16.
double sum_squares(const float* x, std::int64_t n) noexcept;

// momentum = mu * momentum + g, update = g + mu * momentum, with g = gradient * scale (Nesterov). Any n.
void nesterov_row(const float* gradient, float scale, float mu, float* momentum, float* update,
                  std::int64_t n) noexcept;
// y = a * x + b * y, any n.
void mix_row(float a, const float* x, float b, float* y, std::int64_t n) noexcept;

}  // namespace limpid
