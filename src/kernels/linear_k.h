// Q2_K .. Q6_K and IQ4_XS: how a packed block of 16 rows (tensor/pack_k.cpp) becomes a Block256: `scales` fills all but the quants, `quants` puts vector after vector. Fields are in packed order; a vector of quants
// holds one dword of each row. The meaning of the bits is a fact of the format (ggml), the same as in the codec.
#pragma once

#include "kernels/linear_q256.h"

namespace limpid {
namespace {

// The twelve bytes of Q4_K and Q5_K: eight scales and eight minima of six bits.
inline void decode_six_bit_scales(const std::byte* p, Block256& out) {
  for (int j = 0; j < 8; ++j) {
    I32x16 scale, minimum;
    if (j < 4) {
      scale = low_bits(widen_u8(p + 16 * j), 63);
      minimum = low_bits(widen_u8(p + 16 * (j + 4)), 63);
    } else {
      const I32x16 low = widen_u8(p + 16 * (j + 4));
      scale = either(low_bits(low, 15), left<4>(right<6>(widen_u8(p + 16 * (j - 4)))));
      minimum = either(right<4>(low), left<4>(right<6>(widen_u8(p + 16 * j))));
    }
    store_ints(out.scales[j], scale);
    store_ints(out.offsets[j], pair(minimum, minimum));
  }
}

struct Q4K {
  static constexpr int kBytes = 144, kSub = 32;
  static constexpr Msum kMsum = Msum::minima;
  static constexpr bool kSigned = false, kFused = true;
  // d, dmin, scales (12 x 16), qs (32 vectors): vectors 8c..8c+7 hold k 64c..64c+31 low, 64c+32..64c+63 high.
  static void scales(const std::byte* p, Block256& out) {
    store(out.d, load_f16(p));
    store(out.dmin, load_f16(p + 32));
    decode_six_bit_scales(p + 64, out);
  }
  template <typename Put>
  static void quants(const std::byte* p, Put&& put) {
    const I8x64 mask = splat_byte(15);
    LIMPID_UNROLL
    for (int c = 0; c < 4; ++c) {
      LIMPID_UNROLL
      for (int i = 0; i < 8; ++i) {
        const I8x64 x = load_bytes(p + 256 + 64 * (8 * c + i));
        put(16 * c + i, both(x, mask));
        put(16 * c + 8 + i, both(right<4>(x), mask));
      }
    }
  }
};

struct Q5K {
  static constexpr int kBytes = 176, kSub = 32;
  static constexpr Msum kMsum = Msum::minima;
  static constexpr bool kSigned = false, kFused = true;
  // As Q4_K, with qh (8 vectors) before qs: bits 2c and 2c + 1 of vector i are the fifth bits of qs vector 8c + i.
  template <int C, typename Put>
  static void chunk(const std::byte* high, const std::byte* p, Put&& put) {
    const I8x64 mask = splat_byte(15), one = splat_byte(1);
    LIMPID_UNROLL
    for (int i = 0; i < 8; ++i) {
      const I8x64 x = load_bytes(p + 64 * (8 * C + i)), h = load_bytes(high + 64 * i);
      put(16 * C + i, either(both(x, mask), left<4>(both(right<2 * C>(h), one))));
      put(16 * C + 8 + i, either(both(right<4>(x), mask), left<4>(both(right<2 * C + 1>(h), one))));
    }
  }
  static void scales(const std::byte* p, Block256& out) { Q4K::scales(p, out); }
  template <typename Put>
  static void quants(const std::byte* p, Put&& put) {
    const std::byte *high = p + 256, *low = high + 512;
    chunk<0>(high, low, put);
    chunk<1>(high, low, put);
    chunk<2>(high, low, put);
    chunk<3>(high, low, put);
  }
};

// Sub-blocks 2p and 2p + 1 of signed quants.
inline void set_scale_pair(Block256& out, int p, I32x16 first, I32x16 second) {
  store_ints(out.scales[2 * p], first);
  store_ints(out.scales[2 * p + 1], second);
  store_ints(out.offsets[p], pair(first, second));
}

struct Q6K {
  static constexpr int kBytes = 210, kSub = 16, kOffsetShift = 5;
  static constexpr Msum kMsum = Msum::offset;
  static constexpr bool kSigned = false, kFused = true;
  // d, scales (16 x 16 int8), qh (16 vectors), ql (32 vectors); halves of 128 k.
  static void scales(const std::byte* p, Block256& out) {
    store(out.d, load_f16(p));
    for (int j = 0; j < 8; ++j) set_scale_pair(out, j, widen_i8(p + 32 + 32 * j), widen_i8(p + 48 + 32 * j));
  }
  template <typename Put>
  static void quants(const std::byte* p, Put&& put) {
    const I8x64 low = splat_byte(15), high = splat_byte(48);
    LIMPID_UNROLL
    for (int half = 0; half < 2; ++half) {
      const std::byte *qh = p + 288 + 512 * half, *ql = p + 1312 + 1024 * half;
      const int g = 32 * half;
      LIMPID_UNROLL
      for (int i = 0; i < 8; ++i) {
        const I8x64 h = load_bytes(qh + 64 * i), a = load_bytes(ql + 64 * i), b = load_bytes(ql + 64 * (8 + i));
        put(g + i, either(both(a, low), both(left<4>(h), high)));
        put(g + 8 + i, either(both(b, low), both(left<2>(h), high)));
        put(g + 16 + i, either(both(right<4>(a), low), both(h, high)));
        put(g + 24 + i, either(both(right<4>(b), low), both(right<2>(h), high)));
      }
    }
  }
};

struct Q2K {
  static constexpr int kBytes = 84, kSub = 16;
  static constexpr Msum kMsum = Msum::minima;
  static constexpr bool kSigned = false, kFused = true;
  // d, dmin, scales (16 x 16: scale low, minimum high), qs (16 vectors): vector 8h + i holds k 128h + 32j + 4i.. at bits 2j.
  static void scales(const std::byte* p, Block256& out) {
    store(out.d, load_f16(p));
    store(out.dmin, load_f16(p + 32));
    for (int j = 0; j < 8; ++j) {
      const I32x16 a = widen_u8(p + 64 + 32 * j), b = widen_u8(p + 80 + 32 * j);
      store_ints(out.scales[2 * j], low_bits(a, 15));
      store_ints(out.scales[2 * j + 1], low_bits(b, 15));
      store_ints(out.offsets[j], pair(right<4>(a), right<4>(b)));
    }
  }
  template <typename Put>
  static void quants(const std::byte* p, Put&& put) {
    const I8x64 three = splat_byte(3);
    LIMPID_UNROLL
    for (int half = 0; half < 2; ++half) {
      const int g = 32 * half;
      LIMPID_UNROLL
      for (int i = 0; i < 8; ++i) {
        const I8x64 x = load_bytes(p + 320 + 64 * (8 * half + i));
        put(g + i, both(x, three));
        put(g + 8 + i, both(right<2>(x), three));
        put(g + 16 + i, both(right<4>(x), three));
        put(g + 24 + i, both(right<6>(x), three));
      }
    }
  }
};

struct Q3K {
  static constexpr int kBytes = 110, kSub = 16, kOffsetShift = 2;
  static constexpr Msum kMsum = Msum::offset;
  static constexpr bool kSigned = false, kFused = true;
  // d, scales (12 x 16), hmask (8 vectors), qs (16 vectors, as Q2_K): bit 4h + j of hmask vector i is the third bit; offset 4.
  template <int H, typename Put>
  static void half(const std::byte* mask, const std::byte* p, Put&& put) {
    constexpr int g = 32 * H;
    const I8x64 three = splat_byte(3), one = splat_byte(1);
    LIMPID_UNROLL
    for (int i = 0; i < 8; ++i) {
      const I8x64 x = load_bytes(p + 64 * i), m = load_bytes(mask + 64 * i);
      put(g + i, either(both(x, three), left<2>(both(right<4 * H>(m), one))));
      put(g + 8 + i, either(both(right<2>(x), three), left<2>(both(right<4 * H + 1>(m), one))));
      put(g + 16 + i, either(both(right<4>(x), three), left<2>(both(right<4 * H + 2>(m), one))));
      put(g + 24 + i, either(both(right<6>(x), three), left<2>(both(right<4 * H + 3>(m), one))));
    }
  }
  // Six bits less 32: four in the first eight bytes, two in the last four.
  static I32x16 scale(const std::byte* p, int j) {
    const I32x16 low = widen_u8(p + 16 * (j & 7)), high = widen_u8(p + 16 * (8 + j % 4));
    const I32x16 two = j < 4 ? high : j < 8 ? right<2>(high) : j < 12 ? right<4>(high) : right<6>(high);
    return sub(either(low_bits(j < 8 ? low : right<4>(low), 15), left<4>(low_bits(two, 3))), splat_int(32));
  }
  static void scales(const std::byte* p, Block256& out) {
    store(out.d, load_f16(p));
    for (int j = 0; j < 8; ++j) set_scale_pair(out, j, scale(p + 32, 2 * j), scale(p + 32, 2 * j + 1));
  }
  template <typename Put>
  static void quants(const std::byte* p, Put&& put) {
    half<0>(p + 224, p + 736, put);
    half<1>(p + 224, p + 1248, put);
  }
};

// The values of the sixteen codes of IQ4_NL and IQ4_XS: part of the format (ggml).
alignas(16) constexpr std::int8_t kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                                    1,    13,   25,  38,  53,  69,  89,  113};

struct Iq4Xs {
  static constexpr int kBytes = 136, kSub = 32, kOffsetShift = 7;
  static constexpr Msum kMsum = kSignedOffset == 0 ? Msum::none : Msum::offset;
  static constexpr bool kSigned = true, kFused = true;
  // d, scales_h (16 words: two bits of each sub-block), scales_l (4 x 16: four bits), qs (32 vectors: 4j..4j+3 are sub-block j, k 0..15 low).
  static void scales(const std::byte* p, Block256& out) {
    store(out.d, load_f16(p));
    I32x16 high = widen_u16(p + 32);
    for (int j = 0; j < 8; ++j, high = right<2>(high)) {
      const I32x16 low = widen_u8(p + 64 + 16 * (j / 2));
      const I32x16 six = either(low_bits(j % 2 == 0 ? low : right<4>(low), 15), left<4>(low_bits(high, 3)));
      const I32x16 scale = sub(six, splat_int(32));
      store_ints(out.scales[j], scale);
      store_ints(out.offsets[j], pair(scale, scale));
    }
  }
  template <typename Put>
  static void quants(const std::byte* p, Put&& put) {
    const I8x64 mask = splat_byte(15);
    LIMPID_UNROLL
    for (int j = 0; j < 8; ++j) {
      LIMPID_UNROLL
      for (int i = 0; i < 4; ++i) {
        const I8x64 x = load_bytes(p + 128 + 64 * (4 * j + i));
        put(8 * j + i, from_signed(look_up(kIq4Values, both(x, mask))));
        put(8 * j + 4 + i, from_signed(look_up(kIq4Values, both(right<4>(x), mask))));
      }
    }
  }
};

}  // namespace
}  // namespace limpid
