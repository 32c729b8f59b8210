// DType: how the numbers of a tensor are stored, in files and in memory. The table of their sizes; the blocks themselves are in tensor/blocks.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace limpid {

// The values are ours; formats/ maps GGUF's and safetensors' to them.
enum class DType : std::uint8_t {
  f32,
  f16,
  bf16,
  f8_e4m3,  // f8_e4m3: with an f32 scale for each 128 x 128 block of the matrix (DeepSeek-V3's checkpoint)
  q4_0,
  q4_1,
  q5_0,
  q5_1,
  q8_0,
  q2_k,
  q3_k,
  q4_k,
  q5_k,
  q6_k,
  iq1_s,
  iq1_m,
  iq2_xxs,
  iq2_xs,
  iq2_s,
  iq3_xxs,
  iq3_s,
  iq4_nl,
  iq4_xs,
  i8,
  i16,
  i32,
  i64,
  f64,  // never weights: read, listed, converted
};
inline constexpr int kDTypes = 28;

struct DTypeInfo {
  std::string_view name;  // as GGUF and its tools write it: "Q4_K", "BF16"
  int block;              // values in a block, along a row
  int bytes;              // bytes of a block
};

const DTypeInfo& info(DType type);
std::optional<DType> dtype_from_name(std::string_view name);  // case-insensitive

// Bytes of a row of `columns` values. columns must be a multiple of the block (checked by the readers of files).
std::size_t row_bytes(DType type, std::int64_t columns);

}  // namespace limpid
