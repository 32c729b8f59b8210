// The kernels of training (kernels/gradient.h) for the instruction set that the including file is compiled for.
#pragma once

#include "kernels/gemm_generic.h"
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

constexpr GradientKernels kTable = {kGemmRows, gemm, rms_norm_gradient, scaled_product_add, silu_mul_gradient};

}  // namespace
}  // namespace limpid
