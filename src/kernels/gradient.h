// Kernels of training: the general product that both gradients of a matrix product are, and the derivatives of kernels
// over a row (kernels/kernels.h). The same rules: one thread, noexcept, no allocation, the same bits on every
// instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

namespace limpid {

// out(i, j) (+)= sum over r of A(i, r) B(r, j), f32. Every output sums in its own lane by fma, r ascending, from 0 or
// (accumulate) from what is in out: no bit depends on how outputs are shared among calls. A is read by single values,
// so that it may be transposed; rows of B and out are contiguous. Lists gather rows (mixtures of experts): null means
// all in order; with accumulate out_rows may not repeat.
//   input gradient:  dX = dY W:     A = dY (a_row = its stride, a_reduction = 1), B = W
//   weight gradient: dW = dY^T X:   A = dY (a_row = 1, a_reduction = its stride), B = X
struct GemmArgs {
  const float* a = nullptr;  // A(i, r) = a[i * a_row + r * a_reduction]
  std::int64_t a_row = 0, a_reduction = 0;
  const std::int32_t* a_rows = nullptr;        // (rows): takes the place of i in A
  const std::int32_t* a_reductions = nullptr;  // (reduction): takes the place of r in A
  const float* b = nullptr;                    // B(r, j) = b[r * b_stride + j]
  std::int64_t b_stride = 0;
  const std::int32_t* b_rows = nullptr;  // (reduction): takes the place of r in B
  float* out = nullptr;                  // out[i * out_stride + j]
  std::int64_t out_stride = 0;
  const std::int32_t* out_rows = nullptr;  // (rows): takes the place of i in out
  std::int64_t rows = 0, columns = 0, reduction = 0;
  bool accumulate = false;
};

struct GradientKernels {
  int gemm_rows;  // rows of out that share a register tile: shares of threads are best multiples of it
  void (*gemm)(const GemmArgs&) noexcept;
  // The same of values rounded to bf16 (nearest even): for each 32 of the reduction, from 0, the even and the odd ones
  // are summed apart by fma, and the sum of both is added in f32 (AMX's arithmetic, docs/numerics.md). A reduction may
  // be cut into calls at multiples of 32 only.
  void (*gemm_bf16)(const GemmArgs&) noexcept;

  // rms_norm's: dx += inverse * (gain * dy - x * inverse^2 * mean(x * gain * dy)), inverse = 1 / sqrt(mean(x^2) + eps),
  // which is returned.
  float (*rms_norm)(const float* x, const float* gain, float eps, std::int64_t n, const float* dy, float* dx) noexcept;
  // y += a * scale * b: a gain's, row after row.
  void (*scaled_product_add)(const float* a, float scale, const float* b, std::int64_t n, float* y) noexcept;
  // silu_mul's, written: dgate = dy * up * s * (1 + gate * (1 - s)), s = sigmoid(gate); dup = dy * silu(gate).
  void (*silu_mul)(const float* gate, const float* up, const float* dy, std::int64_t n, float* dgate,
                   float* dup) noexcept;
  // Of one query's softmax over keys: scores[0, n) -> probabilities exp(score - maximum) / sum, dp -> the scores'
  // gradient probability * (dp - delta), where delta = sum of probability * dp. Keys from `visible` on: zeros in both.
  void (*attention_row)(float* scores, float* dp, std::int64_t visible, std::int64_t n, float maximum, float sum,
                        float delta) noexcept;
  float (*dot)(const float* a, const float* b, std::int64_t n) noexcept;
  // out[j * out_stride + i] = x[i * stride + j], i < rows, j < columns.
  void (*transpose)(const float* x, std::int64_t stride, std::int64_t rows, std::int64_t columns, float* out,
                    std::int64_t out_stride) noexcept;

  bool fast_bf16 = false;  // gemm_bf16 is faster than gemm here
};

// The tables of this build; null when the build leaves it out.
const GradientKernels* scalar_gradients();
const GradientKernels* avx2_gradients();
const GradientKernels* avx512_gradients();

}  // namespace limpid
