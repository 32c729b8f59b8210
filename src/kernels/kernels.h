// The kernel table: raw pointers in and out, one thread, noexcept, no allocation. One table per instruction set (scalar, AVX2, AVX-512), all made
// from the same generic source, all giving the same bits (docs/numerics.md). app/ picks one and hands it down; ops call through it once per op.
//
// Common rules: every reduction over a row uses 16 strided accumulators and then a fixed tree; every output element of a product sums over k in
// ascending order in its own lane; no libm (exp, sigmoid, sin, cos are fixed polynomials in FMA); tails run the body's instructions, masked.
// Rows of activations and packed strips are 64-byte aligned; plain f32 rows need not be.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/attention.h"
#include "kernels/gradient.h"
#include "tensor/layout.h"

namespace limpid {

// y[t][o] (+)= sum_k x[t][k] W[o][k] for `strips` consecutive strips of a packed weight and `tokens` rows of activations.
struct LinearArgs {
  const std::byte* weight;  // first strip
  std::size_t strip_bytes;  // tensor/pack.h: packed_strip_bytes
  std::int64_t columns;     // K, unpadded
  int strips;
  int valid_rows;  // rows of the weight in these strips (the last strip may be ragged): nothing is written past it
  const std::byte* activations;  // rows of act_row_bytes(type, K)
  std::size_t activation_stride;
  const std::int32_t* rows;  // activation row of token t, or null for t itself
  int tokens;
  float* out;  // out[t * out_stride + o]
  std::int64_t out_stride;
  const float* bias;  // (valid_rows) added after the sum, or null
  bool accumulate;    // out = out + (sum + bias): the residual
};
using LinearFn = void (*)(const LinearArgs&) noexcept;

struct KernelTable {
  const char* isa;  // "scalar", "avx2", "avx512-plain", "avx512"
  // Products, by static_cast<int>(DType) of the weight; null for types that are no weights.
  LinearFn linear[32];
  // One row of K floats to an activation row, padding included. By ActType.
  void (*quantise[kActTypes])(const float* x, std::int64_t k, std::byte* row) noexcept;

  // y = x / sqrt(mean(x^2) + eps) * gain
  void (*rms_norm)(const float* x, const float* gain, float eps, std::int64_t n, float* y) noexcept;
  // y = silu(gate) * up;  silu(z) = z / (1 + exp(-z))
  void (*silu_mul)(const float* gate, const float* up, std::int64_t n, float* y) noexcept;
  void (*add)(const float* a, const float* b, std::int64_t n, float* y) noexcept;     // y = a + b
  void (*scale_add)(const float* a, float scale, std::int64_t n, float* y) noexcept;  // y = fma(a, scale, y)
  void (*sigmoid)(const float* x, std::int64_t n, float* y) noexcept;
  void (*softmax)(const float* x, std::int64_t n, float* y) noexcept;  // over the row
  // (cos, sin) of position * inv_frequency for n pairs, times `magnitude`: the angle is rounded to f32 (as transformers does), cos and sin are
  // exact to an ulp.
  void (*rope_angles)(const float* inv_frequency, std::int64_t n, std::int32_t position, float magnitude, float* cos,
                      float* sin) noexcept;
  // Rotates `n` pairs in place. rope_halves: pairs are (x[i], x[i + n]); rope_pairs: (x[2i], x[2i + 1]).
  void (*rope_halves)(float* x, const float* cos, const float* sin, std::int64_t n) noexcept;
  void (*rope_pairs)(float* x, const float* cos, const float* sin, std::int64_t n) noexcept;
  // log(sum(exp(x))) and the index of the largest value (the lowest index on a tie).
  double (*log_sum_exp)(const float* x, std::int64_t n) noexcept;
  std::int64_t (*argmax)(const float* x, std::int64_t n) noexcept;

  const AttentionKernels* attention;  // kernels/attention.h: scalar_attention() and so on
  const GradientKernels* gradient;    // kernels/gradient.h, of training
};

// The tables of this build; null when the build leaves it out or the machine lacks what it needs.
const KernelTable* scalar_kernels();
const KernelTable* avx2_kernels();
const KernelTable* avx512_kernels();
// AVX-512 without what only some machines add to it (accelerated.h); null where nothing is added. What runs on the machines without is tested on
// those with it.
const KernelTable* plain_avx512_kernels();
// Every table that this build has and this machine runs, each once, the slowest (scalar) first.
std::span<const KernelTable* const> kernel_tables();
// The last of kernel_tables().
const KernelTable& best_kernels();

}  // namespace limpid
