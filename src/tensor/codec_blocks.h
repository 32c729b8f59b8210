// One block to f32 and back, for each block type: what decode_row and encode_row repeat along a row. Pure functions. `out` and `in` hold
// Block::kValues values. Input that is not finite gives some valid block, never undefined behaviour.
#pragma once

#include "tensor/blocks.h"

namespace limpid {

void decode(const BlockQ4_0& block, float* out);
void decode(const BlockQ4_1& block, float* out);
void decode(const BlockQ5_0& block, float* out);
void decode(const BlockQ5_1& block, float* out);
void decode(const BlockQ8_0& block, float* out);

void encode(const float* in, BlockQ4_0& block);
void encode(const float* in, BlockQ4_1& block);
void encode(const float* in, BlockQ5_0& block);
void encode(const float* in, BlockQ5_1& block);
void encode(const float* in, BlockQ8_0& block);

}  // namespace limpid
