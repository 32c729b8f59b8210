// Products that AMX speeds up give the bits of plain AVX-512, for every number of tokens, contiguous or
// scattered rows, ragged strips, bias and residual. Random packed bytes: the kernels take any.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "kernels/kernels.h"
#include "tensor/dtype.h"
#include "tensor/pack.h"
#include "tests/kernels/kernel_memory.h"

namespace limpid {
namespace {

// Strips with any quants and scales of both signs from 2^-14 up to 2.
void fill(DType type, std::int64_t columns, int strips, std::mt19937& random, std::byte* to) {
  const std::size_t bytes = packed_strip_bytes(type, columns) * static_cast<std::size_t>(strips);
  if (type == DType::bf16) {
    for (std::size_t i = 0; i < bytes / 2; ++i) {
      const auto bits = static_cast<std::uint16_t>((random() & 0x80FF) | (0x38 + random() % 8) << 8);
      std::memcpy(to + 2 * i, &bits, 2);
    }
    return;
  }
  for (std::size_t i = 0; i < bytes; ++i) to[i] = static_cast<std::byte>(random());
  const std::size_t strip = packed_strip_bytes(type, columns), block = packed_strip_bytes(type, 64) / 2;
  const bool minimum = type == DType::q4_1 || type == DType::q5_1;
  for (std::size_t first = 0; first < bytes; first += strip)
    for (std::size_t at = first; at + block <= first + strip; at += block)
      for (std::size_t i = 0; i < (minimum ? 32U : 16U); ++i) {
        const auto half = static_cast<std::uint16_t>(random() & 0xBFFF);
        std::memcpy(to + at + 2 * i, &half, 2);
      }
}

struct ProductCase {
  DType type;
  std::int64_t columns;
  int rows, tokens;
  bool scattered, residual;
};

std::vector<float> run(LinearFn product, const KernelTable& table, const ProductCase& c) {
  std::mt19937 random(static_cast<unsigned>(c.columns * 1000 + c.tokens));
  const int strips = (c.rows + 15) / 16;
  const std::size_t strip = packed_strip_bytes(c.type, c.columns);
  Aligned weight(strip * static_cast<std::size_t>(strips));
  fill(c.type, c.columns, strips, random, weight.data);
  const ActType act = activation_of(c.type);
  const std::size_t stride = act_row_bytes(act, c.columns);
  const int rows = c.scattered ? 2 * c.tokens : c.tokens;
  Aligned activations(stride * static_cast<std::size_t>(rows));
  std::normal_distribution<float> normal;
  std::vector<float> x(static_cast<std::size_t>(c.columns));
  for (int t = 0; t < rows; ++t) {
    for (float& v : x) v = normal(random);
    table.quantise[static_cast<int>(act)](x.data(), c.columns, activations.data + stride * static_cast<std::size_t>(t));
  }
  std::vector<std::int32_t> picked;
  for (int t = 0; t < c.tokens; ++t)
    picked.push_back(static_cast<std::int32_t>(random() % static_cast<unsigned>(rows)));
  std::vector<float> bias(static_cast<std::size_t>(c.rows)), out(static_cast<std::size_t>(c.tokens * (c.rows + 3)));
  for (float& v : bias) v = normal(random);
  for (float& v : out) v = normal(random);
  product({weight.data, strip, c.columns, strips, c.rows, activations.data, stride,
           c.scattered ? picked.data() : nullptr, c.tokens, out.data(), c.rows + 3, c.residual ? bias.data() : nullptr,
           c.residual});
  return out;
}

// Does this machine add a product of this type to plain AVX-512?
bool differs(DType type) {
  const KernelTable *plain = plain_avx512_kernels(), *fast = avx512_kernels();
  return plain && plain->linear[static_cast<int>(type)] != fast->linear[static_cast<int>(type)];
}

void compare(DType type, std::vector<std::int64_t> widths) {
  const KernelTable &plain = *plain_avx512_kernels(), &fast = *avx512_kernels();
  const Flushed flushed;
  for (const std::int64_t columns : widths)
    for (const int tokens : {1, 2, 4, 15, 16, 17, 33, 52, 65, 257})
      for (const bool variant : {false, true}) {
        const ProductCase c{type, columns, 41, tokens, variant, variant};
        const std::vector<float> expected = run(plain.linear[static_cast<int>(type)], plain, c);
        const std::vector<float> found = run(fast.linear[static_cast<int>(type)], plain, c);
        for (std::size_t i = 0; i < expected.size(); ++i) {
          ASSERT_TRUE(std::isfinite(expected[i]));
          ASSERT_EQ(std::bit_cast<std::uint32_t>(expected[i]), std::bit_cast<std::uint32_t>(found[i]))
              << info(type).name << " columns " << columns << " tokens " << tokens << " output " << i;
        }
      }
}

TEST(Accelerated, IntegerProductsGiveTheBitsOfAvx512) {
  if (!differs(DType::q4_0)) GTEST_SKIP() << "no AMX here";
  for (const DType type : {DType::q4_0, DType::q4_1, DType::q5_0, DType::q5_1, DType::q8_0, DType::iq4_nl})
    compare(type, {32, 96, 576, 1056});
}

TEST(Accelerated, Bf16ProductsGiveTheBitsOfAvx512) {
  if (!differs(DType::bf16)) GTEST_SKIP() << "no AMX bf16 here";
  compare(DType::bf16, {2, 30, 577, 2048, 4128});
}

// Any bits at all in one group of 32 k and a part of the next: denormals, infinities and not-numbers included.
TEST(Accelerated, Bf16TilesAreFmasForAnyBits) {
  if (!differs(DType::bf16)) GTEST_SKIP() << "no AMX bf16 here";
  const Flushed flushed;
  std::mt19937 random(7);
  const std::int64_t columns = 40, tokens = 16;
  const std::size_t strip = packed_strip_bytes(DType::bf16, columns), stride = act_row_bytes(ActType::bf16, columns);
  Aligned weight(strip), rows(stride * tokens);
  for (int round = 0; round < 4096; ++round) {
    // Magnitudes around 1, around the least product that is no denormal, or anything.
    const int kind = round % 3;
    const auto bits = [&] {
      const unsigned exponent = kind == 0 ? 120 + random() % 16 : kind == 1 ? 55 + random() % 16 : random() % 256;
      return static_cast<std::uint16_t>((random() & 0x807F) | exponent << 7);
    };
    for (std::size_t i = 0; i < strip / 2; ++i) {
      const std::uint16_t b = bits();
      std::memcpy(weight.data + 2 * i, &b, 2);
    }
    for (std::size_t t = 0; t < tokens; ++t)
      for (std::size_t i = 0; i < columns; ++i) {
        const std::uint16_t b = bits();
        std::memcpy(rows.data + t * stride + 2 * i, &b, 2);
      }
    float expected[16 * tokens], found[16 * tokens];
    const auto args = [&](float* out) {
      return LinearArgs{weight.data, strip,  columns, 1,  16,      rows.data, stride,
                        nullptr,     tokens, out,     16, nullptr, false};
    };
    plain_avx512_kernels()->linear[static_cast<int>(DType::bf16)](args(expected));
    avx512_kernels()->linear[static_cast<int>(DType::bf16)](args(found));
    for (int i = 0; i < 16 * tokens; ++i) {
      if (std::isnan(expected[i]) && std::isnan(found[i])) continue;
      ASSERT_EQ(std::bit_cast<std::uint32_t>(expected[i]), std::bit_cast<std::uint32_t>(found[i])) << "round " << round;
    }
  }
}

}  // namespace
}  // namespace limpid
