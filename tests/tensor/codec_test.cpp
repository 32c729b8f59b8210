#include "tensor/codec.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace limpid {
namespace {

const DType kFloats[] = {DType::f32, DType::f16, DType::bf16, DType::f8_e4m3};

TEST(Codec, EveryHalfComesBack) {
  for (int bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    if (std::isnan(f16_to_f32(half))) {
      EXPECT_TRUE(std::isnan(f16_to_f32(f32_to_f16(f16_to_f32(half)))));
      EXPECT_EQ(bits & 0x7C00, 0x7C00);
    } else {
      EXPECT_EQ(f32_to_f16(f16_to_f32(half)), half);
    }
    if (std::isnan(bf16_to_f32(half))) {
      EXPECT_TRUE(std::isnan(bf16_to_f32(f32_to_bf16(bf16_to_f32(half)))));
    } else {
      EXPECT_EQ(f32_to_bf16(bf16_to_f32(half)), half);
    }
  }
}

TEST(Codec, EveryE4M3ComesBack) {
  for (int bits = 0; bits < 256; ++bits) {
    const auto byte = static_cast<std::uint8_t>(bits);
    EXPECT_EQ(std::isnan(e4m3_to_f32(byte)), (bits & 0x7F) == 0x7F);
    EXPECT_EQ(f32_to_e4m3(e4m3_to_f32(byte)), byte);
  }
  EXPECT_EQ(e4m3_to_f32(0x7E), 448.0f);
  EXPECT_EQ(e4m3_to_f32(0x01), 0x1p-9f);
  EXPECT_EQ(e4m3_to_f32(0x08), 0x1p-6f);
  EXPECT_EQ(e4m3_to_f32(0x38), 1.0f);
  EXPECT_EQ(f32_to_e4m3(1e9f), 0x7E);
  EXPECT_EQ(f32_to_e4m3(-std::numeric_limits<float>::infinity()), 0xFE);
}

// Between neighbours a < b the midpoint goes to the even one, and what is beside it to the nearer.
template <typename Bits, typename Decode, typename Encode>
void expect_nearest_even(int last, Decode decode, Encode encode) {
  for (int bits = 0; bits < last; ++bits) {
    const float a = decode(static_cast<Bits>(bits)), b = decode(static_cast<Bits>(bits + 1));
    const float middle = a / 2 + b / 2;  // exact: one bit more than either
    ASSERT_EQ(encode(middle), bits % 2 ? bits + 1 : bits) << bits;
    ASSERT_EQ(encode(std::nextafter(middle, a)), bits) << bits;
    ASSERT_EQ(encode(std::nextafter(middle, b)), bits + 1) << bits;
    ASSERT_EQ(encode(-middle), (bits % 2 ? bits + 1 : bits) | 1 << (sizeof(Bits) * 8 - 1)) << bits;
  }
}

TEST(Codec, RoundsToNearestEven) {
  expect_nearest_even<std::uint16_t>(0x7BFF, f16_to_f32, f32_to_f16);
  expect_nearest_even<std::uint8_t>(0x7E, e4m3_to_f32, f32_to_e4m3);
  expect_nearest_even<std::uint16_t>(0x7F7F, bf16_to_f32, f32_to_bf16);
  EXPECT_EQ(f32_to_f16(65519.0f), 0x7BFF);
  EXPECT_EQ(f32_to_f16(65520.0f), 0x7C00);
}

TEST(Codec, RowsOfFloatsComeBack) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> in(100), out(100);
  for (float& value : in) value = e4m3_to_f32(f32_to_e4m3(normal(random)));  // representable in every float type
  for (DType type : kFloats) {
    std::vector<std::byte> row(row_bytes(type, 100));
    ASSERT_TRUE(can_encode(type));
    encode_row(type, in.data(), 100, row.data());
    decode_row(type, row.data(), 100, out.data());
    EXPECT_EQ(in, out) << info(type).name;
  }
}

TEST(Codec, BlocksComeBackWithinHalfAStep) {
  std::mt19937 random(2);
  std::normal_distribution<float> normal;
  std::vector<float> in(512), out(512);
  for (float& value : in) value = normal(random);
  const std::pair<DType, float> steps[] = {
      {DType::q4_0, 7.0f}, {DType::q4_1, 15.0f}, {DType::q5_0, 15.0f}, {DType::q5_1, 31.0f}, {DType::q8_0, 127.0f}};
  for (const auto& [type, levels] : steps) {
    std::vector<std::byte> row(row_bytes(type, 512));
    encode_row(type, in.data(), 512, row.data());
    decode_row(type, row.data(), 512, out.data());
    for (std::size_t i = 0; i < in.size(); ++i) {
      const auto [low, high] = std::minmax_element(&in[i / 32 * 32], &in[i / 32 * 32] + 32);
      const bool affine = type == DType::q4_1 || type == DType::q5_1;
      const float range = affine ? *high - *low : std::max(-*low, *high);
      // A symmetric type has one level less on one side: its worst error is one step there. The scale itself is rounded
      // to f16.
      EXPECT_NEAR(in[i], out[i], (affine || type == DType::q8_0 ? 0.57f : 1.01f) * range / levels)
          << info(type).name << " " << i;
    }
  }
}

// The first of equal extremes counts, so a block of zeros of both signs that begins with +0 has the scale and the
// minimum +0, as in ggml.
TEST(Codec, ZerosOfBothSignsEncodeAsTheFirstOfThem) {
  std::vector<float> in(32, 0.0f);
  for (std::size_t i = 1; i < in.size(); i += 2) in[i] = -0.0f;
  for (DType type : {DType::q4_1, DType::q5_1}) {
    std::vector<std::byte> row(row_bytes(type, 32), std::byte{0xEE});
    encode_row(type, in.data(), 32, row.data());
    EXPECT_EQ(row, std::vector<std::byte>(row.size())) << info(type).name;
  }
}

}  // namespace
}  // namespace limpid
