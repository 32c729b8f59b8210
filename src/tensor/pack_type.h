// How one weight type is packed: an entry of the table that tensor/pack.cpp looks types up in. A family of types (the
// floats, the blocks of 32, the K types) brings its entries in a file of its own.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"
#include "tensor/layout.h"

namespace limpid {

struct PackType {
  ActType activation;
  // Bytes of a strip without the padding to 64.
  std::size_t (*strip_bytes)(std::int64_t columns);
  // rows: file rows of the strip, valid_rows (1..16) of them. scales: of f8_e4m3's blocks of 128 columns, else null.
  // The strip is zero before.
  void (*pack)(const std::byte* rows, int valid_rows, std::int64_t columns, const float* scales, std::byte* strip);
  // File rows [first, first + count) of the strip. scales null: not wanted.
  void (*unpack)(const std::byte* strip, int first, int count, std::int64_t columns, std::byte* rows, float* scales);
};

// The type's entry, or null when the family does not know it.
const PackType* float_pack_type(DType type);       // pack_float.cpp: F32 F16 BF16 F8_E4M3
const PackType* superblock_pack_type(DType type);  // pack_k.cpp: Q2_K .. Q6_K, IQ1_S .. IQ4_XS
const PackType* block_pack_type(DType type);       // pack_blocks.cpp: Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 IQ4_NL

}  // namespace limpid
