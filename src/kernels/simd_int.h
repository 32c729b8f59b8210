// Sixteen 32-bit lanes of integers and sixty-four bytes, as products with packed integer weights see them. Everything
// is exact, so every instruction set gives the same numbers.
#pragma once

#include "kernels/simd.h"

namespace limpid {
namespace {

#if defined(__AVX512F__)

struct I32x16 {
  __m512i v;
};
struct I8x64 {
  __m512i v;
};
inline I32x16 zero_ints() { return {_mm512_setzero_si512()}; }
inline I32x16 splat_int(std::int32_t x) { return {_mm512_set1_epi32(x)}; }
inline I32x16 load_ints(const std::byte* p) { return {_mm512_loadu_si512(p)}; }
inline I32x16 add(I32x16 a, I32x16 b) { return {_mm512_add_epi32(a.v, b.v)}; }
inline I32x16 sub(I32x16 a, I32x16 b) { return {_mm512_sub_epi32(a.v, b.v)}; }
inline I32x16 mul(I32x16 a, I32x16 b) { return {_mm512_mullo_epi32(a.v, b.v)}; }
inline I32x16 both(I32x16 a, I32x16 b) { return {_mm512_and_si512(a.v, b.v)}; }
inline I32x16 either(I32x16 a, I32x16 b) { return {_mm512_or_si512(a.v, b.v)}; }
template <int N>
inline I32x16 left(I32x16 x) {
  return {_mm512_slli_epi32(x.v, N)};
}
template <int N>
inline I32x16 right(I32x16 x) {  // logical
  return {_mm512_srli_epi32(x.v, N)};
}
inline F32x16 to_float(I32x16 x) { return {_mm512_cvtepi32_ps(x.v)}; }
inline F32x16 as_float(I32x16 x) { return {_mm512_castsi512_ps(x.v)}; }
inline I32x16 float_bits(F32x16 x) { return {_mm512_castps_si512(x.v)}; }
inline I32x16 as_ints(I8x64 x) { return {x.v}; }
inline I8x64 load_bytes(const std::byte* p) { return {_mm512_loadu_si512(p)}; }
inline I8x64 splat_byte(int x) { return {_mm512_set1_epi8(static_cast<char>(x))}; }
// The same four bytes in every lane.
inline I8x64 splat_four(const std::byte* p) {
  std::int32_t four;
  std::memcpy(&four, p, 4);
  return {_mm512_set1_epi32(four)};
}
inline I8x64 both(I8x64 a, I8x64 b) { return {_mm512_and_si512(a.v, b.v)}; }
inline I8x64 either(I8x64 a, I8x64 b) { return {_mm512_or_si512(a.v, b.v)}; }
inline I8x64 differ(I8x64 a, I8x64 b) { return {_mm512_xor_si512(a.v, b.v)}; }
// Bits move inside words of 16: the caller masks what came from the neighbouring byte.
template <int N>
inline I8x64 left(I8x64 x) {
  return {_mm512_slli_epi16(x.v, N)};
}
template <int N>
inline I8x64 right(I8x64 x) {
  return {_mm512_srli_epi16(x.v, N)};
}
// table[x], x < 16; the table is 16 bytes.
inline I8x64 look_up(const std::int8_t* table, I8x64 x) {
  return {_mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table))), x.v)};
}
// sum + the four products of each lane; w unsigned (below 128 where it is not `from_signed`), a signed.
inline I32x16 dot(I32x16 sum, I8x64 w, I8x64 a) { return {_mm512_dpbusd_epi32(sum.v, w.v, a.v)}; }
// Signed bytes as dot_signed wants them: its sum then holds kSignedOffset times the sum of a too much.
constexpr int kSignedOffset = 128;
inline I8x64 from_signed(I8x64 w) { return differ(w, splat_byte(0x80)); }
inline I32x16 dot_signed(I32x16 sum, I8x64 w, I8x64 a) { return dot(sum, w, a); }

constexpr int kTokenTile = 12;  // tokens that share unpacked weights: 12 sums + 8 vectors of weights in 32 registers

#elif defined(__AVX2__)

struct I32x16 {
  __m256i lo, hi;
};
struct I8x64 {
  __m256i lo, hi;
};
inline __m256i load32(const std::byte* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
inline I32x16 zero_ints() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
inline I32x16 splat_int(std::int32_t x) { return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }
inline I32x16 load_ints(const std::byte* p) { return {load32(p), load32(p + 32)}; }
inline I32x16 add(I32x16 a, I32x16 b) { return {_mm256_add_epi32(a.lo, b.lo), _mm256_add_epi32(a.hi, b.hi)}; }
inline I32x16 sub(I32x16 a, I32x16 b) { return {_mm256_sub_epi32(a.lo, b.lo), _mm256_sub_epi32(a.hi, b.hi)}; }
inline I32x16 mul(I32x16 a, I32x16 b) { return {_mm256_mullo_epi32(a.lo, b.lo), _mm256_mullo_epi32(a.hi, b.hi)}; }
inline I32x16 both(I32x16 a, I32x16 b) { return {_mm256_and_si256(a.lo, b.lo), _mm256_and_si256(a.hi, b.hi)}; }
inline I32x16 either(I32x16 a, I32x16 b) { return {_mm256_or_si256(a.lo, b.lo), _mm256_or_si256(a.hi, b.hi)}; }
template <int N>
inline I32x16 left(I32x16 x) {
  return {_mm256_slli_epi32(x.lo, N), _mm256_slli_epi32(x.hi, N)};
}
template <int N>
inline I32x16 right(I32x16 x) {
  return {_mm256_srli_epi32(x.lo, N), _mm256_srli_epi32(x.hi, N)};
}
inline F32x16 to_float(I32x16 x) { return {_mm256_cvtepi32_ps(x.lo), _mm256_cvtepi32_ps(x.hi)}; }
inline F32x16 as_float(I32x16 x) { return {_mm256_castsi256_ps(x.lo), _mm256_castsi256_ps(x.hi)}; }
inline I32x16 float_bits(F32x16 x) { return {_mm256_castps_si256(x.lo), _mm256_castps_si256(x.hi)}; }
inline I32x16 as_ints(I8x64 x) { return {x.lo, x.hi}; }
inline I8x64 load_bytes(const std::byte* p) { return {load32(p), load32(p + 32)}; }
inline I8x64 splat_byte(int x) {
  return {_mm256_set1_epi8(static_cast<char>(x)), _mm256_set1_epi8(static_cast<char>(x))};
}
inline I8x64 splat_four(const std::byte* p) {
  std::int32_t four;
  std::memcpy(&four, p, 4);
  return {_mm256_set1_epi32(four), _mm256_set1_epi32(four)};
}
inline I8x64 both(I8x64 a, I8x64 b) { return {_mm256_and_si256(a.lo, b.lo), _mm256_and_si256(a.hi, b.hi)}; }
inline I8x64 either(I8x64 a, I8x64 b) { return {_mm256_or_si256(a.lo, b.lo), _mm256_or_si256(a.hi, b.hi)}; }
inline I8x64 differ(I8x64 a, I8x64 b) { return {_mm256_xor_si256(a.lo, b.lo), _mm256_xor_si256(a.hi, b.hi)}; }
template <int N>
inline I8x64 left(I8x64 x) {
  return {_mm256_slli_epi16(x.lo, N), _mm256_slli_epi16(x.hi, N)};
}
template <int N>
inline I8x64 right(I8x64 x) {
  return {_mm256_srli_epi16(x.lo, N), _mm256_srli_epi16(x.hi, N)};
}
inline I8x64 look_up(const std::int8_t* table, I8x64 x) {
  const __m256i t = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table)));
  return {_mm256_shuffle_epi8(t, x.lo), _mm256_shuffle_epi8(t, x.hi)};
}
// Pairs are summed in 16 bits: 2 * 127 * 127 still fits.
inline __m256i four_products(__m256i w, __m256i a) {
  return _mm256_madd_epi16(_mm256_maddubs_epi16(w, a), _mm256_set1_epi16(1));
}
inline I32x16 dot(I32x16 sum, I8x64 w, I8x64 a) {
  return {_mm256_add_epi32(sum.lo, four_products(w.lo, a.lo)), _mm256_add_epi32(sum.hi, four_products(w.hi, a.hi))};
}
constexpr int kSignedOffset = 0;
inline I8x64 from_signed(I8x64 w) { return w; }
// |w| times a with the sign of w: 2 * 128 * 127 fits in 16 bits (a is never -128).
inline I32x16 dot_signed(I32x16 sum, I8x64 w, I8x64 a) {
  const I8x64 magnitude = {_mm256_abs_epi8(w.lo), _mm256_abs_epi8(w.hi)};
  return dot(sum, magnitude, {_mm256_sign_epi8(a.lo, w.lo), _mm256_sign_epi8(a.hi, w.hi)});
}

constexpr int kTokenTile = 4;

#else

struct I32x16 {
  std::int32_t v[16];
};
struct I8x64 {
  std::uint8_t v[64];
};
template <typename F>
inline I32x16 int_lanes(F f) {
  I32x16 r;
  for (int i = 0; i < 16; ++i) r.v[i] = f(i);
  return r;
}
template <typename F>
inline I8x64 byte_lanes(F f) {
  I8x64 r;
  for (int i = 0; i < 64; ++i) r.v[i] = static_cast<std::uint8_t>(f(i));
  return r;
}
inline I32x16 zero_ints() { return {}; }
inline I32x16 splat_int(std::int32_t x) {
  return int_lanes([&](int) { return x; });
}
inline I32x16 load_ints(const std::byte* p) {
  I32x16 r;
  std::memcpy(r.v, p, 64);
  return r;
}
inline I32x16 add(I32x16 a, I32x16 b) {
  return int_lanes([&](int i) { return a.v[i] + b.v[i]; });
}
inline I32x16 sub(I32x16 a, I32x16 b) {
  return int_lanes([&](int i) { return a.v[i] - b.v[i]; });
}
inline I32x16 mul(I32x16 a, I32x16 b) {
  return int_lanes([&](int i) { return a.v[i] * b.v[i]; });
}
inline I32x16 both(I32x16 a, I32x16 b) {
  return int_lanes([&](int i) { return a.v[i] & b.v[i]; });
}
inline I32x16 either(I32x16 a, I32x16 b) {
  return int_lanes([&](int i) { return a.v[i] | b.v[i]; });
}
template <int N>
inline I32x16 left(I32x16 x) {
  return int_lanes([&](int i) { return static_cast<std::int32_t>(static_cast<std::uint32_t>(x.v[i]) << N); });
}
template <int N>
inline I32x16 right(I32x16 x) {
  return int_lanes([&](int i) { return static_cast<std::int32_t>(static_cast<std::uint32_t>(x.v[i]) >> N); });
}
inline F32x16 to_float(I32x16 x) {
  return lanes([&](int i) { return static_cast<float>(x.v[i]); });
}
inline F32x16 as_float(I32x16 x) {
  return lanes([&](int i) { return float_of(static_cast<std::uint32_t>(x.v[i])); });
}
inline I32x16 float_bits(F32x16 x) {
  return int_lanes([&](int i) { return static_cast<std::int32_t>(bits_of(x.v[i])); });
}
inline I32x16 as_ints(I8x64 x) {
  I32x16 r;
  std::memcpy(r.v, x.v, 64);
  return r;
}
inline I8x64 load_bytes(const std::byte* p) {
  I8x64 r;
  std::memcpy(r.v, p, 64);
  return r;
}
inline I8x64 splat_byte(int x) {
  return byte_lanes([&](int) { return x; });
}
inline I8x64 splat_four(const std::byte* p) {
  return byte_lanes([&](int i) { return p[i % 4]; });
}
inline I8x64 both(I8x64 a, I8x64 b) {
  return byte_lanes([&](int i) { return a.v[i] & b.v[i]; });
}
inline I8x64 either(I8x64 a, I8x64 b) {
  return byte_lanes([&](int i) { return a.v[i] | b.v[i]; });
}
inline I8x64 differ(I8x64 a, I8x64 b) {
  return byte_lanes([&](int i) { return a.v[i] ^ b.v[i]; });
}
// Unlike the others, no bit comes from the neighbouring byte; who uses them masks it away there.
template <int N>
inline I8x64 left(I8x64 x) {
  return byte_lanes([&](int i) { return x.v[i] << N; });
}
template <int N>
inline I8x64 right(I8x64 x) {
  return byte_lanes([&](int i) { return x.v[i] >> N; });
}
inline I8x64 look_up(const std::int8_t* table, I8x64 x) {
  return byte_lanes([&](int i) { return table[x.v[i] & 15]; });
}
inline I32x16 dot(I32x16 sum, I8x64 w, I8x64 a) {
  for (int i = 0; i < 64; ++i) sum.v[i / 4] += w.v[i] * static_cast<std::int8_t>(a.v[i]);
  return sum;
}
constexpr int kSignedOffset = 0;
inline I8x64 from_signed(I8x64 w) { return w; }
inline I32x16 dot_signed(I32x16 sum, I8x64 w, I8x64 a) {
  for (int i = 0; i < 64; ++i) sum.v[i / 4] += static_cast<std::int8_t>(w.v[i]) * static_cast<std::int8_t>(a.v[i]);
  return sum;
}

constexpr int kTokenTile = 4;

#endif

}  // namespace
}  // namespace limpid
