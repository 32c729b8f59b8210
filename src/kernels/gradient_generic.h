// The kernels of training (kernels/gradient.h) for the instruction set that the including file is compiled for.
#pragma once

#include "kernels/gemm_rounded.h"
#include "kernels/simd_math.h"

namespace limpid {
namespace {

inline F32x16 some(const float* p, int lanes) { return lanes == 16 ? load(p) : load_partial(p, lanes); }
inline void put(float* p, F32x16 x, int lanes) {
  if (lanes == 16)
    store(p, x);
  else
    store_partial(p, x, lanes);
}
template <typename F>
inline void over_row(std::int64_t n, F f) {
  for (std::int64_t i = 0; i < n; i += 16) f(i, n - i < 16 ? static_cast<int>(n - i) : 16);
}

inline float rms_norm_gradient(const float* x, const float* gain, float eps, std::int64_t n, const float* dy,
                               float* dx) noexcept {
  F32x16 squares = splat(0), products = splat(0);
  over_row(n, [&](std::int64_t i, int m) {
    const F32x16 v = some(x + i, m);
    squares = fma(v, v, squares);
    products = fma(v, mul(some(gain + i, m), some(dy + i, m)), products);
  });
  const auto count = static_cast<float>(n);
  const float inverse = 1 / __builtin_sqrtf(sum_lanes(squares) / count + eps);
  const float shrink = -(inverse * inverse * (sum_lanes(products) / count));
  over_row(n, [&](std::int64_t i, int m) {
    const F32x16 along = fma(some(x + i, m), splat(shrink), mul(some(gain + i, m), some(dy + i, m)));
    put(dx + i, fma(along, splat(inverse), some(dx + i, m)), m);
  });
  return inverse;
}

inline void scaled_product_add(const float* a, float scale, const float* b, std::int64_t n, float* y) noexcept {
  over_row(n, [&](std::int64_t i, int m) {
    put(y + i, fma(mul(some(a + i, m), splat(scale)), some(b + i, m), some(y + i, m)), m);
  });
}

inline void silu_mul_gradient(const float* gate, const float* up, const float* dy, std::int64_t n, float* dgate,
                              float* dup) noexcept {
  const F32x16 one = splat(1);
  over_row(n, [&](std::int64_t i, int m) {
    const F32x16 z = some(gate + i, m), d = some(dy + i, m), s = sigmoid_of(z);
    const F32x16 slope = mul(s, fma(z, sub(one, s), one));
    put(dgate + i, mul(mul(d, some(up + i, m)), slope), m);
    put(dup + i, mul(d, mul(z, s)), m);
  });
}

inline void attention_row_gradient(float* scores, float* dp, std::int64_t visible, std::int64_t n, float maximum,
                                   float sum, float delta) noexcept {
  const F32x16 zero = splat(0), peak = splat(maximum), inverse = splat(1 / sum), mean = splat(delta);
  over_row(n, [&](std::int64_t i, int m) {
    const std::int64_t left = visible - i;
    const int seen = left >= m ? m : left > 0 ? static_cast<int>(left) : 0;
    const F32x16 d = sub(some(scores + i, m), peak);
    F32x16 p = mul(add(exp_negative(min(d, zero)), nan_of(d)), inverse), ds = mul(p, sub(some(dp + i, m), mean));
    if (seen < 16) {
      p = first_of(p, zero, seen);
      ds = first_of(ds, zero, seen);
    }
    put(scores + i, p, m);
    put(dp + i, ds, m);
  });
}

inline float dot(const float* a, const float* b, std::int64_t n) noexcept {
  F32x16 sum = splat(0);
  over_row(n, [&](std::int64_t i, int m) { sum = fma(some(a + i, m), some(b + i, m), sum); });
  return sum_lanes(sum);
}

inline void transpose_block(const float* x, std::int64_t stride, std::int64_t rows, std::int64_t columns, float* out,
                            std::int64_t out_stride) noexcept {
  const auto fewer = [](std::int64_t left) { return left < 16 ? static_cast<int>(left) : 16; };
  for (std::int64_t i = 0; i < rows; i += 16)
    for (std::int64_t j = 0; j < columns; j += 16) {
      const int down = fewer(rows - i), across = fewer(columns - j);
      F32x16 m[16];
      LIMPID_UNROLL
      for (int t = 0; t < 16; ++t) m[t] = t < down ? some(x + (i + t) * stride + j, across) : splat(0);
      transpose(m);
      for (int t = 0; t < across; ++t) put(out + (j + t) * out_stride + i, m[t], down);
    }
}

constexpr GradientKernels kTable = {kGemmRows,
                                    gemm,
                                    gemm_rounded,
                                    rms_norm_gradient,
                                    scaled_product_add,
                                    silu_mul_gradient,
                                    attention_row_gradient,
                                    dot,
                                    transpose_block};

}  // namespace
}  // namespace limpid
