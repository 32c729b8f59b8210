#include "tensor/codec.h"

#include <cassert>
#include <cstring>

#include "tensor/codec_blocks.h"

namespace limpid {
namespace {

template <typename T>
T load(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

template <typename T, typename Convert>
void decode_values(const std::byte* row, std::int64_t columns, float* out, Convert convert) {
  for (std::int64_t i = 0; i < columns; ++i) out[i] = convert(load<T>(row + i * static_cast<std::int64_t>(sizeof(T))));
}

template <typename T, typename Convert>
void encode_values(const float* in, std::int64_t columns, std::byte* row, Convert convert) {
  for (std::int64_t i = 0; i < columns; ++i) {
    const T value = convert(in[i]);
    std::memcpy(row + i * static_cast<std::int64_t>(sizeof value), &value, sizeof value);
  }
}

template <typename T>
void decode_numbers(const std::byte* row, std::int64_t columns, float* out) {
  decode_values<T>(row, columns, out, [](T value) { return static_cast<float>(value); });
}

template <typename Block>
void decode_blocks(const std::byte* row, std::int64_t columns, float* out) {
  for (std::int64_t i = 0; i < columns / Block::kValues; ++i) {
    decode(load<Block>(row + i * static_cast<std::int64_t>(sizeof(Block))), out + i * Block::kValues);
  }
}

template <typename Block>
void encode_blocks(const float* in, std::int64_t columns, std::byte* row) {
  for (std::int64_t i = 0; i < columns / Block::kValues; ++i) {
    Block block{};
    encode(in + i * Block::kValues, block);
    std::memcpy(row + i * static_cast<std::int64_t>(sizeof block), &block, sizeof block);
  }
}

}  // namespace

void decode_row(DType type, const std::byte* row, std::int64_t columns, float* out) {
  assert(columns % info(type).block == 0);
  switch (type) {
    case DType::f32:
      return decode_numbers<float>(row, columns, out);
    case DType::f16:
      return decode_values<std::uint16_t>(row, columns, out, f16_to_f32);
    case DType::bf16:
      return decode_values<std::uint16_t>(row, columns, out, bf16_to_f32);
    case DType::f8_e4m3:
      return decode_values<std::uint8_t>(row, columns, out, e4m3_to_f32);
    case DType::q4_0:
      return decode_blocks<BlockQ4_0>(row, columns, out);
    case DType::q4_1:
      return decode_blocks<BlockQ4_1>(row, columns, out);
    case DType::q5_0:
      return decode_blocks<BlockQ5_0>(row, columns, out);
    case DType::q5_1:
      return decode_blocks<BlockQ5_1>(row, columns, out);
    case DType::q8_0:
      return decode_blocks<BlockQ8_0>(row, columns, out);
    case DType::q2_k:
      return decode_blocks<BlockQ2_K>(row, columns, out);
    case DType::q3_k:
      return decode_blocks<BlockQ3_K>(row, columns, out);
    case DType::q4_k:
      return decode_blocks<BlockQ4_K>(row, columns, out);
    case DType::q5_k:
      return decode_blocks<BlockQ5_K>(row, columns, out);
    case DType::q6_k:
      return decode_blocks<BlockQ6_K>(row, columns, out);
    case DType::iq1_s:
      return decode_blocks<BlockIQ1_S>(row, columns, out);
    case DType::iq1_m:
      return decode_blocks<BlockIQ1_M>(row, columns, out);
    case DType::iq2_xxs:
      return decode_blocks<BlockIQ2_XXS>(row, columns, out);
    case DType::iq2_xs:
      return decode_blocks<BlockIQ2_XS>(row, columns, out);
    case DType::iq2_s:
      return decode_blocks<BlockIQ2_S>(row, columns, out);
    case DType::iq3_xxs:
      return decode_blocks<BlockIQ3_XXS>(row, columns, out);
    case DType::iq3_s:
      return decode_blocks<BlockIQ3_S>(row, columns, out);
    case DType::iq4_nl:
      return decode_blocks<BlockIQ4_NL>(row, columns, out);
    case DType::iq4_xs:
      return decode_blocks<BlockIQ4_XS>(row, columns, out);
    case DType::i8:
      return decode_numbers<std::int8_t>(row, columns, out);
    case DType::i16:
      return decode_numbers<std::int16_t>(row, columns, out);
    case DType::i32:
      return decode_numbers<std::int32_t>(row, columns, out);
    case DType::i64:
      return decode_numbers<std::int64_t>(row, columns, out);
    case DType::f64:
      return decode_numbers<double>(row, columns, out);
  }
}

bool can_encode(DType type) {
  switch (type) {
    case DType::f32:
    case DType::f16:
    case DType::bf16:
    case DType::f8_e4m3:
    case DType::q4_0:
    case DType::q4_1:
    case DType::q5_0:
    case DType::q5_1:
    case DType::q8_0:
    case DType::q2_k:
    case DType::q3_k:
    case DType::q4_k:
    case DType::q5_k:
    case DType::q6_k:
      return true;
    default:
      return false;
  }
}

void encode_row(DType type, const float* in, std::int64_t columns, std::byte* row) {
  assert(columns % info(type).block == 0 && can_encode(type));
  switch (type) {
    case DType::f32:
      return encode_values<float>(in, columns, row, [](float value) { return value; });
    case DType::f16:
      return encode_values<std::uint16_t>(in, columns, row, f32_to_f16);
    case DType::bf16:
      return encode_values<std::uint16_t>(in, columns, row, f32_to_bf16);
    case DType::f8_e4m3:
      return encode_values<std::uint8_t>(in, columns, row, f32_to_e4m3);
    case DType::q4_0:
      return encode_blocks<BlockQ4_0>(in, columns, row);
    case DType::q4_1:
      return encode_blocks<BlockQ4_1>(in, columns, row);
    case DType::q5_0:
      return encode_blocks<BlockQ5_0>(in, columns, row);
    case DType::q5_1:
      return encode_blocks<BlockQ5_1>(in, columns, row);
    case DType::q8_0:
      return encode_blocks<BlockQ8_0>(in, columns, row);
    case DType::q2_k:
      return encode_blocks<BlockQ2_K>(in, columns, row);
    case DType::q3_k:
      return encode_blocks<BlockQ3_K>(in, columns, row);
    case DType::q4_k:
      return encode_blocks<BlockQ4_K>(in, columns, row);
    case DType::q5_k:
      return encode_blocks<BlockQ5_K>(in, columns, row);
    case DType::q6_k:
      return encode_blocks<BlockQ6_K>(in, columns, row);
    default:
      assert(false);
  }
}

}  // namespace limpid
