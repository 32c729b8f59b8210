// Q4_0 Q4_1 Q5_0 Q5_1 Q8_0: blocks of 32 values with one scale. Formulas: docs/formats.md, "Tensor types".
#include <algorithm>
#include <cmath>

#include "tensor/codec.h"
#include "tensor/codec_blocks.h"

namespace limpid {
namespace {

int low(std::uint8_t byte) { return byte & 15; }
int high(std::uint8_t byte) { return byte >> 4; }

int fifth_bit(const std::uint8_t* qh, int i) { return (qh[i / 8] >> (i % 8) & 1) << 4; }

float inverse_or_zero(float d) { return d != 0.0f ? 1.0f / d : 0.0f; }

// Truncates to [0, top]. A value that is not finite (the scale was subnormal, or the input infinite) becomes 0, as x86
// conversions make it.
std::uint8_t truncated(float value, int top) {
  if (!(value > -1e6f && value < 1e6f)) return 0;
  return static_cast<std::uint8_t>(std::clamp(static_cast<int>(value), 0, top));
}

// The first value of the largest magnitude, with its sign.
float extreme(const float* in) {
  float magnitude = 0.0f, value = 0.0f;
  for (int i = 0; i < 32; ++i) {
    if (std::fabs(in[i]) > magnitude) {
      magnitude = std::fabs(in[i]);
      value = in[i];
    }
  }
  return value;
}

void pack_nibbles(const std::uint8_t* q, std::uint8_t* qs) {
  for (int i = 0; i < 16; ++i) qs[i] = static_cast<std::uint8_t>((q[i] & 15) | (q[16 + i] & 15) << 4);
}

void pack_fifth_bits(const std::uint8_t* q, std::uint8_t* qh) {
  std::fill_n(qh, 4, std::uint8_t{0});
  for (int i = 0; i < 32; ++i) qh[i / 8] = static_cast<std::uint8_t>(qh[i / 8] | (q[i] >> 4) << (i % 8));
}

// Symmetric types: the extreme value maps to -half exactly. Returns the scale.
float quantise_symmetric(const float* in, int half, std::uint8_t* q) {
  const float d = extreme(in) / static_cast<float>(-half);
  const float id = inverse_or_zero(d);
  for (int i = 0; i < 32; ++i) {
    const float scaled = in[i] * id;
    q[i] = truncated(scaled + (static_cast<float>(half) + 0.5f), 2 * half - 1);
  }
  return d;
}

struct ScaleMin {
  float d, m;
};
ScaleMin quantise_affine(const float* in, int top, std::uint8_t* q) {
  // The first of equal values, as ggml takes it: it decides the sign of a zero (minmax_element takes the last largest).
  const float m = *std::min_element(in, in + 32);
  const float d = (*std::max_element(in, in + 32) - m) / static_cast<float>(top);
  const float id = inverse_or_zero(d);
  for (int i = 0; i < 32; ++i) {
    const float scaled = (in[i] - m) * id;
    q[i] = truncated(scaled + 0.5f, top);
  }
  return {d, m};
}

}  // namespace

void decode(const BlockQ4_0& block, float* out) {
  const float d = f16_to_f32(block.d);
  for (int i = 0; i < 16; ++i) {
    out[i] = static_cast<float>(low(block.qs[i]) - 8) * d;
    out[16 + i] = static_cast<float>(high(block.qs[i]) - 8) * d;
  }
}

void decode(const BlockQ4_1& block, float* out) {
  const float d = f16_to_f32(block.d), m = f16_to_f32(block.m);
  for (int i = 0; i < 16; ++i) {
    out[i] = static_cast<float>(low(block.qs[i])) * d + m;
    out[16 + i] = static_cast<float>(high(block.qs[i])) * d + m;
  }
}

void decode(const BlockQ5_0& block, float* out) {
  const float d = f16_to_f32(block.d);
  for (int i = 0; i < 16; ++i) {
    out[i] = static_cast<float>((low(block.qs[i]) | fifth_bit(block.qh, i)) - 16) * d;
    out[16 + i] = static_cast<float>((high(block.qs[i]) | fifth_bit(block.qh, 16 + i)) - 16) * d;
  }
}

void decode(const BlockQ5_1& block, float* out) {
  const float d = f16_to_f32(block.d), m = f16_to_f32(block.m);
  for (int i = 0; i < 16; ++i) {
    out[i] = static_cast<float>(low(block.qs[i]) | fifth_bit(block.qh, i)) * d + m;
    out[16 + i] = static_cast<float>(high(block.qs[i]) | fifth_bit(block.qh, 16 + i)) * d + m;
  }
}

void decode(const BlockQ8_0& block, float* out) {
  const float d = f16_to_f32(block.d);
  for (int i = 0; i < 32; ++i) out[i] = static_cast<float>(block.qs[i]) * d;
}

void encode(const float* in, BlockQ4_0& block) {
  std::uint8_t q[32];
  block.d = f32_to_f16(quantise_symmetric(in, 8, q));
  pack_nibbles(q, block.qs);
}

void encode(const float* in, BlockQ4_1& block) {
  std::uint8_t q[32];
  const ScaleMin scale = quantise_affine(in, 15, q);
  block.d = f32_to_f16(scale.d);
  block.m = f32_to_f16(scale.m);
  pack_nibbles(q, block.qs);
}

void encode(const float* in, BlockQ5_0& block) {
  std::uint8_t q[32];
  block.d = f32_to_f16(quantise_symmetric(in, 16, q));
  pack_nibbles(q, block.qs);
  pack_fifth_bits(q, block.qh);
}

void encode(const float* in, BlockQ5_1& block) {
  std::uint8_t q[32];
  const ScaleMin scale = quantise_affine(in, 31, q);
  block.d = f32_to_f16(scale.d);
  block.m = f32_to_f16(scale.m);
  pack_nibbles(q, block.qs);
  pack_fifth_bits(q, block.qh);
}

void encode(const float* in, BlockQ8_0& block) {
  const float d = std::fabs(extreme(in)) / 127.0f;
  const float id = inverse_or_zero(d);
  block.d = f32_to_f16(d);
  for (int i = 0; i < 32; ++i) {
    const float rounded = std::round(in[i] * id);
    block.qs[i] = rounded >= -128.0f && rounded <= 127.0f ? static_cast<std::int8_t>(rounded) : std::int8_t{0};
  }
}

}  // namespace limpid
