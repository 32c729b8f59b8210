// The scalar reference codec: file rows of every type to f32 and back, bit-equal to ggml's reference functions. Short and slow on purpose: it is
// the truth that kernels and packed layouts are tested against. Pure functions.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"

namespace limpid {

float f16_to_f32(std::uint16_t bits);
std::uint16_t f32_to_f16(float value);  // round to nearest even
float bf16_to_f32(std::uint16_t bits);
std::uint16_t f32_to_bf16(float value);  // round to nearest even, NaN stays NaN
float e4m3_to_f32(std::uint8_t bits);    // OCP FP8 E4M3 ("fn": no infinity, 0x7F and 0xFF are NaN)
std::uint8_t f32_to_e4m3(float value);   // round to nearest even, saturating at 448

// columns values of one row, which need not be aligned; columns is a multiple of info(type).block. f8_e4m3 decodes without its block scales.
void decode_row(DType type, const std::byte* row, std::int64_t columns, float* out);
// F32 F16 BF16 F8_E4M3 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 (byte-equal to ggml's reference) and the K types (a fit of our own, errors as ggml's; for
// synthetic files). encode_row needs can_encode(type). Numbers that are not finite give some valid block.
bool can_encode(DType type);
void encode_row(DType type, const float* in, std::int64_t columns, std::byte* row);

}  // namespace limpid
