// Products with Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 and IQ4_NL: blocks of 32 values of k with a scale (and a minimum), against
// activations q8_32. The layout of a strip's block: 16 scales f16, 16 minima f16 (the _1 types), then the quants of
// tensor/pack_blocks.cpp. For each block, ascending:
//   sum = fma(float(dot), w_scale * a_scale, sum), then for minima sum = fma(w_min, a_scale * float(a_sum), sum).
#pragma once

#include "kernels/linear_driver.h"

namespace limpid {
namespace {

// Four bits each: vector j holds k 8j..8j+3 of the 16 rows in its low nibbles, 8j+4..8j+7 in the high ones.
struct Nibbles {
  static constexpr int kBytes = 256, kOffset = 0;
  static constexpr bool kSigned = false;
  static void read(const std::byte* p, I8x64 (&w)[8]) {
    const I8x64 mask = splat_byte(15);
    LIMPID_UNROLL
    for (int j = 0; j < 4; ++j) {
      const I8x64 x = load_bytes(p + 64 * j);
      w[2 * j] = both(x, mask);
      w[2 * j + 1] = both(right<4>(x), mask);
    }
  }
};
struct Q4_0 : Nibbles {
  static constexpr int kOffset = 8;
  static constexpr bool kMin = false;
};
struct Q4_1 : Nibbles {
  static constexpr bool kMin = true;
};
// And the fifth bits: bit g of a byte belongs to k 4g + (byte % 4).
struct FiveBits {
  static constexpr int kBytes = 320, kOffset = 0;
  static constexpr bool kSigned = false;
  static void read(const std::byte* p, I8x64 (&w)[8]) {
    Nibbles::read(p, w);
    const I8x64 high = load_bytes(p + 256), mask = splat_byte(16);
    w[0] = either(w[0], both(left<4>(high), mask));
    w[1] = either(w[1], both(left<3>(high), mask));
    w[2] = either(w[2], both(left<2>(high), mask));
    w[3] = either(w[3], both(left<1>(high), mask));
    w[4] = either(w[4], both(high, mask));
    w[5] = either(w[5], both(right<1>(high), mask));
    w[6] = either(w[6], both(right<2>(high), mask));
    w[7] = either(w[7], both(right<3>(high), mask));
  }
};
struct Q5_0 : FiveBits {
  static constexpr int kOffset = 16;
  static constexpr bool kMin = false;
};
struct Q5_1 : FiveBits {
  static constexpr bool kMin = true;
};
struct Q8_0 {
  static constexpr int kBytes = 512, kOffset = kSignedOffset;
  static constexpr bool kSigned = true, kMin = false;
  static void read(const std::byte* p, I8x64 (&w)[8]) {
    LIMPID_UNROLL
    for (int g = 0; g < 8; ++g) w[g] = from_signed(load_bytes(p + 64 * g));
  }
};
// The values of IQ4_NL's sixteen codes: part of the format (ggml).
alignas(16) constexpr std::int8_t kNonLinear[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                                    1,    13,   25,  38,  53,  69,  89,  113};
struct Iq4Nl {
  static constexpr int kBytes = 256, kOffset = kSignedOffset;
  static constexpr bool kSigned = true, kMin = false;
  static void read(const std::byte* p, I8x64 (&w)[8]) {
    Nibbles::read(p, w);
    LIMPID_UNROLL
    for (int g = 0; g < 8; ++g) w[g] = from_signed(look_up(kNonLinear, w[g]));
  }
};

template <typename Quants>
struct Blocks {
  static constexpr int kTile = kTokenTile;
  static constexpr int kBlockBytes = 32 + (Quants::kMin ? 32 : 0) + Quants::kBytes;

  template <int T>
  static void tile(const std::byte* strip, std::int64_t columns, const std::byte* const* rows, F32x16 (&sum)[T]) {
    const std::int64_t padded = act_padded(columns), blocks = columns / 32;
    LIMPID_UNROLL
    for (int t = 0; t < T; ++t) sum[t] = splat(0);
    for (std::int64_t b = 0; b < blocks; ++b, strip += kBlockBytes) {
      if constexpr (T == 1)
        for (int at = 0; at < kBlockBytes; at += 64) prefetch(strip + 4096 + at);
      I8x64 w[8];
      Quants::read(strip + kBlockBytes - Quants::kBytes, w);
      const F32x16 scale = load_f16(strip);
      LIMPID_UNROLL
      for (int t = 0; t < T; ++t) {
        const std::byte* a = rows[t] + b * 32;
        const auto* a_scale = reinterpret_cast<const float*>(rows[t] + padded) + b;
        const auto* a_sum = reinterpret_cast<const std::int32_t*>(rows[t] + padded + padded / 8) + b;
        I32x16 products = Quants::kOffset == 0 ? zero_ints() : splat_int(-Quants::kOffset * *a_sum);
        LIMPID_UNROLL
        for (int g = 0; g < 8; ++g)
          products = Quants::kSigned ? dot_signed(products, w[g], splat_four(a + 4 * g))
                                     : dot(products, w[g], splat_four(a + 4 * g));
        sum[t] = fma(to_float(products), mul(scale, splat(*a_scale)), sum[t]);
        if constexpr (Quants::kMin)
          sum[t] = fma(load_f16(strip + 32), splat(*a_scale * static_cast<float>(*a_sum)), sum[t]);
      }
    }
  }
};

}  // namespace
}  // namespace limpid
