// Kernels over a row: norm, activations, softmax, rotation, sums. kernels/kernels.h says what each computes.
#pragma once

#include "kernels/kernels.h"
#include "kernels/simd_math.h"

namespace limpid {
namespace {

// f(i, lanes) for each vector of a row; lanes < 16 in the last only.
template <typename F>
inline void each_vector(std::int64_t n, F f) {
  std::int64_t i = 0;
  for (; i + 16 <= n; i += 16) f(i, 16);
  if (i < n) f(i, static_cast<int>(n - i));
}
inline F32x16 read(const float* p, int lanes_read) { return lanes_read == 16 ? load(p) : load_partial(p, lanes_read); }
inline void write(float* p, F32x16 x, int lanes_written) {
  if (lanes_written == 16)
    store(p, x);
  else
    store_partial(p, x, lanes_written);
}

inline void rms_norm(const float* x, const float* gain, float eps, std::int64_t n, float* y) noexcept {
  F32x16 squares = splat(0);
  each_vector(n, [&](std::int64_t i, int m) {
    const F32x16 v = read(x + i, m);
    squares = fma(v, v, squares);
  });
  const float mean = sum_lanes(squares) / static_cast<float>(n);
  const F32x16 inverse = splat(1 / __builtin_sqrtf(mean + eps));
  each_vector(n, [&](std::int64_t i, int m) { write(y + i, mul(mul(read(x + i, m), inverse), read(gain + i, m)), m); });
}

inline void silu_mul(const float* gate, const float* up, std::int64_t n, float* y) noexcept {
  each_vector(n, [&](std::int64_t i, int m) { write(y + i, mul(silu_of(read(gate + i, m)), read(up + i, m)), m); });
}

inline void add_rows(const float* a, const float* b, std::int64_t n, float* y) noexcept {
  each_vector(n, [&](std::int64_t i, int m) { write(y + i, add(read(a + i, m), read(b + i, m)), m); });
}

inline void scale_add(const float* a, float scale, std::int64_t n, float* y) noexcept {
  each_vector(n, [&](std::int64_t i, int m) { write(y + i, fma(read(a + i, m), splat(scale), read(y + i, m)), m); });
}

inline void sigmoid(const float* x, std::int64_t n, float* y) noexcept {
  each_vector(n, [&](std::int64_t i, int m) { write(y + i, sigmoid_of(read(x + i, m)), m); });
}

// The largest value; NaN is passed over.
inline float largest(const float* x, std::int64_t n) {
  const F32x16 lowest = splat(-__builtin_inff());
  F32x16 top = lowest;
  each_vector(n, [&](std::int64_t i, int m) {
    const F32x16 v = read(x + i, m);
    top = max(m == 16 ? v : first_of(v, lowest, m), top);
  });
  return max_lanes(top);
}

inline void softmax_row(const float* x, std::int64_t n, float* y) noexcept {
  const F32x16 peak = splat(largest(x, n));
  F32x16 total = splat(0);
  each_vector(n, [&](std::int64_t i, int m) {
    const F32x16 d = sub(read(x + i, m), peak);
    const F32x16 e = add(exp_negative(d), nan_of(d));
    write(y + i, e, m);
    total = add(total, m == 16 ? e : first_of(e, splat(0), m));
  });
  const F32x16 sum = splat(sum_lanes(total));
  each_vector(n, [&](std::int64_t i, int m) { write(y + i, div(read(y + i, m), sum), m); });
}

// ln(x) of a normal x > 0: x = 2^e m, m in [sqrt(1/2), sqrt(2)), ln m = 2 artanh((m - 1) / (m + 1)) as a series whose
// next term is below 2^-60.
inline double logarithm(double x) {
  std::uint64_t bits;
  std::memcpy(&bits, &x, 8);
  std::int64_t exponent = static_cast<std::int64_t>(bits >> 52 & 0x7FF) - 1023;
  bits = (bits & 0xFFFFFFFFFFFFF) | 0x3FF0000000000000;
  double m;
  std::memcpy(&m, &bits, 8);
  if (m > 1.4142135623730951) {
    m *= 0.5;
    ++exponent;
  }
  const double s = (m - 1) / (m + 1), s2 = s * s;
  double series = 0;
  for (int k = 23; k >= 1; k -= 2) series = series * s2 + 1.0 / k;
  return static_cast<double>(exponent) * 0.69314718055994530942 + 2 * s * series;
}

// Vectors of 16 lanes over 256 values in f32, their sums in f64: a vocabulary is too long for one f32 sum.
inline double log_sum_exp(const float* x, std::int64_t n) noexcept {
  const float peak = largest(x, n);
  double total = 0;
  for (std::int64_t at = 0; at < n; at += 256) {
    F32x16 part = splat(0);
    each_vector(n - at < 256 ? n - at : 256, [&](std::int64_t i, int m) {
      const F32x16 d = sub(read(x + at + i, m), splat(peak));
      const F32x16 e = add(exp_negative(d), nan_of(d));
      part = add(part, m == 16 ? e : first_of(e, splat(0), m));
    });
    total += static_cast<double>(sum_lanes(part));
  }
  if (!(total >= 1)) return static_cast<double>(total + static_cast<double>(peak));  // NaN in, NaN out
  return static_cast<double>(peak) + logarithm(total);
}

inline std::int64_t argmax(const float* x, std::int64_t n) noexcept {
  const float peak = largest(x, n);
  for (std::int64_t i = 0; i < n; ++i)
    if (x[i] == peak) return i;
  return 0;
}

// cos and sin of a >= 0 to far better than an f32 ulp: a = quarter * pi/2 + r with pi/2 in two parts, the first of 33
// bits so that its product with a quarter below 2^20 is exact, then Taylor series on |r| <= pi/4 (next terms below
// 2^-62).
inline void cos_sin(double a, double* cosine, double* sine) {
  const double shifted = a * 0.63661977236758134308 + 0x1.8p52, quarter = shifted - 0x1.8p52;
  const double r = (a - quarter * 0x1.921fb544p0) - quarter * 0x1.0b4611a626331p-34, z = r * r;
  double s = 1, c = 1;
  for (int k = 18; k >= 2; k -= 2) {
    s = 1 - s * z / static_cast<double>(k * (k + 1));
    c = 1 - c * z / static_cast<double>(k * (k - 1));
  }
  s *= r;
  switch (static_cast<std::int64_t>(quarter) & 3) {
    case 0:
      *cosine = c, *sine = s;
      break;
    case 1:
      *cosine = -s, *sine = c;
      break;
    case 2:
      *cosine = -c, *sine = -s;
      break;
    default:
      *cosine = s, *sine = -c;
  }
}

inline void rope_angles(const float* inv_frequency, std::int64_t n, std::int32_t position, float magnitude, float* cos,
                        float* sin) noexcept {
  for (std::int64_t i = 0; i < n; ++i) {
    const float angle = static_cast<float>(position) * inv_frequency[i];
    double c, s;
    cos_sin(static_cast<double>(angle), &c, &s);
    cos[i] = static_cast<float>(c) * magnitude;
    sin[i] = static_cast<float>(s) * magnitude;
  }
}

inline void rope_halves(float* x, const float* cos, const float* sin, std::int64_t n) noexcept {
  each_vector(n, [&](std::int64_t i, int m) {
    const F32x16 a = read(x + i, m), b = read(x + n + i, m), c = read(cos + i, m), s = read(sin + i, m);
    write(x + i, sub(mul(a, c), mul(b, s)), m);
    write(x + n + i, add(mul(b, c), mul(a, s)), m);
  });
}

inline void rope_pairs(float* x, const float* cos, const float* sin, std::int64_t n) noexcept {
  std::int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const F32x16 pairs = load(x + 2 * i);
    store(x + 2 * i, sub_add(mul(pairs, two_of_each(cos + i)), mul(swap_pairs(pairs), two_of_each(sin + i))));
  }
  for (; i < n; ++i) {
    const float a = x[2 * i], b = x[2 * i + 1];
    x[2 * i] = a * cos[i] - b * sin[i];
    x[2 * i + 1] = b * cos[i] + a * sin[i];
  }
}

}  // namespace
}  // namespace limpid
