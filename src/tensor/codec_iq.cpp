// Decoding IQ1_S..IQ4_XS: values from code books, in groups of 8 or 4, with signs beside them. Formulas:
// docs/formats.md, "Tensor types".
#include <cstring>

#include "tensor/codec.h"
#include "tensor/codec_blocks.h"
#include "tensor/iq_grids.h"

namespace limpid {
namespace {

std::uint32_t load32(const void* at) {
  std::uint32_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

// kCount values of one entry; bit j of signs negates value j.
template <int kCount, typename Word>
void put_group(Word entry, unsigned signs, float step, float* out) {
  for (int j = 0; j < kCount; ++j) {
    const float value = step * static_cast<float>(grid_value(entry, j));
    out[j] = signs >> j & 1 ? -value : value;
  }
}

void put_shifted_group(std::uint64_t entry, bool minus, float step, float* out) {
  const float shift = minus ? -kShiftIQ1 : kShiftIQ1;
  for (int j = 0; j < 8; ++j) out[j] = step * (static_cast<float>(grid_value(entry, j)) + shift);
}

// The step of IQ2_*: d (s + 1/2) / 4.
float iq2_step(float d, unsigned s) { return d * (0.5f + static_cast<float>(s)) * 0.25f; }

unsigned nibble(const std::uint8_t* bytes, int i) { return bytes[i / 2] >> (i % 2 * 4) & 15u; }

void put_nibbles(const std::uint8_t* qs, float step, float* out) {
  for (int j = 0; j < 16; ++j) {
    out[j] = step * static_cast<float>(kValuesIQ4[qs[j] & 15]);
    out[16 + j] = step * static_cast<float>(kValuesIQ4[qs[j] >> 4]);
  }
}

}  // namespace

void decode(const BlockIQ2_XXS& block, float* out) {
  const float d = f16_to_f32(block.d);
  for (int g = 0; g < 32; ++g) {  // groups of 8
    const std::uint16_t* words = block.qs + g / 4 * 4;
    const unsigned index = words[g % 4 / 2] >> (g % 2 * 8) & 255u;
    const std::uint32_t signs_scale = load32(words + 2);
    put_group<8>(kGridIQ2_XXS[index], iq_signs(signs_scale >> (g % 4 * 7)), iq2_step(d, signs_scale >> 28),
                 out + 8 * g);
  }
}

void decode(const BlockIQ2_XS& block, float* out) {
  const float d = f16_to_f32(block.d);
  for (int g = 0; g < 32; ++g) {
    const unsigned word = block.qs[g];
    put_group<8>(kGridIQ2_XS[word & 511], iq_signs(word >> 9), iq2_step(d, nibble(block.scales, g / 2)), out + 8 * g);
  }
}

void decode(const BlockIQ2_S& block, float* out) {
  const float d = f16_to_f32(block.d);
  for (int g = 0; g < 32; ++g) {
    const unsigned index = block.qs[g] | (block.qh[g / 4] >> (g % 4 * 2) & 3u) << 8;
    put_group<8>(kGridIQ2_S[index], block.signs[g], iq2_step(d, nibble(block.scales, g / 2)), out + 8 * g);
  }
}

void decode(const BlockIQ3_XXS& block, float* out) {
  const float d = f16_to_f32(block.d);
  for (int g = 0; g < 64; ++g) {  // groups of 4
    const std::uint32_t signs_scale = load32(block.signs_scales + g / 8 * 4);
    const unsigned signs = iq_signs(signs_scale >> (g % 8 / 2 * 7)) >> (g % 2 * 4);
    const float step = d * (0.5f + static_cast<float>(signs_scale >> 28)) * 0.5f;
    put_group<4>(kGridIQ3_XXS[block.qs[g]], signs, step, out + 4 * g);
  }
}

void decode(const BlockIQ3_S& block, float* out) {
  const float d = f16_to_f32(block.d);
  for (int g = 0; g < 64; ++g) {
    const unsigned index = block.qs[g] | (block.qh[g / 8] >> (g % 8) & 1u) << 8;
    const unsigned signs = block.signs[g / 2] >> (g % 2 * 4);
    const float step = d * static_cast<float>(1 + 2 * nibble(block.scales, g / 8));
    put_group<4>(kGridIQ3_S[index], signs, step, out + 4 * g);
  }
}

void decode(const BlockIQ1_S& block, float* out) {
  const float d = f16_to_f32(block.d);
  for (int g = 0; g < 32; ++g) {
    const unsigned word = block.qh[g / 4];
    const unsigned index = block.qs[g] | (word >> (g % 4 * 3) & 7) << 8;
    const float step = d * static_cast<float>(2 * (word >> 12 & 7) + 1);
    put_shifted_group(kGridIQ1[index], word >> 15 != 0, step, out + 8 * g);
  }
}

void decode(const BlockIQ1_M& block, float* out) {
  std::uint16_t words[4];
  std::memcpy(words, block.scales, sizeof words);
  const unsigned bits = words[0] >> 12 | words[1] >> 12 << 4 | words[2] >> 12 << 8 | words[3] >> 12 << 12;
  const float d = f16_to_f32(static_cast<std::uint16_t>(bits));
  for (int g = 0; g < 32; ++g) {
    const unsigned high = block.qh[g / 2] >> (g % 2 * 4) & 15u;
    const unsigned index = block.qs[g] | (high & 7) << 8;
    const float step = d * static_cast<float>(2 * (words[g / 8] >> (g % 8 / 2 * 3) & 7) + 1);
    put_shifted_group(kGridIQ1[index], high >> 3 != 0, step, out + 8 * g);
  }
}

void decode(const BlockIQ4_NL& block, float* out) { put_nibbles(block.qs, f16_to_f32(block.d), out); }

void decode(const BlockIQ4_XS& block, float* out) {
  const float d = f16_to_f32(block.d);
  for (int s = 0; s < 8; ++s) {
    const auto scale = static_cast<int>(nibble(block.scales_l, s) | (block.scales_h >> (2 * s) & 3u) << 4);
    put_nibbles(block.qs + 16 * s, d * static_cast<float>(scale - 32), out + 32 * s);
  }
}

}  // namespace limpid
