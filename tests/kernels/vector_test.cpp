// Kernels over a row: near the mathematical value in f64, and bit-equal on every instruction set, for every length of
// tail and nothing written past it.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace limpid {
namespace {

std::vector<float> normal(std::int64_t n, unsigned seed, float scale = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> distribution(0, scale);
  std::vector<float> x(static_cast<std::size_t>(n));
  for (float& v : x) v = distribution(random);
  return x;
}

constexpr std::int64_t kLengths[] = {1, 2, 15, 16, 17, 100, 256, 1000};
constexpr float kGuard = 12345;

// Runs `kernel` (table, n, out) on every length and table: y has `n` values near `truth` (index -> value) and the same
// bits everywhere.
void check(const std::function<void(const KernelTable&, std::int64_t, float*)>& kernel,
           const std::function<double(std::int64_t, std::int64_t)>& truth, double tolerance) {
  for (const std::int64_t n : kLengths) {
    std::vector<float> first;
    for (const KernelTable* table : kernel_tables()) {
      std::vector<float> y(static_cast<std::size_t>(n) + 1, kGuard);
      kernel(*table, n, y.data());
      ASSERT_EQ(y.back(), kGuard) << table->isa << " wrote past " << n;
      for (std::int64_t i = 0; i < n; ++i) {
        const double wanted = truth(n, i);
        ASSERT_NEAR(static_cast<double>(y[static_cast<std::size_t>(i)]), wanted, tolerance * (std::fabs(wanted) + 1e-6))
            << table->isa << " n " << n << " at " << i;
      }
      if (first.empty()) first = y;
      ASSERT_EQ(std::memcmp(first.data(), y.data(), y.size() * 4), 0) << table->isa << " n " << n;
    }
  }
}

double at(const std::vector<float>& x, std::int64_t i) { return static_cast<double>(x[static_cast<std::size_t>(i)]); }

TEST(VectorKernels, RmsNorm) {
  const auto x = normal(1000, 1, 3), gain = normal(1000, 2);
  check([&](const KernelTable& k, std::int64_t n, float* y) { k.rms_norm(x.data(), gain.data(), 1e-5F, n, y); },
        [&](std::int64_t n, std::int64_t i) {
          double squares = 0;
          for (std::int64_t j = 0; j < n; ++j) squares += at(x, j) * at(x, j);
          return at(x, i) / std::sqrt(squares / static_cast<double>(n) + 1e-5) * at(gain, i);
        },
        1e-6);
}

TEST(VectorKernels, SiluAndSigmoid) {
  auto z = normal(1000, 3, 10);
  z[0] = 0;
  z[1] = -100;
  z[2] = 100;
  const auto up = normal(1000, 4);
  const auto sigmoid = [&](std::int64_t i) { return 1 / (1 + std::exp(-at(z, i))); };
  check([&](const KernelTable& k, std::int64_t n, float* y) { k.silu_mul(z.data(), up.data(), n, y); },
        [&](std::int64_t, std::int64_t i) { return at(z, i) * sigmoid(i) * at(up, i); }, 1e-6);
  check([&](const KernelTable& k, std::int64_t n, float* y) { k.sigmoid(z.data(), n, y); },
        [&](std::int64_t, std::int64_t i) { return sigmoid(i); }, 1e-6);
  for (const KernelTable* k : kernel_tables()) {
    const float in[] = {std::nanf(""), std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()};
    float y[3];
    k->sigmoid(in, 3, y);
    EXPECT_TRUE(std::isnan(y[0])) << k->isa;
    EXPECT_EQ(y[1], 1) << k->isa;
    EXPECT_EQ(y[2], 0) << k->isa;
    const float one = 1;
    k->silu_mul(in, &one, 1, y);
    EXPECT_TRUE(std::isnan(y[0])) << k->isa;
  }
}

TEST(VectorKernels, Adds) {
  const auto a = normal(1000, 5), b = normal(1000, 6);
  check([&](const KernelTable& k, std::int64_t n, float* y) { k.add(a.data(), b.data(), n, y); },
        [&](std::int64_t, std::int64_t i) {
          return static_cast<double>(a[static_cast<std::size_t>(i)] + b[static_cast<std::size_t>(i)]);
        },
        0);
  check(
      [&](const KernelTable& k, std::int64_t n, float* y) {
        std::copy_n(b.data(), n, y);
        k.scale_add(a.data(), 0.37F, n, y);
      },
      [&](std::int64_t, std::int64_t i) {
        return static_cast<double>(std::fmaf(a[static_cast<std::size_t>(i)], 0.37F, b[static_cast<std::size_t>(i)]));
      },
      0);
}

TEST(VectorKernels, SoftmaxAndLogSumExp) {
  const auto x = normal(1000, 7, 5);
  const auto sum = [&](std::int64_t n) {
    double total = 0;
    for (std::int64_t j = 0; j < n; ++j) total += std::exp(at(x, j));
    return total;
  };
  check([&](const KernelTable& k, std::int64_t n, float* y) { k.softmax(x.data(), n, y); },
        [&](std::int64_t n, std::int64_t i) { return std::exp(at(x, i)) / sum(n); }, 2e-6);
  for (const std::int64_t n : kLengths) {
    const double first = kernel_tables()[0]->log_sum_exp(x.data(), n);
    EXPECT_NEAR(first, std::log(sum(n)), 1e-6);
    for (const KernelTable* k : kernel_tables())
      EXPECT_EQ(std::bit_cast<std::uint64_t>(k->log_sum_exp(x.data(), n)), std::bit_cast<std::uint64_t>(first))
          << k->isa;
  }
  // A long vocabulary of equal logits: every term counts.
  const std::vector<float> flat(151936, -3.25F);
  for (const KernelTable* k : kernel_tables())
    EXPECT_NEAR(k->log_sum_exp(flat.data(), 151936), -3.25 + std::log(151936.0), 1e-12);
  auto broken = x;
  broken[500] = std::nanf("");
  std::vector<float> y(1000);
  for (const KernelTable* k : kernel_tables()) {
    EXPECT_TRUE(std::isnan(k->log_sum_exp(broken.data(), 1000))) << k->isa;
    k->softmax(broken.data(), 1000, y.data());
    EXPECT_TRUE(std::isnan(y[0])) << k->isa;
  }
}

TEST(VectorKernels, ArgmaxTakesTheLowestOfEquals) {
  auto x = normal(1000, 8);
  x[900] = x[333] = x[17] = 50;
  for (const KernelTable* k : kernel_tables()) {
    EXPECT_EQ(k->argmax(x.data(), 1000), 17) << k->isa;
    EXPECT_EQ(k->argmax(x.data() + 18, 982), 315) << k->isa;
    EXPECT_EQ(k->argmax(x.data(), 1), 0) << k->isa;
    const float nothing[] = {std::nanf(""), -std::numeric_limits<float>::infinity(), -1, std::nanf("")};
    EXPECT_EQ(k->argmax(nothing, 4), 2) << k->isa;
  }
}

TEST(VectorKernels, RotationAngles) {
  std::vector<float> inverse(64);
  for (std::size_t i = 0; i < 64; ++i) inverse[i] = static_cast<float>(std::pow(10000.0, -static_cast<double>(i) / 64));
  for (const std::int32_t position : {0, 1, 7, 4095, 131071, 1000003})
    for (const KernelTable* k : kernel_tables()) {
      std::vector<float> cos(65, kGuard), sin(65, kGuard);
      k->rope_angles(inverse.data(), 64, position, 1, cos.data(), sin.data());
      for (std::size_t i = 0; i < 64; ++i) {
        const auto angle = static_cast<double>(static_cast<float>(position) * inverse[i]);
        ASSERT_EQ(cos[i], static_cast<float>(std::cos(angle))) << k->isa << " " << angle;
        ASSERT_EQ(sin[i], static_cast<float>(std::sin(angle))) << k->isa << " " << angle;
      }
      EXPECT_EQ(cos[64], kGuard);
      std::vector<float> twice(64), ignored(64);
      k->rope_angles(inverse.data(), 64, position, 1.25F, twice.data(), ignored.data());
      for (std::size_t i = 0; i < 64; ++i) ASSERT_EQ(twice[i], cos[i] * 1.25F);
    }
}

TEST(VectorKernels, Rotations) {
  for (const std::int64_t n : {1, 16, 32, 37, 64}) {
    const auto x = normal(2 * n, 9), c = normal(n, 10), s = normal(n, 11);
    for (const KernelTable* k : kernel_tables()) {
      auto halves = x, pairs = x;
      halves.push_back(kGuard);
      pairs.push_back(kGuard);
      k->rope_halves(halves.data(), c.data(), s.data(), n);
      k->rope_pairs(pairs.data(), c.data(), s.data(), n);
      EXPECT_EQ(halves.back(), kGuard);
      EXPECT_EQ(pairs.back(), kGuard);
      for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
        const auto m = static_cast<std::size_t>(n);
        float ac = x[i] * c[i], bs = x[i + m] * s[i], bc = x[i + m] * c[i], as = x[i] * s[i];
        ASSERT_EQ(halves[i], ac - bs) << k->isa;
        ASSERT_EQ(halves[i + m], bc + as) << k->isa;
        ac = x[2 * i] * c[i], bs = x[2 * i + 1] * s[i], bc = x[2 * i + 1] * c[i], as = x[2 * i] * s[i];
        ASSERT_EQ(pairs[2 * i], ac - bs) << k->isa;
        ASSERT_EQ(pairs[2 * i + 1], bc + as) << k->isa;
      }
    }
  }
}

TEST(Quantise, Int8RowsHoldTheNearestMultiples) {
  for (const std::int64_t k : {1, 32, 300, 1024}) {
    auto x = normal(k, 12);
    if (k > 100)
      for (std::size_t i = 32; i < 64; ++i) x[i] = 0;  // an empty block
    std::vector<std::byte> first32, first256;
    for (const KernelTable* table : kernel_tables()) {
      const std::int64_t padded = act_padded(k);
      std::vector<std::byte> row(act_row_bytes(ActType::q8_32, k)), row256(act_row_bytes(ActType::q8_256, k));
      table->quantise[static_cast<int>(ActType::q8_32)](x.data(), k, row.data());
      table->quantise[static_cast<int>(ActType::q8_256)](x.data(), k, row256.data());
      const auto expect = [&](const std::vector<std::byte>& r, std::int64_t block) {
        std::vector<float> scales(static_cast<std::size_t>(padded / block));
        std::memcpy(scales.data(), r.data() + padded, scales.size() * 4);
        for (std::int64_t i = 0; i < padded; ++i) {
          const float scale = scales[static_cast<std::size_t>(i / block)];
          const float value = i < k ? x[static_cast<std::size_t>(i)] : 0;
          const int q = static_cast<std::int8_t>(r[static_cast<std::size_t>(i)]);
          ASSERT_LE(std::abs(q), 127);
          ASSERT_NEAR(static_cast<float>(q) * scale, value, scale * 0.50001F) << table->isa << " at " << i;
        }
      };
      expect(row, 32);
      expect(row256, 256);
      for (std::int64_t b = 0; b < padded / 32; ++b) {
        int sum = 0;
        std::int32_t stored;
        for (int i = 0; i < 32; ++i) sum += static_cast<std::int8_t>(row[static_cast<std::size_t>(32 * b + i)]);
        std::memcpy(&stored, row.data() + padded + padded / 8 + 4 * b, 4);
        ASSERT_EQ(stored, sum) << table->isa;
      }
      for (std::int64_t b = 0; b < padded / 16; ++b) {
        int sum = 0;
        std::int16_t stored;
        for (int i = 0; i < 16; ++i) sum += static_cast<std::int8_t>(row256[static_cast<std::size_t>(16 * b + i)]);
        std::memcpy(&stored, row256.data() + padded + padded / 64 + 2 * b, 2);
        ASSERT_EQ(stored, sum) << table->isa;
      }
      if (first32.empty()) first32 = row, first256 = row256;
      EXPECT_EQ(row, first32) << table->isa;
      EXPECT_EQ(row256, first256) << table->isa;
    }
  }
}

}  // namespace
}  // namespace limpid
