// IQ1_S .. IQ3_S: how a packed block of 16 rows (tensor/pack_k.cpp) becomes a Block256, as in linear_k.h. Groups of 8 (or 4) values are entries of
// fixed grids, with a sign per value; the scale of a sub-block is an odd multiple of the block's, so it stays an integer and the constant goes to d.
// Quants are stored plus 64. The meaning of the bits is a fact of the format (ggml), the same as in the codec. Sixteen rows at a time: a lane of 32
// bits is four values of a row.
#pragma once

#include "kernels/linear_q256.h"
#include "tensor/iq_grids.h"

namespace limpid {
namespace {

constexpr int kIqOffset = 64;

constexpr std::int32_t four_bytes(int x) {
  return static_cast<std::int32_t>(0x01010101U * static_cast<std::uint32_t>(x));
}

// kIqOffset + value, or - value where the bit is set, four a lane; values of the grids are below 64, so no byte meets its neighbour.
inline I8x64 with_signs(I32x16 values, I32x16 four_signs) {
  const I32x16 spread =
      either(either(four_signs, left<7>(four_signs)), either(left<14>(four_signs), left<21>(four_signs)));
  const I32x16 ones = low_bits(spread, four_bytes(1));
  const I8x64 negative = as_bytes(sub(left<8>(ones), ones));  // 255 in the bytes of ones
  const I32x16 offset = splat_int(four_bytes(kIqOffset));
  const I8x64 plus = as_bytes(add(offset, values)), minus = as_bytes(sub(offset, values));
  return differ(plus, both(differ(plus, minus), negative));
}
// Seven signs and the one that makes their number even.
inline I32x16 even_signs(I32x16 seven) {
  const auto fold = [](I32x16 x, I32x16 y) { return as_ints(differ(as_bytes(x), as_bytes(y))); };
  I32x16 parity = fold(seven, right<4>(seven));
  parity = fold(parity, right<2>(parity));
  parity = fold(parity, right<1>(parity));
  return either(seven, left<7>(low_bits(parity, 1)));
}
template <typename Grid>
inline I32x16 entries(const Grid& grid, I32x16 word) {
  return gather(reinterpret_cast<const std::byte*>(&grid), word);
}
// Values 8 i .. 8 i + 7: an entry of a grid of eight, with eight signs.
template <typename Grid, typename Put>
inline void put_eight(Put& put, int i, const Grid& grid, I32x16 index, I32x16 signs) {
  const I32x16 word = left<1>(index);
  put(2 * i, with_signs(entries(grid, word), low_bits(signs, 15)));
  put(2 * i + 1, with_signs(entries(grid, add(word, splat_int(1))), low_bits(right<4>(signs), 15)));
}

inline I32x16 odd(I32x16 s) { return either(left<1>(s), splat_int(1)); }
// A scale for each 32 values, or two.
inline void set_scale(Block256& out, int ib, I32x16 scale) {
  store_ints(out.scales[ib], scale);
  store_ints(out.offsets[ib], pair(scale, scale));
}
inline void set_scales(Block256& out, int ib, I32x16 first, I32x16 second) {
  store_ints(out.scales[2 * ib], first);
  store_ints(out.scales[2 * ib + 1], second);
  store_ints(out.offsets[ib], pair(first, second));
}
inline void set_d(Block256& out, const std::byte* d, float factor) { store(out.d, mul(load_f16(d), splat(factor))); }

template <int kBlockBytes, int kSubBlock>
struct IqType {
  static constexpr int kBytes = kBlockBytes, kSub = kSubBlock, kOffsetShift = 6;
  static_assert(1 << kOffsetShift == kIqOffset);
  static constexpr Msum kMsum = Msum::offset;
  static constexpr bool kSigned = false, kFused = false;  // the way through memory is small beside the look-ups
};

struct Iq2Xxs : IqType<66, 32> {
  // d, then for each 32 values a dword of four grid indices and one of 4 x 7 signs and four bits of scale.
  static void scales(const std::byte* p, Block256& out) {
    set_d(out, p, 0.125F);
    for (int ib = 0; ib < 8; ++ib) set_scale(out, ib, odd(right<28>(load_ints(p + 96 + 128 * ib))));
  }
  template <typename Put>
  static void quants(const std::byte* p, Put&& put) {
    for (int ib = 0; ib < 8; ++ib) {
      I32x16 indices = load_ints(p + 32 + 128 * ib), signs = load_ints(p + 96 + 128 * ib);
      for (int l = 0; l < 4; ++l, indices = right<8>(indices), signs = right<7>(signs))
        put_eight(put, 4 * ib + l, kGridIQ2_XXS, low_bits(indices, 255), even_signs(low_bits(signs, 127)));
    }
  }
};

// Eight bytes a row with two scales of four bits each: IQ2_XS and IQ2_S.
inline void set_nibble_scales(const std::byte* p, Block256& out) {
  for (int ib = 0; ib < 8; ++ib) {
    const I32x16 both_scales = widen_u8(p + 16 * ib);
    set_scales(out, ib, odd(low_bits(both_scales, 15)), odd(right<4>(both_scales)));
  }
}

struct Iq2Xs : IqType<74, 16> {
  // d, scales (8 x 16), then a word for 8 values: nine bits of index, seven signs.
  static void scales(const std::byte* p, Block256& out) {
    set_d(out, p, 0.125F);
    set_nibble_scales(p + 32, out);
  }
  template <typename Put>
  static void quants(const std::byte* p, Put&& put) {
    for (int i = 0; i < 32; ++i) {
      const I32x16 word = widen_u16(p + 160 + 32 * i);
      put_eight(put, i, kGridIQ2_XS, low_bits(word, 511), even_signs(right<9>(word)));
    }
  }
};

struct Iq2S : IqType<82, 16> {
  // d, scales (8 x 16), qh (8 x 16: two high bits of four indices), signs (8 vectors), indices (8 vectors).
  static void scales(const std::byte* p, Block256& out) {
    set_d(out, p, 0.125F);
    set_nibble_scales(p + 32, out);
  }
  template <typename Put>
  static void quants(const std::byte* p, Put&& put) {
    for (int ib = 0; ib < 8; ++ib) {
      I32x16 high = widen_u8(p + 160 + 16 * ib), signs = load_ints(p + 288 + 64 * ib),
             low = load_ints(p + 800 + 64 * ib);
      for (int l = 0; l < 4; ++l, high = right<2>(high), signs = right<8>(signs), low = right<8>(low))
        put_eight(put, 4 * ib + l, kGridIQ2_S, either(low_bits(low, 255), left<8>(low_bits(high, 3))), signs);
    }
  }
};

struct Iq3Xxs : IqType<98, 32> {
  // d, a dword for 32 values of 4 x 7 signs and four bits of scale (8 vectors), indices for 4 values each (16 vectors).
  static void scales(const std::byte* p, Block256& out) {
    set_d(out, p, 0.25F);
    for (int ib = 0; ib < 8; ++ib) set_scale(out, ib, odd(right<28>(load_ints(p + 32 + 64 * ib))));
  }
  template <typename Put>
  static void quants(const std::byte* p, Put&& put) {
    for (int ib = 0; ib < 8; ++ib) {
      I32x16 packed_signs = load_ints(p + 32 + 64 * ib), indices = zero_ints();
      for (int l = 0; l < 4; ++l, packed_signs = right<7>(packed_signs), indices = right<16>(indices)) {
        if (l % 2 == 0) indices = load_ints(p + 544 + 64 * (2 * ib + l / 2));
        const I32x16 signs = even_signs(low_bits(packed_signs, 127));
        const int g = 8 * ib + 2 * l;
        put(g, with_signs(entries(kGridIQ3_XXS, low_bits(indices, 255)), low_bits(signs, 15)));
        put(g + 1, with_signs(entries(kGridIQ3_XXS, low_bits(right<8>(indices), 255)), right<4>(signs)));
      }
    }
  }
};

struct Iq3S : IqType<110, 32> {
  // d, scales (4 x 16: two of four bits), qh (8 x 16: the ninth bits of eight indices), signs (8 vectors), indices (16 vectors).
  static void scales(const std::byte* p, Block256& out) {
    set_d(out, p, 1.0F);
    for (int i = 0; i < 4; ++i) {
      const I32x16 both_scales = widen_u8(p + 32 + 16 * i);
      set_scale(out, 2 * i, odd(low_bits(both_scales, 15)));
      set_scale(out, 2 * i + 1, odd(right<4>(both_scales)));
    }
  }
  template <typename Put>
  static void quants(const std::byte* p, Put&& put) {
    for (int ib = 0; ib < 8; ++ib) {
      I32x16 high = widen_u8(p + 96 + 16 * ib), signs = load_ints(p + 224 + 64 * ib), low = zero_ints();
      for (int i = 0; i < 8; ++i, high = right<1>(high), signs = right<4>(signs), low = right<8>(low)) {
        if (i % 4 == 0) low = load_ints(p + 736 + 64 * (2 * ib + i / 4));
        const I32x16 index = either(low_bits(low, 255), left<8>(low_bits(high, 1)));
        put(8 * ib + i, with_signs(entries(kGridIQ3_S, index), low_bits(signs, 15)));
      }
    }
  }
};

// An entry of eight ternary values g (int8), shifted by an eighth: 8 g + 1, or 8 g - 1 where minus is 1; plus kIqOffset.
inline I8x64 ternary(I32x16 values, I32x16 minus) {
  const I32x16 from_zero =
      low_bits(add(low_bits(values, four_bytes(3)), splat_int(four_bytes(1))), four_bytes(3));  // g + 1
  const I32x16 shift = sub(splat_int(four_bytes(kIqOffset - 7)), low_bits(sub(zero_ints(), minus), four_bytes(2)));
  return as_bytes(add(left<3>(from_zero), shift));
}
template <typename Put>
inline void put_ternary(Put& put, int i, I32x16 index, I32x16 minus) {
  const I32x16 word = left<1>(index);
  put(2 * i, ternary(entries(kGridIQ1, word), minus));
  put(2 * i + 1, ternary(entries(kGridIQ1, add(word, splat_int(1))), minus));
}

struct Iq1S : IqType<50, 32> {
  // d, a word for 32 values (8 x 16): three high bits of four indices, three bits of scale, the sign of the shift; indices (8 vectors).
  static void scales(const std::byte* p, Block256& out) {
    set_d(out, p, 0.125F);
    for (int ib = 0; ib < 8; ++ib) set_scale(out, ib, odd(low_bits(right<12>(widen_u16(p + 32 + 32 * ib)), 7)));
  }
  template <typename Put>
  static void quants(const std::byte* p, Put&& put) {
    for (int ib = 0; ib < 8; ++ib) {
      I32x16 high = widen_u16(p + 32 + 32 * ib), low = load_ints(p + 288 + 64 * ib);
      const I32x16 minus = right<15>(high);
      for (int l = 0; l < 4; ++l, high = right<3>(high), low = right<8>(low))
        put_ternary(put, 4 * ib + l, either(low_bits(low, 255), left<8>(low_bits(high, 7))), minus);
    }
  }
};

struct Iq1M : IqType<56, 16> {
  // Four words (4 x 16) of 4 x 3 bits of scale and a nibble of d each, qh (16 x 16: for two groups of 8 values three high bits of the index and
  // the sign of the shift), indices (8 vectors).
  static void scales(const std::byte* p, Block256& out) {
    std::byte d[32];
    for (int r = 0; r < 16; ++r) {
      std::uint32_t bits = 0;
      for (int w = 0; w < 4; ++w) bits |= word_at(p, 16 * w + r) >> 12 << 4 * w;
      const auto half = static_cast<std::uint16_t>(bits);
      std::memcpy(d + 2 * r, &half, 2);
    }
    set_d(out, d, 0.125F);
    for (int w = 0; w < 4; ++w) {
      const I32x16 word = widen_u16(p + 32 * w);
      set_scales(out, 2 * w, odd(low_bits(word, 7)), odd(low_bits(right<3>(word), 7)));
      set_scales(out, 2 * w + 1, odd(low_bits(right<6>(word), 7)), odd(low_bits(right<9>(word), 7)));
    }
  }
  template <typename Put>
  static void quants(const std::byte* p, Put&& put) {
    for (int ib = 0; ib < 8; ++ib) {
      I32x16 low = load_ints(p + 384 + 64 * ib), high = zero_ints();
      for (int l = 0; l < 4; ++l, low = right<8>(low), high = right<4>(high)) {
        if (l % 2 == 0) high = widen_u8(p + 128 + 16 * (2 * ib + l / 2));
        const I32x16 index = either(low_bits(low, 255), left<8>(low_bits(high, 7)));
        put_ternary(put, 4 * ib + l, index, low_bits(right<3>(high), 1));
      }
    }
  }
};

}  // namespace
}  // namespace limpid
