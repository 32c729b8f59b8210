// A row of floats to an activation row (tensor/layout.h), padded with zeros. int8: the scale is
// the block's largest magnitude / 127, values round to nearest even. A value that is not finite makes the scale of its
// block NaN: a fault upstream shows in the result instead of becoming a plausible number.
#pragma once

#include "kernels/kernels.h"
#include "kernels/simd_math.h"

namespace limpid {
namespace {

inline F32x16 read_padded(const float* x, std::int64_t k, std::int64_t i) {
  if (i + 16 <= k) return load(x + i);
  return i < k ? load_partial(x + i, static_cast<int>(k - i)) : splat(0);
}

inline void quantise_f32(const float* x, std::int64_t k, std::byte* row) noexcept {
  for (std::int64_t i = 0; i < act_padded(ActType::f32, k); i += 16)
    store(reinterpret_cast<float*>(row) + i, read_padded(x, k, i));
}

inline void quantise_bf16(const float* x, std::int64_t k, std::byte* row) noexcept {
  for (std::int64_t i = 0; i < act_padded(ActType::bf16, k); i += 16) store_bf16(row + 2 * i, read_padded(x, k, i));
}

// Vectors of one block: their int8 to `out`, the scale returned, the sum of each vector to `sums`.
template <int N>
inline float quantise_block(const F32x16 (&x)[N], std::byte* out, float (&sums)[N]) {
  F32x16 top = splat(0), faults = splat(0);
  for (int i = 0; i < N; ++i) {
    top = max(max(x[i], sub(splat(0), x[i])), top);
    faults = fma(x[i], splat(0), faults);
  }
  const float largest_magnitude = max_lanes(top);
  const bool some = largest_magnitude > 1e-30F;  // below that 127 / largest would overflow
  const F32x16 inverse = splat(some ? 127 / largest_magnitude : 0), shift = splat(0x1.8p23F);
  for (int i = 0; i < N; ++i) {
    const F32x16 bounded = min(max(mul(x[i], inverse), splat(-127)), splat(127));
    const F32x16 rounded = sub(add(bounded, shift), shift);
    store_i8(out + 16 * i, rounded);
    sums[i] = sum_lanes(rounded);
  }
  return (some ? largest_magnitude / 127 : 0) + sum_lanes(faults);
}

inline void quantise_q8_32(const float* x, std::int64_t k, std::byte* row) noexcept {
  const std::int64_t padded = act_padded(k);
  auto* scale = reinterpret_cast<float*>(row + padded);
  auto* sum = reinterpret_cast<std::int32_t*>(scale + padded / 32);
  for (std::int64_t b = 0; b < padded / 32; ++b) {
    const F32x16 v[2] = {read_padded(x, k, 32 * b), read_padded(x, k, 32 * b + 16)};
    float sums[2];
    scale[b] = quantise_block(v, row + 32 * b, sums);
    sum[b] = static_cast<std::int32_t>(sums[0] + sums[1]);
  }
}

inline void quantise_q8_256(const float* x, std::int64_t k, std::byte* row) noexcept {
  const std::int64_t padded = act_padded(k);
  auto* scale = reinterpret_cast<float*>(row + padded);
  auto* sum = reinterpret_cast<std::int16_t*>(scale + padded / 256);
  for (std::int64_t b = 0; b < padded / 256; ++b) {
    F32x16 v[16];
    for (int i = 0; i < 16; ++i) v[i] = read_padded(x, k, 256 * b + 16 * i);
    float sums[16];
    scale[b] = quantise_block(v, row + 256 * b, sums);
    for (int i = 0; i < 16; ++i) sum[16 * b + i] = static_cast<std::int16_t>(sums[i]);
  }
}

}  // namespace
}  // namespace limpid
