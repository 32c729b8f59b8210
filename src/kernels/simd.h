// Sixteen floats, as the generic sources of the kernels see them: AVX-512, AVX2 or plain C++ by what the including file is
// compiled for. Everything here is in an unnamed namespace: an inline function that two instruction sets share would
// end up in the wrong one (docs/numerics.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__AVX2__)
#if defined(__GNUC__) && !defined(__clang__)
// g++ 12 takes the "undefined" operands of its own intrinsics for mistakes (its bug 105593).
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
#endif

// Loops over registers of a tile: unrolled whole, or g++ at -O2 keeps the tile in memory. Lanes of the scalar kernels are loops themselves: unrolled,
// they take the compiler six times as long and four times the code.
#if !defined(__AVX2__)
#define LIMPID_UNROLL
#elif defined(__clang__)
#define LIMPID_UNROLL _Pragma("unroll")
#else
#define LIMPID_UNROLL _Pragma("GCC unroll 16")
#endif

namespace limpid {
namespace {

inline void prefetch(const std::byte* p) { __builtin_prefetch(p); }

#if defined(__AVX512F__)

constexpr int kVectorTile = 4;     // vectors of positions or dimensions that a tile holds beside kQueryTile queries
constexpr int kPositionTile = 16;  // positions that a tile holds beside one vector of queries

struct F32x16 {
  __m512 v;
};
inline F32x16 load(const float* p) { return {_mm512_loadu_ps(p)}; }
inline void store(float* p, F32x16 x) { _mm512_storeu_ps(p, x.v); }
inline __mmask16 first_lanes(int n) { return static_cast<__mmask16>((1U << n) - 1); }
inline F32x16 load_partial(const float* p, int n) { return {_mm512_maskz_loadu_ps(first_lanes(n), p)}; }
inline void store_partial(float* p, F32x16 x, int n) { _mm512_mask_storeu_ps(p, first_lanes(n), x.v); }
inline F32x16 splat(float x) { return {_mm512_set1_ps(x)}; }
inline F32x16 fma(F32x16 a, F32x16 b, F32x16 c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
inline F32x16 add(F32x16 a, F32x16 b) { return {_mm512_add_ps(a.v, b.v)}; }
inline F32x16 sub(F32x16 a, F32x16 b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline F32x16 mul(F32x16 a, F32x16 b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline F32x16 div(F32x16 a, F32x16 b) { return {_mm512_div_ps(a.v, b.v)}; }
inline F32x16 max(F32x16 a, F32x16 b) { return {_mm512_max_ps(a.v, b.v)}; }  // a > b ? a : b
inline F32x16 min(F32x16 a, F32x16 b) { return {_mm512_min_ps(a.v, b.v)}; }  // a < b ? a : b
// Lanes [0, n) of x, the others of y.
inline F32x16 first_of(F32x16 x, F32x16 y, int n) { return {_mm512_mask_mov_ps(y.v, first_lanes(n), x.v)}; }
// x where a >= b, else 0
inline F32x16 where_ge(F32x16 a, F32x16 b, F32x16 x) {
  return {_mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a.v, b.v, _CMP_GE_OQ), x.v)};
}
// x where a >= b, else y
inline F32x16 select_ge(F32x16 a, F32x16 b, F32x16 x, F32x16 y) {
  return {_mm512_mask_mov_ps(y.v, _mm512_cmp_ps_mask(a.v, b.v, _CMP_GE_OQ), x.v)};
}
// 2^n of integral n in [-126, 127], given as n + 1.5 * 2^23
inline F32x16 exp2_of_shifted(F32x16 shifted) {
  return {_mm512_castsi512_ps(
      _mm512_slli_epi32(_mm512_add_epi32(_mm512_castps_si512(shifted.v), _mm512_set1_epi32(127)), 23))};
}
inline F32x16 load_f16(const std::byte* p) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}
inline F32x16 load_bf16(const std::byte* p) {
  return {_mm512_castsi512_ps(
      _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))), 16))};
}
inline F32x16 load_i8(const std::byte* p) {
  return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))))};
}
inline void store_f16(std::byte* p, F32x16 x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                      _mm512_cvtps_ph(x.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
inline void store_bf16(std::byte* p, F32x16 x) {
  const __m512i bits = _mm512_castps_si512(x.v);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i rounded =
      _mm512_srli_epi32(_mm512_add_epi32(_mm512_add_epi32(bits, odd), _mm512_set1_epi32(0x7FFF)), 16);
  const __m512i quiet = _mm512_or_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(0x40));
  const __mmask16 nan = _mm512_cmp_ps_mask(x.v, x.v, _CMP_UNORD_Q);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(_mm512_mask_mov_epi32(rounded, nan, quiet)));
}
// x in [-127, 127], to nearest even
inline void store_i8(std::byte* p, F32x16 x) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(x.v)));
}
// The tree of every sum over lanes: i + (i + 8), then 4, 2, 1.
inline float sum_lanes(F32x16 x) {
  const __m256 a =
      _mm256_add_ps(_mm512_castps512_ps256(x.v), _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(x.v), 1)));
  const __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  const __m128 c = _mm_add_ps(b, _mm_movehl_ps(b, b));
  return _mm_cvtss_f32(_mm_add_ss(c, _mm_shuffle_ps(c, c, 1)));
}
inline float max_lanes(F32x16 x) {
  const __m256 a =
      _mm256_max_ps(_mm512_castps512_ps256(x.v), _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(x.v), 1)));
  const __m128 b = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  const __m128 c = _mm_max_ps(b, _mm_movehl_ps(b, b));
  return _mm_cvtss_f32(_mm_max_ss(c, _mm_shuffle_ps(c, c, 1)));
}
// Pairs of neighbouring lanes: the two change places; the first a - b and the second a + b; each of 8 values twice.
inline F32x16 swap_pairs(F32x16 x) { return {_mm512_permute_ps(x.v, 0xB1)}; }
inline F32x16 sub_add(F32x16 a, F32x16 b) { return {_mm512_mask_sub_ps(_mm512_add_ps(a.v, b.v), 0x5555, a.v, b.v)}; }
inline F32x16 two_of_each(const float* p) {
  const __m512i from = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
  return {_mm512_permutexvar_ps(from, _mm512_castps256_ps512(_mm256_loadu_ps(p)))};
}
// Rows become columns.
inline void transpose(F32x16 (&m)[16]) {
  __m512 t[16], u[16];
  LIMPID_UNROLL
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_ps(m[i].v, m[i + 1].v);
    t[i + 1] = _mm512_unpackhi_ps(m[i].v, m[i + 1].v);
  }
  LIMPID_UNROLL
  for (int i = 0; i < 16; i += 4) {
    u[i] = _mm512_shuffle_ps(t[i], t[i + 2], 0x44);
    u[i + 1] = _mm512_shuffle_ps(t[i], t[i + 2], 0xEE);
    u[i + 2] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0x44);
    u[i + 3] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0xEE);
  }
  LIMPID_UNROLL
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm512_shuffle_f32x4(u[i], u[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_f32x4(u[i], u[i + 4], 0xDD);
    t[i + 8] = _mm512_shuffle_f32x4(u[i + 8], u[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_f32x4(u[i + 8], u[i + 12], 0xDD);
  }
  LIMPID_UNROLL
  for (int i = 0; i < 4; ++i) {
    m[i].v = _mm512_shuffle_f32x4(t[i], t[i + 8], 0x88);
    m[i + 8].v = _mm512_shuffle_f32x4(t[i], t[i + 8], 0xDD);
    m[i + 4].v = _mm512_shuffle_f32x4(t[i + 4], t[i + 12], 0x88);
    m[i + 12].v = _mm512_shuffle_f32x4(t[i + 4], t[i + 12], 0xDD);
  }
}

#elif defined(__AVX2__)

constexpr int kVectorTile = 1;  // 16 registers of 8
constexpr int kPositionTile = 4;

struct F32x16 {
  __m256 lo, hi;
};
inline F32x16 load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
inline void store(float* p, F32x16 x) {
  _mm256_storeu_ps(p, x.lo);
  _mm256_storeu_ps(p + 8, x.hi);
}
inline __m256i lanes_below(int n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
inline F32x16 load_partial(const float* p, int n) {
  return {_mm256_maskload_ps(p, lanes_below(n)), _mm256_maskload_ps(p + 8, lanes_below(n - 8))};
}
inline void store_partial(float* p, F32x16 x, int n) {
  _mm256_maskstore_ps(p, lanes_below(n), x.lo);
  _mm256_maskstore_ps(p + 8, lanes_below(n - 8), x.hi);
}
inline F32x16 splat(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
inline F32x16 fma(F32x16 a, F32x16 b, F32x16 c) {
  return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
inline F32x16 add(F32x16 a, F32x16 b) { return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)}; }
inline F32x16 sub(F32x16 a, F32x16 b) { return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)}; }
inline F32x16 mul(F32x16 a, F32x16 b) { return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)}; }
inline F32x16 div(F32x16 a, F32x16 b) { return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)}; }
inline F32x16 max(F32x16 a, F32x16 b) { return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)}; }
inline F32x16 min(F32x16 a, F32x16 b) { return {_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)}; }
inline F32x16 first_of(F32x16 x, F32x16 y, int n) {
  return {_mm256_blendv_ps(y.lo, x.lo, _mm256_castsi256_ps(lanes_below(n))),
          _mm256_blendv_ps(y.hi, x.hi, _mm256_castsi256_ps(lanes_below(n - 8)))};
}
inline F32x16 where_ge(F32x16 a, F32x16 b, F32x16 x) {
  return {_mm256_and_ps(_mm256_cmp_ps(a.lo, b.lo, _CMP_GE_OQ), x.lo),
          _mm256_and_ps(_mm256_cmp_ps(a.hi, b.hi, _CMP_GE_OQ), x.hi)};
}
inline F32x16 select_ge(F32x16 a, F32x16 b, F32x16 x, F32x16 y) {
  return {_mm256_blendv_ps(y.lo, x.lo, _mm256_cmp_ps(a.lo, b.lo, _CMP_GE_OQ)),
          _mm256_blendv_ps(y.hi, x.hi, _mm256_cmp_ps(a.hi, b.hi, _CMP_GE_OQ))};
}
inline __m256 exp2_of_shifted8(__m256 s) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_castps_si256(s), _mm256_set1_epi32(127)), 23));
}
inline F32x16 exp2_of_shifted(F32x16 shifted) { return {exp2_of_shifted8(shifted.lo), exp2_of_shifted8(shifted.hi)}; }
inline __m128i load16(const std::byte* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
inline F32x16 load_f16(const std::byte* p) { return {_mm256_cvtph_ps(load16(p)), _mm256_cvtph_ps(load16(p + 16))}; }
inline F32x16 load_bf16(const std::byte* p) {
  return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load16(p)), 16)),
          _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load16(p + 16)), 16))};
}
inline F32x16 load_i8(const std::byte* p) {
  const __m128i bytes = load16(p);
  return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)),
          _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8)))};
}
inline void store_f16(std::byte* p, F32x16 x) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(x.lo, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p + 16),
                   _mm256_cvtps_ph(x.hi, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
inline __m256i bf16_bits(__m256 x) {
  const __m256i bits = _mm256_castps_si256(x);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded =
      _mm256_srli_epi32(_mm256_add_epi32(_mm256_add_epi32(bits, odd), _mm256_set1_epi32(0x7FFF)), 16);
  const __m256i quiet = _mm256_or_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(0x40));
  return _mm256_blendv_epi8(rounded, quiet, _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q)));
}
inline void store_bf16(std::byte* p, F32x16 x) {
  const __m256i packed = _mm256_packus_epi32(bf16_bits(x.lo), bf16_bits(x.hi));  // 128-bit halves interleaved
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_permute4x64_epi64(packed, 0xD8));
}
inline void store_i8(std::byte* p, F32x16 x) {
  const __m256i words =
      _mm256_permute4x64_epi64(_mm256_packs_epi32(_mm256_cvtps_epi32(x.lo), _mm256_cvtps_epi32(x.hi)), 0xD8);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                   _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)));
}
inline float sum_lanes(F32x16 x) {
  const __m256 a = _mm256_add_ps(x.lo, x.hi);
  const __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  const __m128 c = _mm_add_ps(b, _mm_movehl_ps(b, b));
  return _mm_cvtss_f32(_mm_add_ss(c, _mm_shuffle_ps(c, c, 1)));
}
inline float max_lanes(F32x16 x) {
  const __m256 a = _mm256_max_ps(x.lo, x.hi);
  const __m128 b = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  const __m128 c = _mm_max_ps(b, _mm_movehl_ps(b, b));
  return _mm_cvtss_f32(_mm_max_ss(c, _mm_shuffle_ps(c, c, 1)));
}
inline F32x16 swap_pairs(F32x16 x) { return {_mm256_permute_ps(x.lo, 0xB1), _mm256_permute_ps(x.hi, 0xB1)}; }
inline F32x16 sub_add(F32x16 a, F32x16 b) { return {_mm256_addsub_ps(a.lo, b.lo), _mm256_addsub_ps(a.hi, b.hi)}; }
inline __m256 two_of_each4(const float* p) {
  return _mm256_permutevar8x32_ps(_mm256_castps128_ps256(_mm_loadu_ps(p)), _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3));
}
inline F32x16 two_of_each(const float* p) { return {two_of_each4(p), two_of_each4(p + 4)}; }
inline void transpose8(__m256 (&r)[8]) {
  __m256 t[8], u[8];
  LIMPID_UNROLL
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
    t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
  }
  LIMPID_UNROLL
  for (int i = 0; i < 8; i += 4) {
    u[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
    u[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xEE);
    u[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
    u[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xEE);
  }
  LIMPID_UNROLL
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm256_permute2f128_ps(u[i], u[i + 4], 0x20);
    r[i + 4] = _mm256_permute2f128_ps(u[i], u[i + 4], 0x31);
  }
}
inline void transpose(F32x16 (&m)[16]) {
  __m256 a[8], b[8], c[8], d[8];
  LIMPID_UNROLL
  for (int i = 0; i < 8; ++i) {
    a[i] = m[i].lo;
    b[i] = m[i].hi;
    c[i] = m[i + 8].lo;
    d[i] = m[i + 8].hi;
  }
  transpose8(a);
  transpose8(b);
  transpose8(c);
  transpose8(d);
  LIMPID_UNROLL
  for (int i = 0; i < 8; ++i) {
    m[i] = {a[i], c[i]};
    m[i + 8] = {b[i], d[i]};
  }
}

#else

constexpr int kVectorTile = 1;
constexpr int kPositionTile = 4;

struct F32x16 {
  float v[16];
};
// f(lane) for each lane.
template <typename F>
inline F32x16 lanes(F f) {
  F32x16 r;
  LIMPID_UNROLL
  for (int i = 0; i < 16; ++i) r.v[i] = f(i);
  return r;
}
inline std::uint32_t bits_of(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, 4);
  return bits;
}
inline float float_of(std::uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, 4);
  return x;
}
inline F32x16 load(const float* p) {
  return lanes([&](int i) { return p[i]; });
}
inline void store(float* p, F32x16 x) { std::memcpy(p, x.v, sizeof x.v); }
inline F32x16 load_partial(const float* p, int n) {
  return lanes([&](int i) { return i < n ? p[i] : 0.0F; });
}
inline void store_partial(float* p, F32x16 x, int n) {
  for (int i = 0; i < 16 && i < n; ++i) p[i] = x.v[i];
}
inline F32x16 splat(float x) {
  return lanes([&](int) { return x; });
}
inline F32x16 fma(F32x16 a, F32x16 b, F32x16 c) {
  return lanes([&](int i) { return __builtin_fmaf(a.v[i], b.v[i], c.v[i]); });
}
inline F32x16 add(F32x16 a, F32x16 b) {
  return lanes([&](int i) { return a.v[i] + b.v[i]; });
}
inline F32x16 sub(F32x16 a, F32x16 b) {
  return lanes([&](int i) { return a.v[i] - b.v[i]; });
}
inline F32x16 mul(F32x16 a, F32x16 b) {
  return lanes([&](int i) { return a.v[i] * b.v[i]; });
}
inline F32x16 div(F32x16 a, F32x16 b) {
  return lanes([&](int i) { return a.v[i] / b.v[i]; });
}
inline F32x16 max(F32x16 a, F32x16 b) {
  return lanes([&](int i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; });
}
inline F32x16 min(F32x16 a, F32x16 b) {
  return lanes([&](int i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; });
}
inline F32x16 first_of(F32x16 x, F32x16 y, int n) {
  return lanes([&](int i) { return i < n ? x.v[i] : y.v[i]; });
}
inline F32x16 where_ge(F32x16 a, F32x16 b, F32x16 x) {
  return lanes([&](int i) { return a.v[i] >= b.v[i] ? x.v[i] : 0.0F; });
}
inline F32x16 select_ge(F32x16 a, F32x16 b, F32x16 x, F32x16 y) {
  return lanes([&](int i) { return a.v[i] >= b.v[i] ? x.v[i] : y.v[i]; });
}
inline F32x16 exp2_of_shifted(F32x16 shifted) {
  return lanes([&](int i) { return float_of((bits_of(shifted.v[i]) + 127) << 23); });
}
inline std::uint16_t load_u16(const std::byte* p, int i) {
  std::uint16_t bits;
  std::memcpy(&bits, p + 2 * i, 2);
  return bits;
}
inline float f16_value(std::uint32_t half) {
  const std::uint32_t sign = (half & 0x8000) << 16, exponent = half >> 10 & 31, mantissa = half & 0x3FF;
  if (exponent == 31) return float_of(sign | 0x7F800000 | mantissa << 13 | (mantissa ? 0x400000 : 0));
  if (exponent == 0) {  // mantissa * 2^-24, exact
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;
    return float_of(sign | bits_of(magnitude));
  }
  return float_of(sign | (exponent + 112) << 23 | mantissa << 13);
}
// Round to nearest even, as vcvtps2ph with denormal inputs taken as zero.
inline std::uint16_t f16_bits(float x) {
  const std::uint32_t bits = bits_of(x), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7FFFFFFF;
  if (magnitude > 0x7F800000) return static_cast<std::uint16_t>(sign | 0x7E00 | (magnitude >> 13 & 0x3FF));
  if (magnitude >= 0x477FF000) return static_cast<std::uint16_t>(sign | 0x7C00);  // 65520 and above round to infinity
  if (magnitude < 0x38800000) {                                                   // below 2^-14: a multiple of 2^-24
    const float shifted = float_of(magnitude) + 0.5F;                             // the sum's last bit is worth 2^-24
    return static_cast<std::uint16_t>(sign | (bits_of(shifted) - bits_of(0.5F)));
  }
  return static_cast<std::uint16_t>(sign | ((magnitude - 0x38000000 + 0xFFF + (magnitude >> 13 & 1)) >> 13));
}
inline F32x16 load_f16(const std::byte* p) {
  return lanes([&](int i) { return f16_value(load_u16(p, i)); });
}
inline F32x16 load_bf16(const std::byte* p) {
  return lanes([&](int i) { return float_of(static_cast<std::uint32_t>(load_u16(p, i)) << 16); });
}
inline F32x16 load_i8(const std::byte* p) {
  return lanes([&](int i) { return static_cast<float>(static_cast<std::int8_t>(p[i])); });
}
inline void store_f16(std::byte* p, F32x16 x) {
  for (int i = 0; i < 16; ++i) {
    const std::uint16_t bits = f16_bits(x.v[i]);
    std::memcpy(p + 2 * i, &bits, 2);
  }
}
inline void store_bf16(std::byte* p, F32x16 x) {
  for (int i = 0; i < 16; ++i) {
    const std::uint32_t bits = bits_of(x.v[i]);
    const bool nan = (bits & 0x7FFFFFFF) > 0x7F800000;
    const auto rounded = static_cast<std::uint16_t>(nan ? bits >> 16 | 0x40 : (bits + (bits >> 16 & 1) + 0x7FFF) >> 16);
    std::memcpy(p + 2 * i, &rounded, 2);
  }
}
inline void store_i8(std::byte* p, F32x16 x) {
  for (int i = 0; i < 16; ++i) {
    const float shifted = x.v[i] + 0x1.8p23F;  // the sum's last bit is worth 1: rounds to nearest even
    p[i] = static_cast<std::byte>(bits_of(shifted) & 0xFF);
  }
}
inline float sum_lanes(F32x16 x) {
  for (int n = 8; n > 0; n /= 2)
    for (int i = 0; i < n; ++i) x.v[i] = x.v[i] + x.v[i + n];
  return x.v[0];
}
inline float max_lanes(F32x16 x) {
  for (int n = 8; n > 0; n /= 2)
    for (int i = 0; i < n; ++i) x.v[i] = x.v[i] > x.v[i + n] ? x.v[i] : x.v[i + n];
  return x.v[0];
}
inline F32x16 swap_pairs(F32x16 x) {
  return lanes([&](int i) { return x.v[i ^ 1]; });
}
inline F32x16 sub_add(F32x16 a, F32x16 b) {
  return lanes([&](int i) { return i % 2 == 0 ? a.v[i] - b.v[i] : a.v[i] + b.v[i]; });
}
inline F32x16 two_of_each(const float* p) {
  return lanes([&](int i) { return p[i / 2]; });
}
inline void transpose(F32x16 (&m)[16]) {
  for (int i = 0; i < 16; ++i)
    for (int j = 0; j < i; ++j) {
      const float t = m[i].v[j];
      m[i].v[j] = m[j].v[i];
      m[j].v[i] = t;
    }
}

#endif

}  // namespace
}  // namespace limpid
