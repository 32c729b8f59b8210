// The codec against what others' codecs made of the same bytes and numbers (make_codec_goldens.py): equal bit for bit.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "tensor/codec.h"

namespace limpid {
namespace {

using Bytes = std::vector<std::byte>;

const DType kEncoded[] = {DType::q4_0, DType::q4_1, DType::q5_0, DType::q5_1, DType::q8_0};
// Each block type with the offsets of the high bytes of its f16 fields.
const std::pair<DType, std::vector<std::size_t>> kBlockTypes[] = {
    {DType::q4_0, {1}},      {DType::q4_1, {1, 3}}, {DType::q5_0, {1}},    {DType::q5_1, {1, 3}}, {DType::q8_0, {1}},
    {DType::q2_k, {81, 83}}, {DType::q3_k, {109}},  {DType::q4_k, {1, 3}}, {DType::q5_k, {1, 3}}, {DType::q6_k, {209}},
    {DType::iq1_s, {1}},     {DType::iq1_m, {55}},  {DType::iq2_xxs, {1}}, {DType::iq2_xs, {1}},  {DType::iq2_s, {1}},
    {DType::iq3_xxs, {1}},   {DType::iq3_s, {1}},   {DType::iq4_nl, {1}},  {DType::iq4_xs, {1}},
};

std::string path_of(const std::string& name) { return std::string(TEST_DATA) + "/codec/" + name; }

Bytes read_golden(const std::string& name) {
  std::ifstream file(path_of(name), std::ios::binary);
  EXPECT_TRUE(file) << name;
  const std::vector<char> chars{std::istreambuf_iterator<char>(file), {}};
  Bytes bytes(chars.size());
  std::memcpy(bytes.data(), chars.data(), chars.size());
  return bytes;
}

std::map<std::string, std::uint32_t> read_crcs() {
  std::ifstream file(path_of("crcs.txt"));
  std::map<std::string, std::uint32_t> crcs;
  for (std::string name, value; file >> name >> value;)
    crcs[name] = static_cast<std::uint32_t>(std::stoul(value, nullptr, 16));
  return crcs;
}

template <typename T>
std::uint32_t crc32(const std::vector<T>& values) {
  std::uint32_t crc = ~0u;
  for (std::byte byte : std::as_bytes(std::span(values))) {
    crc ^= static_cast<std::uint32_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0u);
  }
  return ~crc;
}

// The generator of the script: the top 32 bits of each state.
std::vector<std::uint32_t> lcg(std::uint64_t seed, std::size_t count) {
  std::vector<std::uint32_t> values(count);
  for (std::uint32_t& value : values) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    value = static_cast<std::uint32_t>(seed >> 32);
  }
  return values;
}

Bytes random_blocks(DType type, const std::vector<std::size_t>& f16_high, std::size_t count) {
  const auto size = static_cast<std::size_t>(info(type).bytes);
  Bytes blocks;
  for (std::uint32_t value : lcg(1, count * size)) blocks.push_back(static_cast<std::byte>(value >> 24));
  for (std::size_t block = 0; block < count; ++block) {
    for (std::size_t at : f16_high) blocks[block * size + at] &= std::byte{0xBF};
  }
  return blocks;
}

std::vector<float> decoded(DType type, const Bytes& blocks) {
  const auto columns = static_cast<std::int64_t>(blocks.size()) / info(type).bytes * info(type).block;
  std::vector<float> out(static_cast<std::size_t>(columns));
  decode_row(type, blocks.data(), columns, out.data());
  return out;
}

TEST(CodecGolden, DecodesEveryBlockTypeBitForBit) {
  const auto crcs = read_crcs();
  for (const auto& [type, f16_high] : kBlockTypes) {
    const std::string name(info(type).name);
    const Bytes golden = read_golden(name + ".decode");
    const auto per_block = static_cast<std::size_t>(info(type).bytes) + static_cast<std::size_t>(info(type).block) * 4;
    ASSERT_EQ(golden.size() % per_block, 0u) << name;
    const std::size_t count = golden.size() / per_block;
    ASSERT_GE(count, 6u) << name;
    const std::size_t bytes = count * static_cast<std::size_t>(info(type).bytes);
    const std::vector<float> out =
        decoded(type, Bytes(golden.begin(), golden.begin() + static_cast<std::ptrdiff_t>(bytes)));
    for (std::size_t i = 0; i < out.size(); ++i) {
      float expected;
      std::memcpy(&expected, &golden[bytes + 4 * i], 4);
      ASSERT_EQ(std::bit_cast<std::uint32_t>(out[i]), std::bit_cast<std::uint32_t>(expected))
          << name << " value " << i << ": " << out[i] << ", expected " << expected;
    }
    EXPECT_EQ(crc32(decoded(type, random_blocks(type, f16_high, 200))), crcs.at(name)) << name;
  }
}

TEST(CodecGolden, RowsNeedNotBeAligned) {
  for (const auto& [type, f16_high] : kBlockTypes) {
    const Bytes blocks = random_blocks(type, f16_high, 3);
    Bytes shifted(blocks.size() + 1);
    std::copy(blocks.begin(), blocks.end(), shifted.begin() + 1);
    std::vector<float> out(static_cast<std::size_t>(3 * info(type).block));
    decode_row(type, shifted.data() + 1, 3 * info(type).block, out.data());
    EXPECT_EQ(out, decoded(type, blocks)) << info(type).name;
  }
}

// The script's inputs(): 32 rows of 256.
std::vector<float> inputs() {
  const auto raw_bits = lcg(2, 32 * 256);
  std::vector<float> rows(raw_bits.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const float raw = static_cast<float>(static_cast<std::int32_t>(raw_bits[i])) * 0x1p-31f;
    const std::size_t row = i / 256;
    switch (row) {
      case 0:
        rows[i] = 0.0f;
        break;
      case 1:
        rows[i] = -3.0f;
        break;
      case 2:
        rows[i] = 1.5f;
        break;
      case 3:
        rows[i] = i % 256 == 0 ? std::ldexp(raw, -17) : 0.0f;
        break;
      case 4:
        rows[i] = std::nearbyint(raw * 8) / 8;
        break;
      case 5:
        rows[i] = -std::fabs(raw);
        break;
      case 6:
        rows[i] = std::fabs(raw);
        break;
      case 7:
        rows[i] = raw > 0 ? 1.0f : -1.0f;
        break;
      default:
        rows[i] = std::ldexp(raw, static_cast<int>(row) - 20);
    }
  }
  return rows;
}

TEST(CodecGolden, EncodesAsGgmlDoes) {
  const std::vector<float> in = inputs();
  for (DType type : kEncoded) {
    const Bytes golden = read_golden(std::string(info(type).name) + ".encode");
    const auto columns = static_cast<std::int64_t>(in.size());
    Bytes row(row_bytes(type, columns));
    ASSERT_EQ(row.size(), golden.size());
    encode_row(type, in.data(), columns, row.data());
    for (std::size_t i = 0; i < row.size(); ++i) {
      ASSERT_EQ(row[i], golden[i]) << info(type).name << " block " << i / static_cast<std::size_t>(info(type).bytes);
    }
  }
}

TEST(CodecGolden, ConvertsFloatsAsNumpyAndTorchDo) {
  const auto crcs = read_crcs();
  std::vector<float> halves, bytes;
  for (unsigned bits = 0; bits < 0x10000; ++bits) {
    if ((bits & 0x7C00) != 0x7C00) halves.push_back(f16_to_f32(static_cast<std::uint16_t>(bits)));
  }
  for (unsigned bits = 0; bits < 256; ++bits) {
    if ((bits & 0x7F) != 0x7F) bytes.push_back(e4m3_to_f32(static_cast<std::uint8_t>(bits)));
  }
  EXPECT_EQ(crc32(halves), crcs.at("f16_to_f32"));
  EXPECT_EQ(crc32(bytes), crcs.at("e4m3_to_f32"));

  std::vector<float> in;
  for (std::uint32_t bits : lcg(4, 20000)) in.push_back(std::bit_cast<float>((bits & 0x87FFFFFF) | 0x38000000));
  for (std::size_t i = 0; i < 20000; ++i) in.push_back(in[i] * 0x1p-14f);
  for (std::uint32_t bits : lcg(3, 20000)) in.push_back(std::bit_cast<float>(bits));
  std::erase_if(in, [](float value) { return !std::isfinite(value); });
  std::vector<std::uint16_t> f16, bf16;
  std::vector<std::uint8_t> e4m3;
  for (float value : in) {
    f16.push_back(f32_to_f16(value));
    bf16.push_back(f32_to_bf16(value));
    e4m3.push_back(f32_to_e4m3(value));
  }
  EXPECT_EQ(crc32(f16), crcs.at("f32_to_f16"));
  EXPECT_EQ(crc32(bf16), crcs.at("f32_to_bf16"));
  EXPECT_EQ(crc32(e4m3), crcs.at("f32_to_e4m3"));
}

}  // namespace
}  // namespace limpid
