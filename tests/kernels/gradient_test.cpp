// The kernels of training against plain double arithmetic, and the same bits on every instruction set.
#include "kernels/gradient.h"

#include <gtest/gtest.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "kernels/kernels.h"

namespace limpid {
namespace {

std::vector<float> random_values(std::int64_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<std::size_t>(n));
  for (float& value : values) value = normal(random);
  return values;
}
std::vector<const GradientKernels*> tables() {
  std::vector<const GradientKernels*> all;
  for (const KernelTable* table : kernel_tables()) all.push_back(table->gradient);
  return all;
}
float as_bf16(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, 4);
  bits = (bits + (bits >> 16 & 1) + 0x7FFF) & 0xFFFF0000;
  std::memcpy(&x, &bits, 4);
  return x;
}
bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

struct GemmCase {
  std::int64_t rows, columns, reduction;
  bool transposed, accumulate, gather;
};

// Rows of out, A and B are wider than what is used; nothing else may be written.
std::vector<float> multiply(const GradientKernels& kernels, const GemmCase& c, bool bf16,
                            std::vector<double>* truth = nullptr) {
  const std::int64_t a_wide = (c.transposed ? c.rows : c.reduction) + 3, b_wide = c.columns + 5,
                     out_wide = c.columns + 2;
  const std::int64_t a_rows = (c.transposed ? c.reduction : c.rows) * 2, b_rows = c.reduction * 2,
                     out_rows = c.rows * 2;
  const std::vector<float> a = random_values(a_rows * a_wide, 1), b = random_values(b_rows * b_wide, 2);
  std::vector<float> out = random_values(out_rows * out_wide, 3);
  std::vector<std::int32_t> of_rows, of_reduction;
  for (std::int64_t i = 0; i < c.rows; ++i) of_rows.push_back(static_cast<std::int32_t>(2 * c.rows - 1 - i));
  for (std::int64_t r = 0; r < c.reduction; ++r)
    of_reduction.push_back(static_cast<std::int32_t>((r * 7 + 1) % (2 * c.reduction)));
  GemmArgs args;
  args.a = a.data();
  args.a_row = c.transposed ? 1 : a_wide;
  args.a_reduction = c.transposed ? a_wide : 1;
  args.b = b.data();
  args.b_stride = b_wide;
  args.out = out.data();
  args.out_stride = out_wide;
  args.rows = c.rows;
  args.columns = c.columns;
  args.reduction = c.reduction;
  args.accumulate = c.accumulate;
  if (c.gather) {
    (c.transposed ? args.a_reductions : args.a_rows) = (c.transposed ? of_reduction : of_rows).data();
    args.b_rows = of_reduction.data();
    args.out_rows = of_rows.data();
  }
  if (truth != nullptr) {
    truth->assign(out.begin(), out.end());
    for (std::int64_t i = 0; i < c.rows; ++i)
      for (std::int64_t j = 0; j < c.columns; ++j) {
        const std::int64_t to = (args.out_rows ? of_rows[static_cast<std::size_t>(i)] : i) * out_wide + j;
        double sum = c.accumulate ? static_cast<double>(out[static_cast<std::size_t>(to)]) : 0.0;
        for (std::int64_t r = 0; r < c.reduction; ++r) {
          const std::int64_t ai = args.a_rows ? of_rows[static_cast<std::size_t>(i)] : i,
                             ar = args.a_reductions ? of_reduction[static_cast<std::size_t>(r)] : r;
          const std::int64_t br = args.b_rows ? of_reduction[static_cast<std::size_t>(r)] : r;
          const float x = a[static_cast<std::size_t>(ai * args.a_row + ar * args.a_reduction)];
          const float y = b[static_cast<std::size_t>(br * b_wide + j)];
          sum += static_cast<double>(bf16 ? as_bf16(x) : x) * static_cast<double>(bf16 ? as_bf16(y) : y);
        }
        (*truth)[static_cast<std::size_t>(to)] = sum;
      }
  }
  (bf16 ? kernels.gemm_bf16 : kernels.gemm)(args);
  return out;
}

TEST(GradientKernels, GemmIsTheSumAndTheSameBits) {
  const GemmCase cases[] = {
      {1, 1, 1, false, false, false},    {7, 65, 3, false, true, false},     {13, 128, 300, true, true, false},
      {6, 64, 256, false, false, false}, {17, 131, 520, false, false, true}, {9, 37, 5, true, false, true},
      {12, 16, 257, true, true, true},   {3, 15, 0, false, false, false},    {0, 15, 4, false, false, false},
      {200, 70, 259, true, true, false}, {197, 64, 31, false, false, false}};
  for (const GemmCase& c : cases)
    for (const bool bf16 : {false, true}) {
      std::vector<double> truth;
      const std::vector<float> expected = multiply(*tables().front(), c, bf16, &truth);
      for (std::size_t i = 0; i < truth.size(); ++i)
        ASSERT_NEAR(static_cast<double>(expected[i]), truth[i],
                    1e-5 * (1 + std::sqrt(static_cast<double>(c.reduction))))
            << c.rows << " x " << c.columns << " x " << c.reduction << " at " << i;
      for (const GradientKernels* kernels : tables())
        EXPECT_TRUE(same_bits(multiply(*kernels, c, bf16), expected))
            << c.rows << " x " << c.columns << " x " << c.reduction << (bf16 ? " in bf16" : "");
    }
}

TEST(GradientKernels, NaNIsNotRoundedAway) {
  for (const GradientKernels* kernels : tables())
    for (const bool in_a : {false, true}) {
      std::vector<float> a(40, 1.0F), b(40, 1.0F), out(4);
      std::uint32_t bits = 0x7FFFFFFF;
      std::memcpy(&(in_a ? a : b)[9], &bits, 4);
      GemmArgs args;
      args.a = a.data();
      args.a_row = 10;
      args.a_reduction = 1;
      args.b = b.data();
      args.b_stride = 1;
      args.out = out.data();
      args.out_stride = 1;
      args.rows = 4;
      args.columns = 1;
      args.reduction = 10;
      kernels->gemm_bf16(args);
      EXPECT_TRUE(std::isnan(out[0]));
    }
}

// Any bits at all, where denormals are flushed as on the engine's threads.
TEST(GradientKernels, RoundsAnyBitsAlike) {
#if defined(__x86_64__)
  const unsigned before = _mm_getcsr();
  _mm_setcsr(before | 0x8040);
  std::mt19937 random(11);
  for (int round = 0; round < 600; ++round) {
    const auto value = [&] {  // around 1, around the least number that is no denormal, or anything
      const unsigned exponent = round % 3 == 0 ? 120 + random() % 16 : round % 3 == 1 ? random() % 4 : random() % 256;
      return std::bit_cast<float>(static_cast<std::uint32_t>((random() & 0x807FFFFFU) | exponent << 23));
    };
    std::vector<float> a(16 * 40), b(40 * 16);
    for (float& x : a) x = value();
    for (float& x : b)
      x = round % 3 == 1 ? std::bit_cast<float>(static_cast<std::uint32_t>(random() % 2 << 31 | 0x7E800000U)) : value();
    std::vector<float> expected;
    for (const GradientKernels* kernels : tables()) {
      std::vector<float> out(16 * 16);
      GemmArgs args;
      args.a = a.data(), args.a_row = 40, args.a_reduction = 1;
      args.b = b.data(), args.b_stride = 16;
      args.out = out.data(), args.out_stride = 16;
      args.rows = args.columns = 16, args.reduction = 40;
      kernels->gemm_bf16(args);
      if (expected.empty()) expected = out;
      for (std::size_t i = 0; i < out.size(); ++i) {
        if (std::isnan(expected[i]) && std::isnan(out[i])) continue;
        ASSERT_EQ(std::bit_cast<std::uint32_t>(expected[i]), std::bit_cast<std::uint32_t>(out[i]))
            << "round " << round << " at " << i;
      }
    }
  }
  _mm_setcsr(before);
#endif
}

// A part of the rows, of the columns, and the sum in two calls: no bit moves.
TEST(GradientKernels, GemmDoesNotDependOnHowItIsCut) {
  constexpr std::int64_t kRows = 23, kColumns = 150, kReduction = 400;
  const std::vector<float> a = random_values(kRows * kReduction, 1), b = random_values(kReduction * kColumns, 2);
  for (const GradientKernels* kernels : tables()) {
    std::vector<float> whole(kRows * kColumns), parts(kRows * kColumns);
    GemmArgs args;
    args.a = a.data();
    args.a_row = kReduction;
    args.a_reduction = 1;
    args.b = b.data();
    args.b_stride = args.out_stride = kColumns;
    args.out = whole.data();
    args.rows = kRows;
    args.columns = kColumns;
    args.reduction = kReduction;
    kernels->gemm(args);
    for (std::int64_t i = 0; i < kRows; i += 5)
      for (std::int64_t j = 0; j < kColumns; j += 33)
        for (std::int64_t r = 0; r < kReduction; r += 170) {
          GemmArgs part = args;
          part.a = a.data() + i * kReduction + r;
          part.b = b.data() + r * kColumns + j;
          part.out = parts.data() + i * kColumns + j;
          part.rows = std::min<std::int64_t>(5, kRows - i);
          part.columns = std::min<std::int64_t>(33, kColumns - j);
          part.reduction = std::min<std::int64_t>(170, kReduction - r);
          part.accumulate = r > 0;
          kernels->gemm(part);
        }
    EXPECT_TRUE(same_bits(whole, parts));
  }
}

TEST(GradientKernels, RowKernelsAreTheSameBits) {
  for (const std::int64_t n : {1, 15, 16, 77}) {
    const std::vector<float> x = random_values(n, 1), gain = random_values(n, 2), dy = random_values(n, 3),
                             start = random_values(n, 4);
    std::vector<std::vector<float>> first;
    for (const GradientKernels* kernels : tables()) {
      std::vector<float> dx = start, sums = start, gate(x.size()), up(x.size());
      const float inverse = kernels->rms_norm(x.data(), gain.data(), 1e-5F, n, dy.data(), dx.data());
      kernels->scaled_product_add(x.data(), inverse, dy.data(), n, sums.data());
      kernels->silu_mul(x.data(), gain.data(), dy.data(), n, gate.data(), up.data());
      std::vector<std::vector<float>> results{dx, sums, gate, up, {inverse}};
      if (first.empty()) first = results;
      for (std::size_t i = 0; i < results.size(); ++i)
        EXPECT_TRUE(same_bits(results[i], first[i])) << n << ", result " << i;
    }
    for (std::size_t i = 0; i < x.size(); ++i) {  // silu_mul against its formula
      const double z = static_cast<double>(x[i]), s = 1 / (1 + std::exp(-z)), d = static_cast<double>(dy[i]);
      EXPECT_NEAR(static_cast<double>(first[2][i]), d * static_cast<double>(gain[i]) * s * (1 + z * (1 - s)), 1e-5);
      EXPECT_NEAR(static_cast<double>(first[3][i]), d * z * s, 1e-5);
    }
  }
}

}  // namespace
}  // namespace limpid
