// Products with F32, F16 (f32 activations: sum = fma(w, x, sum), k ascending), BF16 and F8_E4M3 (bf16 activations;
// denormals are flushed by the thread's mode). BF16: for each 32 k the even and the odd ones are summed apart by FMA,
// each from 0, and their sum is added, which is what AMX's tdpbf16ps does. F8_E4M3: for each pair of k the odd one first, then
// the even one, two FMAs; a sum for each 128 k, then sum = fma(block, scale, sum). The layout of a strip:
// tensor/pack_float.cpp.
#pragma once

#include "kernels/linear_driver.h"

namespace limpid {
namespace {

constexpr int kFloatTile = kTokenTile;

template <int kValueBytes>
struct Floats {
  static constexpr int kTile = kFloatTile;
  template <int T>
  static void tile(const std::byte* strip, std::int64_t columns, const std::byte* const* rows, F32x16 (&sum)[T]) {
    LIMPID_UNROLL
    for (int t = 0; t < T; ++t) sum[t] = splat(0);
    for (std::int64_t k = 0; k < columns; ++k, strip += 16 * kValueBytes) {
      if constexpr (T == 1) prefetch(strip + 4096);
      const F32x16 w = kValueBytes == 4 ? load(reinterpret_cast<const float*>(strip)) : load_f16(strip);
      LIMPID_UNROLL
      for (int t = 0; t < T; ++t) sum[t] = fma(w, splat(reinterpret_cast<const float*>(rows[t])[k]), sum[t]);
    }
  }
};

// The bf16 pair of each lane: the even k in the low half, the odd one in the high half.
inline F32x16 even_of(I32x16 pair) { return as_float(left<16>(pair)); }
inline F32x16 odd_of(I32x16 pair) { return as_float(both(pair, splat_int(static_cast<std::int32_t>(0xFFFF0000)))); }

template <int T>
inline void add_pair(F32x16 odd, F32x16 even, const std::byte* const* rows, std::int64_t at, F32x16 (&sum)[T]) {
  LIMPID_UNROLL
  for (int t = 0; t < T; ++t) {
    const I32x16 x = as_ints(splat_four(rows[t] + at));
    sum[t] = fma(even, even_of(x), fma(odd, odd_of(x), sum[t]));
  }
}

struct Bf16Pairs {
  static constexpr int kTile = kTokenTile > 8 ? 8 : 2;  // three sums for each token
  template <int T>
  static void tile(const std::byte* strip, std::int64_t columns, const std::byte* const* rows, F32x16 (&sum)[T]) {
    LIMPID_UNROLL
    for (int t = 0; t < T; ++t) sum[t] = splat(0);
    for (std::int64_t k = 0; k < columns; k += 32) {
      F32x16 even[T], odd[T];
      LIMPID_UNROLL
      for (int t = 0; t < T; ++t) even[t] = odd[t] = splat(0);
      for (std::int64_t i = k; i < k + 32; i += 2, strip += 64) {
        if constexpr (T == 1) prefetch(strip + 4096);
        const I32x16 w = load_ints(strip);
        LIMPID_UNROLL
        for (int t = 0; t < T; ++t) {
          const I32x16 x = as_ints(splat_four(rows[t] + 2 * i));
          even[t] = fma(even_of(w), even_of(x), even[t]);
          odd[t] = fma(odd_of(w), odd_of(x), odd[t]);
        }
      }
      LIMPID_UNROLL
      for (int t = 0; t < T; ++t) sum[t] = add(sum[t], add(even[t], odd[t]));
    }
  }
};

// e4m3 (in the low byte of each lane, the rest zero) to f32, exact.
inline F32x16 e4m3_values(I32x16 code) {
  const I32x16 magnitude = left<20>(both(code, splat_int(0x7F)));
  const I32x16 sign = left<24>(both(code, splat_int(0x80)));
  // The exponent is biased by 7 here and by 127 there. Without exponent the value is mantissa * 2^-9: as 2^-6 (1 + m/8)
  // - 2^-6, which meets no f32 denormal.
  const F32x16 normal = as_float(add(magnitude, splat_int(120 << 23)));
  const F32x16 small = sub(as_float(add(magnitude, splat_int(121 << 23))), splat(0x1p-6F));
  const F32x16 value = select_ge(normal, splat(0x1p-6F), normal, small);
  // 0x7F would be 480 and is not a number.
  const F32x16 checked = select_ge(value, splat(480), splat(__builtin_nanf("")), value);
  return as_float(either(float_bits(checked), sign));
}

struct F8Blocks {
  static constexpr int kTile = kFloatTile;
  template <int T>
  static void tile(const std::byte* strip, std::int64_t columns, const std::byte* const* rows, F32x16 (&sum)[T]) {
    LIMPID_UNROLL
    for (int t = 0; t < T; ++t) sum[t] = splat(0);
    const I32x16 byte = splat_int(0xFF);
    for (std::int64_t k = 0; k < columns; k += 128) {
      float scale;
      std::memcpy(&scale, strip, 4);
      strip += 64;
      F32x16 block[T];
      LIMPID_UNROLL
      for (int t = 0; t < T; ++t) block[t] = splat(0);
      for (int i = 0; i < 128; i += 4, strip += 64) {
        if constexpr (T == 1) prefetch(strip + 4096);
        const I32x16 w = load_ints(strip);
        add_pair(e4m3_values(both(right<8>(w), byte)), e4m3_values(both(w, byte)), rows, 2 * (k + i), block);
        add_pair(e4m3_values(right<24>(w)), e4m3_values(both(right<16>(w), byte)), rows, 2 * (k + i + 2), block);
      }
      LIMPID_UNROLL
      for (int t = 0; t < T; ++t) sum[t] = fma(block[t], splat(scale), sum[t]);
    }
  }
};

}  // namespace
}  // namespace limpid
