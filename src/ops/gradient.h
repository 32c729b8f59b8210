// What the backward of operations with products share. Internal to ops/ (and to layers that multiply).
#pragma once

#include "ops/linear.h"
#include "ops/tape.h"

namespace limpid {

// What a low-rank matrix beside a weight keeps of a product: (T, r) each, h of the forward and its gradient.
struct LowRankRows {
  float *rows = nullptr, *gradient = nullptr;
};

// A packed weight's parameters.
struct TrainableWeight {
  Trainable weight, bias;  // bias.values null: none
  LowRankRows low;         // where weight.low_rank is there
};
TrainableWeight trainable(const Exec& ex, const PackedWeight& weight);  // while recording

// Rows of floats: row i at data + (index ? index[i] : i) * stride.
struct GradientRows {
  float* data = nullptr;  // null: none
  std::int64_t stride = 0;
  const std::int32_t* index = nullptr;
};
inline GradientRows rows_of_gradient(const Tensor& x) { return {x.gradient, x.columns(), nullptr}; }
inline GradientRows rows_of_values(const Tensor& x) { return {x.f32(), x.columns(), nullptr}; }

// Of out (rows, O) = input (rows, K) W^T + bias. No barrier at the end; input and out gradient are complete at the
// start. Threads share rows of the input's gradient and rows of the weight's.
//   input gradient (+)= out gradient W   (data null: not wanted; its list may not name a row twice)
//   weight gradient += out gradient^T input, bias gradient += column sums
void product_backward(Exec& ex, const TrainableWeight& parameters, std::int64_t rows, GradientRows out_gradient,
                      GradientRows input, GradientRows input_gradient, bool accumulate = true);
// Rows of a tile of a weight's products: threads share rows in multiples of it.
std::int64_t gemm_unit(const Exec& ex, const Trainable& weight);
// The parts of it. Between those of a weight with a low-rank matrix stands a barrier, and input_gradient comes first even
// where no gradient of the input is wanted (product_backward and norm_products_backward see to both).
void input_backward(Exec& ex, const TrainableWeight& parameters, std::int64_t rows, GradientRows out_gradient,
                    GradientRows input_gradient, bool accumulate);
void input_backward(Exec& ex, const Trainable& weight, std::int64_t rows, GradientRows out_gradient,
                    GradientRows input_gradient, bool accumulate);
void weight_backward(Exec& ex, const TrainableWeight& parameters, std::int64_t rows, GradientRows out_gradient,
                     GradientRows input);

// Of n = rms_norm(x, gain): x gradient += its part (null: not wanted), gain gradient += its part. dn (rows, D) is
// complete at the start. No barrier at the end. `inverse` is (rows) floats of the arena to use.
void norm_backward(Exec& ex, GradientRows x, const Trainable& gain, float eps, std::int64_t rows, GradientRows dn,
                   GradientRows x_gradient, float* inverse);

// Of several products with the same rows n = rms_norm(x, gain): all their gradients, the gain's and x's. norm.values
// null: no norm, n = x. `x` holds the values as they were, `x_gradient` what is added to. No barrier at the end.
struct ProductGradient {
  TrainableWeight parameters;
  GradientRows out;  // its gradient
};
void norm_products_backward(Exec& ex, const Tensor& x, const Trainable& norm, float eps,
                            std::span<const ProductGradient> products, GradientRows x_gradient);

// A copy of x in the arena, for backward, while x is overwritten in place. Each thread copies its share.
Tensor keep_copy(Exec& ex, const Tensor& x);

}  // namespace limpid
