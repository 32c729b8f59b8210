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
void decode(const BlockQ2_K& block, float* out);
void decode(const BlockQ3_K& block, float* out);
void decode(const BlockQ4_K& block, float* out);
void decode(const BlockQ5_K& block, float* out);
void decode(const BlockQ6_K& block, float* out);
void decode(const BlockIQ1_S& block, float* out);
void decode(const BlockIQ1_M& block, float* out);
void decode(const BlockIQ2_XXS& block, float* out);
void decode(const BlockIQ2_XS& block, float* out);
void decode(const BlockIQ2_S& block, float* out);
void decode(const BlockIQ3_XXS& block, float* out);
void decode(const BlockIQ3_S& block, float* out);
void decode(const BlockIQ4_NL& block, float* out);
void decode(const BlockIQ4_XS& block, float* out);

void encode(const float* in, BlockQ4_0& block);
void encode(const float* in, BlockQ4_1& block);
void encode(const float* in, BlockQ5_0& block);
void encode(const float* in, BlockQ5_1& block);
void encode(const float* in, BlockQ8_0& block);
void encode(const float* in, BlockQ2_K& block);
void encode(const float* in, BlockQ3_K& block);
void encode(const float* in, BlockQ4_K& block);
void encode(const float* in, BlockQ5_K& block);
void encode(const float* in, BlockQ6_K& block);

}  // namespace limpid
