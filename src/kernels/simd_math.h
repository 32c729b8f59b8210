// Functions of sixteen floats as fixed polynomials in FMA: the same bits on every instruction set (docs/numerics.md).
#pragma once

#include "kernels/simd.h"

namespace limpid {
namespace {

// exp(x) for x <= 0; 0 below -87. n = round(x / ln 2), then the Taylor series of degree 7 on |r| <= ln 2 / 2 (next term
// 6e-9).
inline F32x16 exp_negative(F32x16 x) {
  const F32x16 least = splat(-87.0F), shift = splat(0x1.8p23F);
  const F32x16 clamped = max(x, least);
  const F32x16 shifted = fma(clamped, splat(1.44269504F), shift), n = sub(shifted, shift);
  F32x16 r = fma(n, splat(-0.693145752F), clamped);  // ln 2 in two parts, the first exact in products with n
  r = fma(n, splat(-1.42860677e-6F), r);
  constexpr float kTaylor[] = {1.0F / 720, 1.0F / 120, 1.0F / 24, 1.0F / 6, 0.5F, 1.0F, 1.0F};
  F32x16 y = splat(1.0F / 5040);
  for (const float c : kTaylor) y = fma(y, r, splat(c));
  return where_ge(x, least, mul(y, exp2_of_shifted(shifted)));
}

// 0 in every lane, NaN where x is one.
inline F32x16 nan_of(F32x16 x) { return min(splat(0), max(splat(0), x)); }

// exp(-|z|): the sigmoid's only exponential, never overflowing.
inline F32x16 exp_minus_abs(F32x16 z) { return exp_negative(min(z, sub(splat(0), z))); }

// 1 / (1 + exp(-z))
inline F32x16 sigmoid_of(F32x16 z) {
  const F32x16 e = exp_minus_abs(z);
  return add(div(select_ge(z, splat(0), splat(1), e), add(splat(1), e)), nan_of(z));
}

// z / (1 + exp(-z))
inline F32x16 silu_of(F32x16 z) {
  const F32x16 e = exp_minus_abs(z);
  return div(select_ge(z, splat(0), z, mul(z, e)), add(splat(1), e));
}

}  // namespace
}  // namespace limpid
