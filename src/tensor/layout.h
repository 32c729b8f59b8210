// Layouts in memory that kernels and ops share. This header stands alone (no include of ours) because kernels/ may include it.
//
// Packed weights: a matrix W (O, K) is cut into strips of 16 rows; ragged rows and columns are padded with zeros. Inside a strip the blocks of K
// follow each other; a block holds its scales as vectors of 16 (one per row) and then the quants, interleaved so that 32-bit lane r of a 64-byte
// vector holds 4 consecutive k of row r (2 for bf16, 1 for f32). The exact bytes of each type: docs/formats.md, tensor/pack.h.
//
// Activations: a row of K floats as the product with a packed weight wants it, quantised once by whoever produces the row.
#pragma once

#include <cstddef>
#include <cstdint>

namespace limpid {

inline constexpr int kStripRows = 16;
inline constexpr int kPageTokens = 64;  // tokens in a page of the KV cache
inline constexpr int kSpanTokens =
    256;  // attention sums over fixed spans of this many positions, merged in ascending order

// What a weight's type asks of the activations (docs/numerics.md).
enum class ActType : std::uint8_t {
  f32,     // weights F32, F16
  bf16,    // weights BF16, F8_E4M3; rounded to nearest even
  q8_32,   // weights Q4_0..Q8_0, IQ4_NL: int8 per 32 values, f32 scale, int32 sum of the block
  q8_256,  // weights Q2_K..Q6_K, IQ*: int8 per 256 values, f32 scale, int16 sums per 16 values
};
inline constexpr int kActTypes = 4;

// An activation row, 64-byte aligned, K padded with zeros to Kp, a multiple of what the products sum together: 16 (f32),
// 128 (bf16: a block of F8_E4M3) or 256 (int8):
//   f32:    float[Kp]
//   bf16:   uint16[Kp]
//   q8_32:  int8[Kp], float scale[Kp / 32], int32 sum[Kp / 32]        sum = sum of the int8 of the block
//   q8_256: int8[Kp], float scale[Kp / 256], int16 sum[Kp / 16]       sum = sum of 16 int8
constexpr std::int64_t act_padded(std::int64_t k) { return (k + 255) / 256 * 256; }
constexpr std::int64_t act_padded(ActType type, std::int64_t k) {
  return type == ActType::f32 ? (k + 15) / 16 * 16 : type == ActType::bf16 ? (k + 127) / 128 * 128 : act_padded(k);
}
constexpr std::size_t act_row_bytes(ActType type, std::int64_t k) {
  const auto kp = static_cast<std::size_t>(act_padded(type, k));
  const std::size_t raw = type == ActType::f32     ? kp * 4
                          : type == ActType::bf16  ? kp * 2
                          : type == ActType::q8_32 ? kp + kp / 32 * 8
                                                   : kp + kp / 256 * 4 + kp / 16 * 2;
  return (raw + 63) / 64 * 64;
}

}  // namespace limpid
