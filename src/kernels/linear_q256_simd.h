// What products with blocks of 256 values need beyond simd_int.h: narrow integers widened to lanes, pairs of int16, stores. All exact.
#pragma once

#include "kernels/simd_int.h"

namespace limpid {
namespace {

inline float float_at(const std::byte* p) {
  float x;
  std::memcpy(&x, p, 4);
  return x;
}
inline std::uint32_t word_at(const std::byte* p, int i) {
  std::uint16_t x;
  std::memcpy(&x, p + 2 * i, 2);
  return x;
}
inline std::uint32_t dword_at(const std::byte* p, int i) {
  std::uint32_t x;
  std::memcpy(&x, p + 4 * i, 4);
  return x;
}

#if defined(__AVX512F__)

inline __m128i load_16_bytes(const std::byte* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
inline I32x16 widen_u8(const std::byte* p) { return {_mm512_cvtepu8_epi32(load_16_bytes(p))}; }
inline I32x16 widen_i8(const std::byte* p) { return {_mm512_cvtepi8_epi32(load_16_bytes(p))}; }
inline I32x16 widen_u16(const std::byte* p) {
  return {_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}
inline void store_ints(std::int32_t* p, I32x16 x) { _mm512_store_si512(p, x.v); }
inline void store_bytes(std::uint8_t* p, I8x64 x) { _mm512_store_si512(p, x.v); }
inline I8x64 as_bytes(I32x16 x) { return {x.v}; }
// The 32-bit words of a table at these places.
inline I32x16 gather(const std::byte* table, I32x16 index) { return {_mm512_i32gather_epi32(index.v, table, 4)}; }
// sum[r] + w.s16[2 r] * a.s16[0] + w.s16[2 r + 1] * a.s16[1]
inline I32x16 dot_pairs(I32x16 sum, I32x16 w, I32x16 a) { return {_mm512_dpwssd_epi32(sum.v, w.v, a.v)}; }

#elif defined(__AVX2__)

inline __m128i load_8_bytes(const std::byte* p) { return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)); }
inline I32x16 widen_u8(const std::byte* p) {
  return {_mm256_cvtepu8_epi32(load_8_bytes(p)), _mm256_cvtepu8_epi32(load_8_bytes(p + 8))};
}
inline I32x16 widen_i8(const std::byte* p) {
  return {_mm256_cvtepi8_epi32(load_8_bytes(p)), _mm256_cvtepi8_epi32(load_8_bytes(p + 8))};
}
inline I32x16 widen_u16(const std::byte* p) {
  const __m256i words = load32(p);
  return {_mm256_cvtepu16_epi32(_mm256_castsi256_si128(words)),
          _mm256_cvtepu16_epi32(_mm256_extracti128_si256(words, 1))};
}
inline void store_ints(std::int32_t* p, I32x16 x) {
  _mm256_store_si256(reinterpret_cast<__m256i*>(p), x.lo);
  _mm256_store_si256(reinterpret_cast<__m256i*>(p + 8), x.hi);
}
inline void store_bytes(std::uint8_t* p, I8x64 x) {
  _mm256_store_si256(reinterpret_cast<__m256i*>(p), x.lo);
  _mm256_store_si256(reinterpret_cast<__m256i*>(p + 32), x.hi);
}
inline I8x64 as_bytes(I32x16 x) { return {x.lo, x.hi}; }
inline I32x16 gather(const std::byte* table, I32x16 index) {
  const auto* words = reinterpret_cast<const int*>(table);
  return {_mm256_i32gather_epi32(words, index.lo, 4), _mm256_i32gather_epi32(words, index.hi, 4)};
}
inline I32x16 dot_pairs(I32x16 sum, I32x16 w, I32x16 a) {
  return {_mm256_add_epi32(sum.lo, _mm256_madd_epi16(w.lo, a.lo)),
          _mm256_add_epi32(sum.hi, _mm256_madd_epi16(w.hi, a.hi))};
}

#else

inline I32x16 widen_u8(const std::byte* p) {
  return int_lanes([&](int i) { return static_cast<std::uint8_t>(p[i]); });
}
inline I32x16 widen_i8(const std::byte* p) {
  return int_lanes([&](int i) { return static_cast<std::int8_t>(p[i]); });
}
inline I32x16 widen_u16(const std::byte* p) {
  return int_lanes([&](int i) { return static_cast<std::int32_t>(word_at(p, i)); });
}
inline void store_ints(std::int32_t* p, const I32x16& x) { std::memcpy(p, x.v, sizeof x.v); }
inline void store_bytes(std::uint8_t* p, const I8x64& x) { std::memcpy(p, x.v, sizeof x.v); }
inline I8x64 as_bytes(const I32x16& x) {
  I8x64 r;
  std::memcpy(r.v, x.v, sizeof r.v);
  return r;
}
inline I32x16 gather(const std::byte* table, const I32x16& index) {
  return int_lanes([&](int i) { return static_cast<std::int32_t>(dword_at(table, index.v[i])); });
}
inline I32x16 dot_pairs(I32x16 sum, const I32x16& w, const I32x16& a) {
  const auto half = [](std::int32_t x, int shift) {
    return static_cast<std::int16_t>(static_cast<std::uint32_t>(x) >> shift);
  };
  return int_lanes(
      [&](int i) { return sum.v[i] + half(w.v[i], 0) * half(a.v[i], 0) + half(w.v[i], 16) * half(a.v[i], 16); });
}

#endif

inline I32x16 low_bits(I32x16 x, int mask) { return both(x, splat_int(mask)); }
// Two int16 in a lane.
inline I32x16 pair(I32x16 low, I32x16 high) { return either(low_bits(low, 0xFFFF), left<16>(high)); }

}  // namespace
}  // namespace limpid
