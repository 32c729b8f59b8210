// Packing and products of the types in blocks of 256 values: every type on every instruction set of this machine against the codec in double,
// and bit for bit against each other for any number of tokens.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <iterator>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "kernels/kernels.h"
#include "tensor/codec.h"
#include "tensor/dtype.h"
#include "tensor/pack.h"
#include "tests/kernels/kernel_memory.h"

namespace limpid {
namespace {

constexpr DType kSuperblockTypes[] = {DType::q2_k,    DType::q3_k,  DType::q4_k,    DType::q5_k,   DType::q6_k,
                                      DType::iq1_s,   DType::iq1_m, DType::iq2_xxs, DType::iq2_xs, DType::iq2_s,
                                      DType::iq3_xxs, DType::iq3_s, DType::iq4_xs};

// Where the f16 scales of a block are (tensor/blocks.h).
std::vector<int> scale_offsets(DType type) {
  switch (type) {
    case DType::q2_k:
      return {80, 82};
    case DType::q3_k:
      return {108};
    case DType::q4_k:
    case DType::q5_k:
      return {0, 2};
    case DType::q6_k:
      return {208};
    case DType::iq1_m:
      return {};
    default:
      return {0};
  }
}

// Random bytes are valid blocks of every type, but for scales that are not finite: those are drawn from [-1, 1].
std::vector<std::byte> random_rows(DType type, std::int64_t rows, std::int64_t columns, std::mt19937& random) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(rows) * row_bytes(type, columns));
  for (std::byte& b : bytes) b = static_cast<std::byte>(random());
  const auto block_bytes = static_cast<std::size_t>(info(type).bytes);
  std::uniform_real_distribution<float> scale(-1, 1);
  for (std::size_t block = 0; block < bytes.size(); block += block_bytes) {
    for (const int offset : scale_offsets(type)) {
      const std::uint16_t half = f32_to_f16(scale(random));
      std::memcpy(&bytes[block + static_cast<std::size_t>(offset)], &half, 2);
    }
    if (type == DType::iq1_m)
      bytes[block + 55] = bytes[block + 55] & std::byte{0x3F};  // top of d's exponent: not infinite
  }
  return bytes;
}

struct PackedRows {
  DType type;
  std::int64_t rows, columns;
  std::vector<std::byte> file;
  std::size_t strip_bytes;
  Aligned packed;

  PackedRows(DType t, std::int64_t r, std::int64_t k, std::mt19937& random)
      : type(t),
        rows(r),
        columns(k),
        file(random_rows(t, r, k, random)),
        strip_bytes(packed_strip_bytes(t, k)),
        packed(packed_bytes(t, r, k)) {
    for (std::int64_t s = 0; s < strips(); ++s)
      pack_strip(type, file, {}, rows, columns, s, packed.data + static_cast<std::size_t>(s) * strip_bytes);
  }
  std::int64_t strips() const { return (rows + kStripRows - 1) / kStripRows; }
};

// Activation rows made here, extremes included, so that this test stands without the quantiser.
struct Activations {
  std::size_t stride;
  Aligned memory;
  std::vector<std::vector<double>> values;

  Activations(int tokens, std::int64_t columns, std::mt19937& random)
      : stride(act_row_bytes(ActType::q8_256, columns)), memory(stride * static_cast<std::size_t>(tokens)) {
    for (int t = 0; t < tokens; ++t) {
      std::byte* row = memory.data + stride * static_cast<std::size_t>(t);
      std::vector<double> x(static_cast<std::size_t>(columns));
      const std::int64_t blocks = columns / 256;
      for (std::int64_t b = 0; b < blocks; ++b) {
        const float scale = static_cast<float>(random() % 1000 + 1) * 0x1p-12F;
        std::memcpy(row + columns + 4 * b, &scale, 4);
        for (std::int64_t i = 0; i < 16; ++i) {
          std::int16_t sum = 0;
          for (std::int64_t k = 256 * b + 16 * i; k < 256 * b + 16 * i + 16; ++k) {
            const int q = t == 0 ? 127 : t == 1 ? -127 : static_cast<int>(random() % 255) - 127;
            row[k] = static_cast<std::byte>(q);
            sum = static_cast<std::int16_t>(sum + q);
            x[static_cast<std::size_t>(k)] = static_cast<double>(scale) * q;
          }
          std::memcpy(row + columns + 4 * blocks + 2 * (16 * b + i), &sum, 2);
        }
      }
      values.push_back(std::move(x));
    }
  }
};

std::vector<float> product(const KernelTable& table, const PackedRows& c, const Activations& x, int first, int tokens) {
  std::vector<float> out(static_cast<std::size_t>(tokens * c.rows), -7.0F);
  const LinearArgs args = {.weight = c.packed.data,
                           .strip_bytes = c.strip_bytes,
                           .columns = c.columns,
                           .strips = static_cast<int>(c.strips()),
                           .valid_rows = static_cast<int>(c.rows),
                           .activations = x.memory.data + x.stride * static_cast<std::size_t>(first),
                           .activation_stride = x.stride,
                           .rows = nullptr,
                           .tokens = tokens,
                           .out = out.data(),
                           .out_stride = c.rows,
                           .bias = nullptr,
                           .accumulate = false};
  table.linear[static_cast<int>(c.type)](args);
  return out;
}

class Superblocks : public testing::TestWithParam<DType> {};

TEST_P(Superblocks, PackingIsLossless) {
  std::mt19937 random(1);
  const PackedRows c(GetParam(), 37, 768, random);
  EXPECT_EQ(c.strip_bytes, (row_bytes(c.type, c.columns) * 16 + 63) / 64 * 64) << "no bit more than the file";
  std::vector<std::byte> back(c.file.size());
  const std::size_t strip_rows_bytes = row_bytes(c.type, c.columns) * 16;
  for (std::int64_t s = 0; s < c.strips(); ++s)
    unpack_strip(c.type, c.packed.data + static_cast<std::size_t>(s) * c.strip_bytes, c.rows, c.columns, s,
                 back.data() + static_cast<std::size_t>(s) * strip_rows_bytes, {});
  EXPECT_TRUE(back == c.file);
}

TEST_P(Superblocks, ProductsAreTheCodecsInDouble) {
  std::mt19937 random(2);
  constexpr int kTokens = 11;
  const PackedRows c(GetParam(), 37, 768, random);
  const Activations x(kTokens, c.columns, random);
  for (const KernelTable* table : kernel_tables()) {
    const std::vector<float> y = product(*table, c, x, 0, kTokens);
    std::vector<float> w(static_cast<std::size_t>(c.columns));
    for (std::int64_t r = 0; r < c.rows; ++r) {
      decode_row(c.type, c.file.data() + static_cast<std::size_t>(r) * row_bytes(c.type, c.columns), c.columns,
                 w.data());
      for (int t = 0; t < kTokens; ++t) {
        double sum = 0, magnitude = 0;
        for (std::size_t k = 0; k < w.size(); ++k) {
          sum += static_cast<double>(w[k]) * x.values[static_cast<std::size_t>(t)][k];
          magnitude += std::abs(static_cast<double>(w[k]) * x.values[static_cast<std::size_t>(t)][k]);
        }
        ASSERT_NEAR(y[static_cast<std::size_t>(t * c.rows + r)], sum, magnitude * 1e-6 + 1e-12)
            << table->isa << " token " << t << " row " << r;
      }
    }
  }
}

TEST_P(Superblocks, SameBitsForAnyTokensAndInstructionSet) {
  std::mt19937 random(3);
  constexpr int kTokens = 300;  // more than a chunk of any instruction set, and every tail
  const PackedRows c(GetParam(), 37, 512, random);
  const Activations x(kTokens, c.columns, random);
  const std::vector<float> expected = product(*scalar_kernels(), c, x, 0, kTokens);
  for (const KernelTable* table : kernel_tables()) {
    for (const int tokens : {1, 2, 3, 5, 8, 13, 16, 17, 31, 32, 33, 64, 79, 257, kTokens}) {
      const int first = kTokens - tokens;
      const std::vector<float> y = product(*table, c, x, first, tokens);
      EXPECT_EQ(0, std::memcmp(y.data(), expected.data() + first * c.rows, y.size() * 4))
          << table->isa << " tokens " << tokens;
    }
  }
}

TEST_P(Superblocks, RowsBiasResidualAndRaggedStrips) {
  std::mt19937 random(4);
  const PackedRows c(GetParam(), 21, 256, random);
  const Activations x(6, c.columns, random);
  const int tokens = 37;  // as few rows as there are, tiles of 16 and a tail
  std::vector<std::int32_t> rows = {4, 0, 4};
  while (rows.size() < tokens) rows.push_back(static_cast<std::int32_t>(random() % 6));
  std::vector<float> bias(21);
  for (std::size_t i = 0; i < bias.size(); ++i) bias[i] = static_cast<float>(i) * 0.25F - 2;
  for (const KernelTable* table : kernel_tables()) {
    const std::vector<float> plain = product(*table, c, x, 0, 6);
    for (const int count : {3, tokens}) {
      std::vector<float> out(static_cast<std::size_t>(count) * 24, 3.0F);
      const LinearArgs args = {.weight = c.packed.data,
                               .strip_bytes = c.strip_bytes,
                               .columns = c.columns,
                               .strips = 2,
                               .valid_rows = 21,
                               .activations = x.memory.data,
                               .activation_stride = x.stride,
                               .rows = rows.data(),
                               .tokens = count,
                               .out = out.data(),
                               .out_stride = 24,
                               .bias = bias.data(),
                               .accumulate = true};
      table->linear[static_cast<int>(c.type)](args);
      for (std::size_t t = 0; t < static_cast<std::size_t>(count); ++t)
        for (std::size_t r = 0; r < 24; ++r) {
          const float sum = r < 21 ? 3.0F + (plain[static_cast<std::size_t>(rows[t]) * 21 + r] + bias[r]) : 3.0F;
          ASSERT_EQ(std::bit_cast<std::uint32_t>(out[t * 24 + r]), std::bit_cast<std::uint32_t>(sum))
              << table->isa << ' ' << t << ' ' << r;
        }
    }
  }
}

// A row so wide that a chunk is cut by its bytes and not by its tokens.
TEST_P(Superblocks, WideRowsGiveTheBitsOfSingleTokens) {
  std::mt19937 random(5);
  constexpr int kTokens = 67;
  const PackedRows c(GetParam(), 33, 32768, random);
  const Activations x(kTokens, c.columns, random);
  for (const KernelTable* table : kernel_tables()) {
    if (table == scalar_kernels()) continue;  // cuts by tokens only
    const std::vector<float> all = product(*table, c, x, 0, kTokens);
    for (const int t : {0, 1, 15, 47, 48, 66}) {
      const std::vector<float> one = product(*table, c, x, t, 1);
      EXPECT_EQ(0, std::memcmp(one.data(), all.data() + t * c.rows, one.size() * 4)) << table->isa << " token " << t;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, Superblocks, testing::ValuesIn(kSuperblockTypes),
                         [](const auto& type) { return std::string(limpid::info(type.param).name); });

// As KernelTables.EveryPackableTypeIsTested, for blocks of 256.
TEST(KernelTables, EverySuperblockTypeIsTested) {
  const std::set<DType> tested(std::begin(kSuperblockTypes), std::end(kSuperblockTypes));
  for (int type = 0; type < kDTypes; ++type)
    EXPECT_EQ(tested.contains(static_cast<DType>(type)),
              can_pack(static_cast<DType>(type)) && info(static_cast<DType>(type)).block == 256)
        << info(static_cast<DType>(type)).name;
}

}  // namespace
}  // namespace limpid
