// Packed strips: lossless both ways, rows past the end are zeros, rows decode as the codec decodes the file's rows.
#include "tensor/pack.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "base/error.h"
#include "tensor/codec.h"

namespace limpid {
namespace {

std::vector<DType> packable() {
  std::vector<DType> types;
  for (int t = 0; t < kDTypes; ++t)
    if (can_pack(static_cast<DType>(t))) types.push_back(static_cast<DType>(t));
  return types;
}

std::string type_name(const testing::TestParamInfo<DType>& test) { return std::string(info(test.param).name); }

class Pack : public testing::TestWithParam<DType> {};
INSTANTIATE_TEST_SUITE_P(Type, Pack, testing::ValuesIn(packable()), type_name);

TEST_P(Pack, ReturnsTheFilesBytes) {
  const DType type = GetParam();
  std::mt19937 random(3);
  for (const std::int64_t columns :
       {std::int64_t{info(type).block}, std::int64_t{info(type).block * 5}, std::int64_t{768}})
    for (const std::int64_t rows : {1, 16, 37, 150}) {
      const std::size_t bytes = row_bytes(type, columns);
      std::vector<std::byte> file(static_cast<std::size_t>(rows) * bytes);
      for (std::byte& b : file) b = static_cast<std::byte>(random() & 255);
      std::vector<float> scales;
      if (type == DType::f8_e4m3)
        for (std::int64_t i = 0; i < (rows + 127) / 128 * ((columns + 127) / 128); ++i)
          scales.push_back(static_cast<float>(i + 1));
      const std::size_t strip = packed_strip_bytes(type, columns);
      const auto strips = static_cast<std::int64_t>(packed_bytes(type, rows, columns) / strip);
      ASSERT_EQ(strips, (rows + 15) / 16);
      ASSERT_EQ(strip % 64, 0U);
      std::vector<std::byte> packed(static_cast<std::size_t>(strips) * strip + 64, std::byte{0xA5});
      std::vector<std::byte> back(file.size() + 1, std::byte{0x5A});
      std::vector<float> scales_back(scales.size());
      for (std::int64_t s = 0; s < strips; ++s) {
        std::byte* at = packed.data() + static_cast<std::size_t>(s) * strip;
        pack_strip(type, file, scales, rows, columns, s, at);
        unpack_strip(type, at, rows, columns, s, back.data() + static_cast<std::size_t>(s) * 16 * bytes, scales_back);
      }
      EXPECT_EQ(packed[static_cast<std::size_t>(strips) * strip], std::byte{0xA5}) << "written past the last strip";
      EXPECT_EQ(back.back(), std::byte{0x5A}) << "written past the last row";
      back.pop_back();
      EXPECT_EQ(back, file) << rows << " x " << columns;
      EXPECT_EQ(scales_back, scales);
    }
}

TEST_P(Pack, DecodesARowAsTheCodecDoes) {
  const DType type = GetParam();
  constexpr std::int64_t kRows = 19, kColumns = 512;
  std::mt19937 random(4);
  const std::size_t bytes = row_bytes(type, kColumns);
  std::vector<std::byte> file(kRows * bytes);
  for (std::byte& b : file) b = static_cast<std::byte>(random() & 255);
  const std::vector<float> scales(type == DType::f8_e4m3 ? 4 : 0, 0.5F);
  std::vector<std::byte> packed(packed_bytes(type, kRows, kColumns));
  for (std::int64_t s = 0; s < 2; ++s)
    pack_strip(type, file, scales, kRows, kColumns, s,
               packed.data() + static_cast<std::size_t>(s) * packed_strip_bytes(type, kColumns));
  std::vector<float> wanted(kColumns), found(kColumns);
  for (std::int64_t row = 0; row < kRows; ++row) {
    decode_row(type, file.data() + static_cast<std::size_t>(row) * bytes, kColumns, wanted.data());
    if (type == DType::f8_e4m3)
      for (float& x : wanted) x *= 0.5F;
    decode_packed_row(type, packed.data(), kRows, kColumns, row, found.data());
    ASSERT_EQ(std::memcmp(found.data(), wanted.data(), kColumns * 4), 0) << "row " << row;
  }
}

TEST(PackErrors, NameWhatIsWrong) {
  EXPECT_THROW(packed_strip_bytes(DType::q4_0, 33), Error);
  EXPECT_THROW(packed_strip_bytes(DType::i32, 32), Error);
  EXPECT_FALSE(can_pack(DType::i32));
  std::vector<std::byte> file(16 * 18), strip(packed_strip_bytes(DType::q4_0, 32));
  EXPECT_THROW(pack_strip(DType::q4_0, std::span(file).first(17), {}, 16, 32, 0, strip.data()), Error);
  std::vector<std::byte> bytes(16 * 128), f8(packed_strip_bytes(DType::f8_e4m3, 128));
  try {
    pack_strip(DType::f8_e4m3, bytes, {}, 16, 128, 0, f8.data());
    FAIL() << "no scales, no error";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "pack: F8_E4M3 weight of 16 x 128 has 0 block scales, expected 1");
  }
}

}  // namespace
}  // namespace limpid
