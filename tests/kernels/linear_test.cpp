// Products with packed weights against sums over the codec's values, and bit-equal on every instruction set, for every
// number of tokens, strip range and order of rows.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <iterator>
#include <numeric>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "kernels/kernels.h"
#include "tensor/codec.h"
#include "tensor/pack.h"
#include "tests/kernels/kernel_memory.h"

namespace limpid {
namespace {

constexpr DType kTypes[] = {DType::f32,  DType::f16,  DType::bf16, DType::f8_e4m3, DType::q4_0,
                            DType::q4_1, DType::q5_0, DType::q5_1, DType::q8_0,    DType::iq4_nl};

constexpr std::byte kUnwritten{0xFF};  // shows where packing and quantising leave something out

// A weight as a file holds it, packed, and its values.
struct Weight {
  DType type;
  std::int64_t rows, columns;
  std::vector<float> scales, values;
  Aligned packed;

  Weight(DType t, std::int64_t o, std::int64_t k, unsigned seed)
      : type(t),
        rows(o),
        columns(k),
        values(static_cast<std::size_t>(o * k)),
        packed(packed_bytes(t, o, k), kUnwritten) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal(0, 0.1F);
    const std::size_t bytes = row_bytes(t, k);
    std::vector<std::byte> file(static_cast<std::size_t>(o) * bytes);
    if (info(t).block == 32) {  // any byte is a quant; scales and minima are made sound
      for (std::byte& b : file) b = static_cast<std::byte>(random() & 255);
      const std::size_t block = static_cast<std::size_t>(info(t).bytes);
      for (std::size_t at = 0; at < file.size(); at += block)
        for (int i = 0; i < (t == DType::q4_1 || t == DType::q5_1 ? 2 : 1); ++i) {
          const std::uint16_t half = f32_to_f16(normal(random) * 0.1F);
          std::memcpy(file.data() + at + 2 * i, &half, 2);
        }
    } else {
      std::vector<float> row(static_cast<std::size_t>(k));
      for (std::int64_t r = 0; r < o; ++r) {
        for (float& x : row) x = normal(random) * (t == DType::f8_e4m3 ? 100 : 1);
        encode_row(t, row.data(), k, file.data() + static_cast<std::size_t>(r) * bytes);
      }
    }
    if (t == DType::f8_e4m3)
      for (std::int64_t i = 0; i < (o + 127) / 128 * ((k + 127) / 128); ++i) scales.push_back(0.001F * (1 + i));
    for (std::int64_t r = 0; r < o; ++r) {
      float* v = values.data() + r * k;
      decode_row(t, file.data() + static_cast<std::size_t>(r) * bytes, k, v);
      if (t == DType::f8_e4m3)
        for (std::int64_t c = 0; c < k; ++c)
          v[c] *= scales[static_cast<std::size_t>(r / 128 * ((k + 127) / 128) + c / 128)];
    }
    for (std::int64_t s = 0; s * 16 < o; ++s)
      pack_strip(t, file, scales, o, k, s, packed.data + static_cast<std::size_t>(s) * packed_strip_bytes(t, k));
  }
};

struct Rows {
  std::int64_t columns;
  std::vector<float> x;
  ActType type;
  std::size_t stride;
  Aligned quantised;

  Rows(const KernelTable& table, DType weight, int rows, std::int64_t k)
      : columns(k),
        x(static_cast<std::size_t>(rows * k)),
        type(activation_of(weight)),
        stride(act_row_bytes(type, k)),
        quantised(static_cast<std::size_t>(rows) * stride, kUnwritten) {
    std::mt19937 random(7);
    std::normal_distribution<float> normal(0, 1);
    for (float& value : x) value = normal(random);
    for (int t = 0; t < rows; ++t)
      table.quantise[static_cast<int>(type)](x.data() + t * k, k,
                                             quantised.data + static_cast<std::size_t>(t) * stride);
  }
  // The value that the product sees.
  double value(int row, std::int64_t k) const {
    const std::byte* p = quantised.data + static_cast<std::size_t>(row) * stride;
    if (type == ActType::f32) return static_cast<double>(reinterpret_cast<const float*>(p)[k]);
    if (type == ActType::bf16) return static_cast<double>(bf16_to_f32(reinterpret_cast<const std::uint16_t*>(p)[k]));
    const auto* scale = reinterpret_cast<const float*>(p + act_padded(columns));
    return static_cast<double>(scale[k / 32]) * static_cast<std::int8_t>(p[k]);
  }
};

LinearArgs arguments(const Weight& w, const Rows& rows, int tokens, std::vector<float>& out) {
  LinearArgs args{};
  args.weight = w.packed.data;
  args.strip_bytes = packed_strip_bytes(w.type, w.columns);
  args.columns = w.columns;
  args.strips = static_cast<int>((w.rows + 15) / 16);
  args.valid_rows = static_cast<int>(w.rows);
  args.activations = rows.quantised.data;
  args.activation_stride = rows.stride;
  args.tokens = tokens;
  args.out_stride = w.rows + 3;
  out.assign(static_cast<std::size_t>(tokens * args.out_stride), -7.0F);
  args.out = out.data();
  return args;
}

void expect_same(const std::vector<float>& a, const std::vector<float>& b, const std::string& what) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i)
    ASSERT_EQ(std::bit_cast<std::uint32_t>(a[i]), std::bit_cast<std::uint32_t>(b[i])) << what << " at " << i;
}

std::string type_name(const testing::TestParamInfo<DType>& test) { return std::string(info(test.param).name); }

class Product : public testing::TestWithParam<DType> {
 protected:
  LinearFn product(const KernelTable& table) const { return table.linear[static_cast<int>(GetParam())]; }
};
INSTANTIATE_TEST_SUITE_P(Type, Product, testing::ValuesIn(kTypes), type_name);

TEST_P(Product, IsTheSumOverTheDecodedValues) {
  const Flushed flushed;
  constexpr int kTokens = 3;
  const Weight w(GetParam(), 45, 288, 1);
  for (const KernelTable* table : kernel_tables()) {
    const Rows rows(*table, GetParam(), kTokens, w.columns);
    std::vector<float> out;
    const LinearArgs args = arguments(w, rows, kTokens, out);
    product (*table)(args);
    for (int t = 0; t < kTokens; ++t)
      for (std::int64_t o = 0; o < w.rows; ++o) {
        double sum = 0, size = 0;
        for (std::int64_t k = 0; k < w.columns; ++k) {
          const double term =
              static_cast<double>(w.values[static_cast<std::size_t>(o * w.columns + k)]) * rows.value(t, k);
          sum += term;
          size += std::fabs(term);
        }
        ASSERT_NEAR(out[static_cast<std::size_t>(t * args.out_stride + o)], sum, 3e-6 * size)
            << table->isa << " token " << t << " row " << o;
      }
  }
}

TEST_P(Product, HasTheSameBitsForEveryInstructionSetAndNumberOfTokens) {
  const Flushed flushed;
  constexpr int kMost = 33;
  const Weight w(GetParam(), 37, 1600, 2);  // columns: more than AMX unpacks at a time
  std::vector<float> truth, out, one;
  const Rows rows(*scalar_kernels(), GetParam(), kMost, w.columns);
  product (*scalar_kernels())(arguments(w, rows, kMost, truth));
  for (const KernelTable* table : kernel_tables()) {
    const Rows own(*table, GetParam(), kMost, w.columns);
    ASSERT_EQ(std::memcmp(own.quantised.data, rows.quantised.data, kMost * rows.stride), 0) << table->isa;
    for (const int tokens : {1, 2, 3, 5, 8, 12, 16, 33}) {
      product (*table)(arguments(w, own, tokens, out));
      expect_same(out, std::vector<float>(truth.begin(), truth.begin() + static_cast<std::ptrdiff_t>(out.size())),
                  std::string(table->isa) + " tokens " + std::to_string(tokens));
    }
    // Rows that are named one by one: many tokens without the tiles that need them side by side.
    std::vector<std::int32_t> order(kMost);
    std::iota(order.begin(), order.end(), 0);
    LinearArgs args = arguments(w, own, kMost, out);
    args.rows = order.data();
    product (*table)(args);
    expect_same(out, truth, std::string(table->isa) + " gathered");
  }
}

TEST_P(Product, GathersRowsAddsTheBiasAndAccumulates) {
  const Flushed flushed;
  const Weight w(GetParam(), 21, 320, 3);
  const std::int32_t order[] = {4, 0, 0, 3, 1};
  std::vector<float> bias(21);
  for (std::size_t i = 0; i < bias.size(); ++i) bias[i] = 0.1F * static_cast<float>(i) - 1;
  for (const KernelTable* table : kernel_tables()) {
    const Rows rows(*table, GetParam(), 5, w.columns);
    std::vector<float> plain, out;
    product (*table)(arguments(w, rows, 5, plain));
    LinearArgs args = arguments(w, rows, 5, out);
    args.rows = order;
    args.bias = bias.data();
    args.accumulate = true;
    product (*table)(args);
    for (int t = 0; t < 5; ++t)
      for (int o = 0; o < 24; ++o) {
        const float sum = plain[static_cast<std::size_t>(order[t] * 24 + o)];
        const float wanted = o < 21 ? -7.0F + (sum + bias[static_cast<std::size_t>(o)]) : -7.0F;
        ASSERT_EQ(out[static_cast<std::size_t>(t * 24 + o)], wanted) << table->isa << " token " << t << " row " << o;
      }
  }
}

TEST_P(Product, FaultsInTheActivationsShow) {
  const Weight w(GetParam(), 16, 64, 4);
  for (const KernelTable* table : kernel_tables()) {
    Rows rows(*table, GetParam(), 1, w.columns);
    rows.x[40] = std::nanf("");
    table->quantise[static_cast<int>(rows.type)](rows.x.data(), w.columns, rows.quantised.data);
    std::vector<float> out;
    product (*table)(arguments(w, rows, 1, out));
    for (std::size_t o = 0; o < 16; ++o) ASSERT_TRUE(std::isnan(out[o])) << table->isa << " row " << o;
  }
}

// Bits of two products that must never change within a numerics version (docs/numerics.md).
TEST(ProductGolden, BitsStayWhatTheyAre) {
  const Flushed flushed;
  const auto hash = [](const std::vector<float>& values) {
    std::uint64_t h = 0xCBF29CE484222325;  // FNV-1a
    for (const float x : values)
      for (std::uint32_t bits = std::bit_cast<std::uint32_t>(x), i = 0; i < 4; ++i, bits >>= 8)
        h = (h ^ (bits & 255)) * 0x100000001B3;
    return h;
  };
  // Weights and rows from integers alone: the standard library's distributions differ from one to the next.
  for (const auto& [type, golden] : {std::pair{DType::q4_0, std::uint64_t{9813530901312637912U}},
                                     std::pair{DType::bf16, std::uint64_t{11942992354184733319U}}}) {
    constexpr std::int64_t kRows = 32, kColumns = 256;
    std::uint32_t state = 12345;
    const auto next = [&state] { return (state = state * 1664525 + 1013904223) >> 8; };
    std::vector<std::byte> file(kRows * row_bytes(type, kColumns));
    for (std::byte& b : file) b = static_cast<std::byte>(next() & 255);
    const std::size_t block = type == DType::q4_0 ? 18 : 2;
    for (std::size_t at = 0; at < file.size(); at += block) {
      const std::uint16_t number =
          static_cast<std::uint16_t>((type == DType::q4_0 ? 0x2000 : 0x3C00) + (next() & 0x83FF));
      std::memcpy(file.data() + at, &number, 2);
    }
    Aligned packed(packed_bytes(type, kRows, kColumns), kUnwritten);
    for (std::int64_t s = 0; s < 2; ++s)
      pack_strip(type, file, {}, kRows, kColumns, s,
                 packed.data + static_cast<std::size_t>(s) * packed_strip_bytes(type, kColumns));
    std::vector<float> x(kColumns);
    for (float& value : x) value = static_cast<float>(static_cast<int>(next() & 0xFFFF) - 0x8000) * 0x1p-15F;
    for (const KernelTable* table : kernel_tables()) {
      const ActType act = activation_of(type);
      Aligned row(act_row_bytes(act, kColumns), kUnwritten);
      table->quantise[static_cast<int>(act)](x.data(), kColumns, row.data);
      std::vector<float> out(kRows);
      LinearArgs args{};
      args.weight = packed.data;
      args.strip_bytes = packed_strip_bytes(type, kColumns);
      args.columns = kColumns;
      args.strips = 2;
      args.valid_rows = kRows;
      args.activations = row.data;
      args.activation_stride = act_row_bytes(act, kColumns);
      args.tokens = 1;
      args.out = out.data();
      args.out_stride = kRows;
      table->linear[static_cast<int>(type)](args);
      EXPECT_EQ(hash(out), golden) << table->isa << " " << info(type).name;
    }
  }
}

// The order that docs/numerics.md says, by plain loops: no other kernel would notice another one, they all share it.
TEST(ProductOrder, OfFp8IsOddThenEvenInBlocksOf128) {
  const Flushed flushed;
  constexpr std::int64_t kRows = 16, kColumns = 256;
  std::mt19937 random(5);
  std::vector<std::byte> file(kRows * kColumns);
  for (std::byte& b : file) do
      b = static_cast<std::byte>(random() & 255);
    while ((b & std::byte{0x7F}) == std::byte{0x7F});  // NaN
  const std::vector<float> scales = {0.37F, 1.9F};
  std::vector<float> x(kColumns);
  for (float& value : x) value = static_cast<float>(static_cast<int>(random() & 255) - 128) / 128;  // exact in bf16
  Aligned packed(packed_bytes(DType::f8_e4m3, kRows, kColumns), kUnwritten);
  pack_strip(DType::f8_e4m3, file, scales, kRows, kColumns, 0, packed.data);
  std::vector<float> expected, w(kColumns);
  for (std::int64_t r = 0; r < kRows; ++r) {
    decode_row(DType::f8_e4m3, file.data() + r * kColumns, kColumns, w.data());
    float sum = 0;
    for (std::size_t b = 0; b < 2; ++b) {
      float block = 0;
      for (std::size_t k = 128 * b; k < 128 * (b + 1); k += 2)
        block = std::fma(w[k], x[k], std::fma(w[k + 1], x[k + 1], block));
      sum = std::fma(block, scales[b], sum);
    }
    expected.push_back(sum);
  }
  for (const KernelTable* table : kernel_tables()) {
    const ActType act = activation_of(DType::f8_e4m3);
    Aligned row(act_row_bytes(act, kColumns), kUnwritten);
    table->quantise[static_cast<int>(act)](x.data(), kColumns, row.data);
    std::vector<float> out(kRows);
    LinearArgs args{};
    args.weight = packed.data;
    args.strip_bytes = packed_strip_bytes(DType::f8_e4m3, kColumns);
    args.columns = kColumns;
    args.strips = 1;
    args.valid_rows = kRows;
    args.activations = row.data;
    args.activation_stride = act_row_bytes(act, kColumns);
    args.tokens = 1;
    args.out = out.data();
    args.out_stride = kRows;
    table->linear[static_cast<int>(DType::f8_e4m3)](args);
    EXPECT_EQ(out, expected) << table->isa;
  }
}

// Every type that can be packed has its product in every table, and no other type has one.
TEST(KernelTables, HoldEverything) {
  EXPECT_EQ(&best_kernels(), kernel_tables().back());
  EXPECT_EQ(scalar_kernels(), kernel_tables().front());
  std::set<std::string> names;
  for (const KernelTable* table : kernel_tables()) {
    EXPECT_TRUE(names.insert(table->isa).second) << table->isa << " twice";
    for (int type = 0; type < static_cast<int>(std::size(table->linear)); ++type)
      EXPECT_EQ(table->linear[type] != nullptr, type < kDTypes && can_pack(static_cast<DType>(type)))
          << table->isa << " " << (type < kDTypes ? info(static_cast<DType>(type)).name : "no type");
    for (const auto quantise : table->quantise) EXPECT_NE(quantise, nullptr) << table->isa;
    EXPECT_NE(table->attention, nullptr) << table->isa;
  }
}

// The types whose products the tests of this folder compare are those that can be packed, so none is left out.
TEST(KernelTables, EveryPackableTypeIsTested) {
  std::set<DType> packable, tested(std::begin(kTypes), std::end(kTypes));
  for (int type = 0; type < kDTypes; ++type)
    if (can_pack(static_cast<DType>(type)) && info(static_cast<DType>(type)).block != 256)
      packable.insert(static_cast<DType>(type));
  EXPECT_EQ(tested, packable);
}

// Where the machine adds to AVX-512, the table without the additions is there too, and differs.
TEST(KernelTables, PlainAvx512IsWithoutWhatTheMachineAdds) {
  const KernelTable *plain = plain_avx512_kernels(), *full = avx512_kernels();
  if (plain == nullptr) GTEST_SKIP() << "nothing is added to AVX-512 here";
  ASSERT_NE(full, nullptr);
  int different = 0;
  for (int type = 0; type < kDTypes; ++type) different += plain->linear[type] != full->linear[type];
  EXPECT_GT(different, 0);
}

}  // namespace
}  // namespace limpid
