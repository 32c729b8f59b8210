// Decoding Q2_K..Q6_K.
#include "tensor/codec.h"
#include "tensor/codec_blocks.h"
#include "tensor/k_fields.h"

namespace limpid {
namespace {

template <typename Block>
void decode_k4(const Block& block, float* out) {
  const float d = f16_to_f32(block.d), dmin = f16_to_f32(block.dmin);
  for (int i = 0; i < kSuperBlock; ++i) {
    const float step = d * static_cast<float>(k4_scale(block.scales, 0, i / 32));
    const float minimum = dmin * static_cast<float>(k4_scale(block.scales, 1, i / 32));
    out[i] = step * static_cast<float>(quant(block, i)) - minimum;
  }
}

}  // namespace

void decode(const BlockQ2_K& block, float* out) {
  const float d = f16_to_f32(block.d), dmin = f16_to_f32(block.dmin);
  for (int i = 0; i < kSuperBlock; ++i) {
    const float step = d * static_cast<float>(block.scales[i / 16] & 15);
    const float minimum = dmin * static_cast<float>(block.scales[i / 16] >> 4);
    out[i] = step * static_cast<float>(quant(block, i)) - minimum;
  }
}

void decode(const BlockQ3_K& block, float* out) {
  const float d = f16_to_f32(block.d);
  for (int i = 0; i < kSuperBlock; ++i) {
    const float step = d * static_cast<float>(scale(block, i / 16));
    out[i] = step * static_cast<float>(quant(block, i));
  }
}

void decode(const BlockQ4_K& block, float* out) { decode_k4(block, out); }

void decode(const BlockQ5_K& block, float* out) { decode_k4(block, out); }

void decode(const BlockQ6_K& block, float* out) {
  const float d = f16_to_f32(block.d);
  for (int i = 0; i < kSuperBlock; ++i) {
    const float step = d * static_cast<float>(block.scales[i / 16]);
    out[i] = step * static_cast<float>(quant(block, i));
  }
}

}  // namespace limpid
