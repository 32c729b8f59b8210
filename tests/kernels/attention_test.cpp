// Attention's kernels, one by one, on every instruction set of the machine: bit-equal to loops that do the promised
// sums in the promised order, and to the rounding that each cache type promises, over every kind of float.
#include "kernels/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace limpid {
namespace {

enum Type { kF32, kF16, kBf16, kQ8 };
constexpr int kBytes[] = {4, 2, 2, 1};

struct Isa {
  const char* name;
  const AttentionKernels* kernels;
};
std::vector<Isa> isas() {
  std::vector<Isa> all{{"scalar", scalar_attention()}};
  if (avx2_attention() && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    all.push_back({"avx2", avx2_attention()});
  if (avx512_attention() && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    all.push_back({"avx512", avx512_attention()});
  return all;
}

class AttentionKernel : public testing::TestWithParam<Isa> {
 protected:
  const AttentionKernels& kernels() const { return *GetParam().kernels; }
};
INSTANTIATE_TEST_SUITE_P(Isa, AttentionKernel, testing::ValuesIn(isas()),
                         [](const auto& isa) { return std::string(isa.param.name); });

// 64-byte aligned floats.
struct Floats {
  std::vector<float> memory;
  float* data;
  explicit Floats(std::size_t n, float value = std::numeric_limits<float>::quiet_NaN()) : memory(n + 16, value) {
    const auto address = reinterpret_cast<std::uintptr_t>(memory.data());
    data = memory.data() + (64 - address % 64) % 64 / 4;
  }
  std::byte* bytes() const { return reinterpret_cast<std::byte*>(data); }
};

std::uint32_t bits(float x) { return std::bit_cast<std::uint32_t>(x); }

// What type stores for x, as a double: the nearest value, ties to even, with `mantissa` bits and exponents from `least`
// up to `most`.
double rounded(float x, int mantissa, int least, int most) {
  if (!std::isfinite(x) || x == 0) return static_cast<double>(x);
  const int exponent = std::max(std::ilogb(x), least);
  const double value =
      std::ldexp(std::nearbyint(std::ldexp(static_cast<double>(x), mantissa - 1 - exponent)), exponent - mantissa + 1);
  return std::fabs(value) >= std::ldexp(1.0, most + 1) ? std::copysign(INFINITY, value) : value;
}

// Floats of every exponent and sign, with the neighbours of the values where rounding changes.
std::vector<float> many_floats() {
  std::vector<float> all{0.0F, -0.0F, INFINITY, -INFINITY};
  std::mt19937 random(1);
  for (std::uint32_t exponent = 1; exponent < 255; ++exponent)
    for (std::uint32_t low : {0U, 1U, 0xFFFU, 0x1000U, 0x1001U, 0x2FFFU, 0x3000U, 0x3001U, 0x7FFFU, 0x8000U, 0x8001U,
                              0x17FFFU, 0x18000U, 0x7FFFFFU, 0U})
      for (std::uint32_t sign : {0U, 0x80000000U}) {
        all.push_back(std::bit_cast<float>(sign | exponent << 23 | low));
        all.push_back(std::bit_cast<float>(sign | exponent << 23 | (static_cast<std::uint32_t>(random()) & 0x7FFFFF)));
      }
  while (all.size() % 16) all.push_back(1.0F);
  return all;
}

TEST_P(AttentionKernel, RoundsToF16AndBf16AsIeee754Does) {
  const std::vector<float> in = many_floats();
  const auto n = static_cast<std::int64_t>(in.size());
  Floats stored(in.size()), back(in.size());
  struct {
    Type type;
    int mantissa, least, most;
  } const cases[] = {{kF16, 11, -14, 15}, {kBf16, 8, -126, 127}, {kF32, 24, -126, 127}};
  for (const auto& c : cases) {
    kernels().encode[c.type](in.data(), n, n, stored.bytes(), nullptr);
    kernels().decode[c.type](stored.bytes(), n, back.data);
    for (std::size_t i = 0; i < in.size(); ++i)
      ASSERT_EQ(bits(back.data[i]), bits(static_cast<float>(rounded(in[i], c.mantissa, c.least, c.most))))
          << c.type << " " << in[i];
  }
}

TEST_P(AttentionKernel, NanStaysNan) {
  std::vector<float> in(16, std::numeric_limits<float>::quiet_NaN());
  in[1] = std::bit_cast<float>(0x7F800001U);  // whose mantissa would round away
  in[2] = std::bit_cast<float>(0xFFFFFFFFU);  // that would round to zero
  Floats stored(16), back(16, 0.0F);
  for (Type type : {kF32, kF16, kBf16}) {
    kernels().encode[type](in.data(), 16, 16, stored.bytes(), nullptr);
    kernels().decode[type](stored.bytes(), 16, back.data);
    for (int i = 0; i < 16; ++i) EXPECT_TRUE(std::isnan(back.data[i])) << type << " " << i;
  }
}

TEST_P(AttentionKernel, DecodesEveryHalf) {
  for (Type type : {kF16, kBf16}) {
    std::vector<std::uint16_t> all(65536);
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint16_t>(i);
    Floats found(all.size());
    kernels().decode[type](reinterpret_cast<const std::byte*>(all.data()), 65536, found.data);
    for (std::uint32_t i = 0; i < 65536; ++i) {
      const double sign = i & 0x8000 ? -1 : 1;
      const int exponent = type == kF16 ? i >> 10 & 31 : i >> 7 & 255, mantissa_bits = type == kF16 ? 10 : 7,
                top = type == kF16 ? 31 : 255;
      const double mantissa = i & ((1U << mantissa_bits) - 1);
      if (exponent == top && mantissa != 0) {
        ASSERT_TRUE(std::isnan(found.data[i]));
        continue;
      }
      const double expected = exponent == top ? sign * INFINITY
                              : exponent == 0
                                  ? sign * std::ldexp(mantissa, 1 - top / 2 - mantissa_bits)
                                  : sign * std::ldexp(1 + std::ldexp(mantissa, -mantissa_bits), exponent - top / 2);
      ASSERT_EQ(bits(found.data[i]), bits(static_cast<float>(expected))) << i;
    }
  }
}

TEST_P(AttentionKernel, Q8SharesAScaleInABlock) {
  std::mt19937 random(2);
  std::normal_distribution<float> normal;
  for (std::int64_t n : {1, 16, 31, 64, 80, 576})
    for (std::int64_t block : {std::int64_t{32}, n}) {
      std::vector<float> in(static_cast<std::size_t>(n));
      for (float& x : in) x = normal(random) * 3;
      if (n > 40) in[33] = in[20] = 2.5F;
      if (n == 80) std::fill(in.begin() + 32, in.begin() + 64, 0.0F);  // a block of zeros
      Floats stored(static_cast<std::size_t>(n)), scales(32);
      kernels().encode[kQ8](in.data(), n, block, stored.bytes(), scales.data);
      for (std::int64_t begin = 0; begin < n; begin += block) {
        float largest = 0;
        for (std::int64_t i = begin; i < std::min(n, begin + block); ++i)
          largest = std::max(largest, std::fabs(in[static_cast<std::size_t>(i)]));
        ASSERT_EQ(scales.data[begin / block], largest / 127);
        for (std::int64_t i = begin; i < std::min(n, begin + block); ++i) {
          const float q = largest > 0 ? std::nearbyint(in[static_cast<std::size_t>(i)] * (127 / largest)) : 0;
          ASSERT_EQ(static_cast<int>(static_cast<std::int8_t>(stored.bytes()[i])), static_cast<int>(q))
              << n << " " << block << " " << i;
        }
      }
      for (std::int64_t i = n; i < (n + 15) / 16 * 16; ++i) ASSERT_EQ(stored.bytes()[i], std::byte{0}) << "padding";
    }
}

// A page of keys or values of each type with the floats that it decodes to.
struct Page {
  Floats raw, decoded, scales;
  Page(Type type, int values, unsigned seed)
      : raw(static_cast<std::size_t>(values)), decoded(static_cast<std::size_t>(values)), scales(kPageTokens) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    std::vector<float> x(static_cast<std::size_t>(values)), unused(static_cast<std::size_t>(values));
    for (float& v : x) v = normal(random);
    scalar_attention()->encode[type](x.data(), values, values, raw.bytes(), unused.data());
    scalar_attention()->decode[type](raw.bytes(), values, decoded.data);
    for (int i = 0; i < kPageTokens; ++i) scales.data[i] = type == kQ8 ? 0.01F * static_cast<float>(i + 1) : 1;
  }
};

TEST_P(AttentionKernel, ScoresSumInOrder) {
  for (Type type : {kF32, kF16, kBf16, kQ8})
    for (int queries = 1; queries <= kQueryTile; ++queries)
      for (int positions : {1, 16, 17, 40, 64})
        for (int dim : {1, 24, 64}) {
          const Page page(type, dim * kPageTokens, 3);
          std::vector<float> query(static_cast<std::size_t>(dim * queries));
          for (std::size_t i = 0; i < query.size(); ++i) query[i] = std::sin(static_cast<float>(i));
          Floats found(static_cast<std::size_t>(queries) * kSpanTokens);
          kernels().scores[type]({query.data(), queries, dim, page.raw.bytes(),
                                  type == kQ8 ? page.scales.data : nullptr, positions, 0, found.data});
          for (int i = 0; i < queries; ++i)
            for (int p = 0; p < kSpanTokens; ++p) {
              if (p >= (positions + 15) / 16 * 16) {
                ASSERT_TRUE(std::isnan(found.data[i * kSpanTokens + p])) << "wrote past the positions";
                continue;
              }
              float sum = 0;
              for (int d = 0; d < dim; ++d)
                sum = std::fma(query[static_cast<std::size_t>(d * queries + i)], page.decoded.data[d * kPageTokens + p],
                               sum);
              ASSERT_EQ(found.data[i * kSpanTokens + p], sum * page.scales.data[p])
                  << type << " " << queries << " " << positions << " " << dim;
            }
        }
}

TEST_P(AttentionKernel, ValuesSumInOrderAndReadNothingPastALimit) {
  const std::vector<std::vector<int>> limits = {
      {1}, {64}, {0, 3}, {5, 5, 6}, {20, 21, 22, 23}, {0, 0, 0, 0, 64}, {59, 60, 61, 62, 63, 64}};
  for (Type type : {kF32, kF16, kBf16, kQ8})
    for (const auto& limit : limits)
      for (int dim : {1, 16, 40, 64, 128})
        for (bool first : {true, false}) {
          const int queries = static_cast<int>(limit.size()), padded = (dim + 15) / 16 * 16;
          Page page(type, padded * kPageTokens, 4);
          Floats weights(static_cast<std::size_t>(queries) * kSpanTokens),
              out(static_cast<std::size_t>(queries * padded), first ? NAN : 0.5F);
          for (int i = 0; i < queries; ++i)  // what lies past the limit is NaN up to where a vector may read
            for (int p = 0; p < limit[static_cast<std::size_t>(i)]; ++p)
              weights.data[i * kSpanTokens + p] = 0.1F + static_cast<float>(p % 7);
          for (int p = limit.back(); p < kPageTokens; ++p) {  // nobody sees these
            std::memset(page.raw.bytes() + p * padded * kBytes[type], 0xFF,
                        static_cast<std::size_t>(padded * kBytes[type]));
            page.scales.data[p] = NAN;
          }
          kernels().values[type]({weights.data, limit.data(), queries, page.raw.bytes(),
                                  static_cast<std::size_t>(padded * kBytes[type]),
                                  type == kQ8 ? page.scales.data : nullptr, dim, 0, first, out.data, padded});
          for (int i = 0; i < queries; ++i)
            for (int d = 0; d < dim; ++d) {
              float sum = first ? 0 : 0.5F;
              for (int p = 0; p < limit[static_cast<std::size_t>(i)]; ++p)
                sum = std::fma(weights.data[i * kSpanTokens + p] * page.scales.data[p],
                               page.decoded.data[p * padded + d], sum);
              ASSERT_EQ(out.data[i * padded + d], sum) << type << " query " << i << " dim " << d << " of " << dim;
            }
        }
}

TEST_P(AttentionKernel, LatentChunksGiveTheSumsOfScores) {
  for (Type type : {kF32, kF16, kBf16, kQ8})
    for (int dims : {16, 51, 64, 80, 200})
      for (int positions : {1, 16, 50, 64}) {
        const std::size_t padded = static_cast<std::size_t>((dims + 15) / 16 * 16);
        const std::size_t scales = padded * static_cast<std::size_t>(kBytes[type]);
        const std::size_t stride =
            (scales + (type == kQ8 ? static_cast<std::size_t>((dims + 31) / 32) * 4 : 0) + 63) / 64 * 64;
        Floats rows(stride * kPageTokens / 4), chunk(static_cast<std::size_t>(kPageTokens * kLatentChunk)),
            sums(static_cast<std::size_t>(kPageTokens * kLatentQueries));
        Floats found(static_cast<std::size_t>(kLatentQueries * kSpanTokens)),
            query(static_cast<std::size_t>(dims * kLatentQueries));
        std::vector<float> plain(static_cast<std::size_t>(kPageTokens) * padded);  // the decoded page
        std::mt19937 random(5);
        std::normal_distribution<float> normal;
        for (int i = 0; i < dims * kLatentQueries; ++i) query.data[i] = normal(random);
        for (int p = 0; p < positions; ++p) {  // the rest stays NaN
          std::vector<float> x(static_cast<std::size_t>(dims));
          for (float& v : x) v = normal(random);
          std::byte* row = rows.bytes() + static_cast<std::size_t>(p) * stride;
          auto* scale = reinterpret_cast<float*>(row + scales);
          scalar_attention()->encode[type](x.data(), dims, kLatentBlock, row, scale);
          scalar_attention()->decode[type](row, static_cast<std::int64_t>(padded),
                                           &plain[static_cast<std::size_t>(p) * padded]);
          if (type == kQ8)
            for (int d = 0; d < dims; ++d)
              plain[static_cast<std::size_t>(p) * padded + static_cast<std::size_t>(d)] *= scale[d / kLatentBlock];
        }
        for (int first = 0; first < dims; first += kLatentChunk) {
          const int columns = std::min(kLatentChunk, dims - first);
          kernels().latent[type]({rows.bytes(), stride, scales, first, columns, positions, chunk.data});
          for (int p = 0; p < positions; ++p)
            for (int d = 0; d < columns; ++d)
              ASSERT_EQ(chunk.data[p * kLatentChunk + d],
                        plain[static_cast<std::size_t>(p) * padded + static_cast<std::size_t>(first + d)]);
          kernels().latent_scores({query.data + first * kLatentQueries, chunk.data, columns, positions, first == 0,
                                   first + columns == dims, nullptr, 0, 0, sums.data, found.data});
        }
        for (int i = 0; i < kLatentQueries; ++i)
          for (int p = 0; p < positions; ++p) {
            float sum = 0;
            for (int d = 0; d < dims; ++d)
              sum = std::fma(query.data[d * kLatentQueries + i],
                             plain[static_cast<std::size_t>(p) * padded + static_cast<std::size_t>(d)], sum);
            ASSERT_EQ(found.data[i * kSpanTokens + p], sum)
                << type << " dims " << dims << " query " << i << " position " << p;
          }
      }
}

TEST_P(AttentionKernel, SoftmaxIsExactToAFewUlps) {
  std::mt19937 random(6);
  std::normal_distribution<float> normal(0, 8);
  for (int n : {1, 15, 16, 17, 100, 256}) {
    Floats row(kSpanTokens);
    for (int i = 0; i < n; ++i) row.data[i] = normal(random);
    if (n > 20) row.data[3] = -2000;  // its weight is nothing
    const std::vector<float> in(row.data, row.data + n);
    float maximum = 0, sum = 0;
    kernels().softmax(row.data, n, &maximum, &sum);
    EXPECT_EQ(maximum, *std::max_element(in.begin(), in.end()));
    double total = 0;
    for (int i = 0; i < n; ++i) {
      const double x = static_cast<double>(in[static_cast<std::size_t>(i)]) - static_cast<double>(maximum),
                   weight = x < -87 ? 0 : std::exp(x);
      // The difference of two floats is rounded to f32 before exp: half an ulp of it, and two of the result.
      EXPECT_NEAR(row.data[i], weight, weight * (std::fabs(x) * 6e-8 + 2.4e-7)) << x;
      total += weight;
    }
    EXPECT_NEAR(sum, total, total * 2e-6);
  }
}

TEST_P(AttentionKernel, MergeAndFinishWriteNothingElse) {
  for (int n : {1, 16, 40}) {
    Floats out(64, 3.0F), later(64, 5.0F), y(64, -1.0F);
    float maximum = 1, sum = 2;
    kernels().merge(&maximum, &sum, out.data, 3, 4, later.data, n);
    const double a = std::exp(-2.0);
    EXPECT_EQ(maximum, 3);
    EXPECT_NEAR(sum, 2 * a + 4, 1e-6);
    kernels().finish(out.data, sum, n, y.data);
    for (int i = 0; i < n; ++i) EXPECT_NEAR(y.data[i], (3 * a + 5) / (2 * a + 4), 1e-6);
    for (int i = n; i < 64; ++i) {
      EXPECT_EQ(out.data[i], 3);
      EXPECT_EQ(y.data[i], -1);
    }
  }
}

// Same bits as the scalar table, for what has no short reference with the same bits.
TEST_P(AttentionKernel, SoftmaxAndMergeHaveTheBitsOfScalar) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal(0, 20);
  for (int n = 1; n <= kSpanTokens; n += 5) {
    Floats a(kSpanTokens), b(kSpanTokens);
    for (int i = 0; i < n; ++i) a.data[i] = b.data[i] = normal(random);
    float ma = 0, mb = 0, sa = 0, sb = 0;
    kernels().softmax(a.data, n, &ma, &sa);
    scalar_attention()->softmax(b.data, n, &mb, &sb);
    ASSERT_EQ(std::memcmp(a.data, b.data, static_cast<std::size_t>(n) * 4), 0);
    ASSERT_EQ(bits(ma), bits(mb));
    ASSERT_EQ(bits(sa), bits(sb));
    const float later_maximum = ma + normal(random), later_sum = 7.3F;
    Floats later(kSpanTokens);
    for (int i = 0; i < n; ++i) later.data[i] = normal(random);
    kernels().merge(&ma, &sa, a.data, later_maximum, later_sum, later.data, n);
    scalar_attention()->merge(&mb, &sb, b.data, later_maximum, later_sum, later.data, n);
    kernels().finish(a.data, sa, n, a.data);
    scalar_attention()->finish(b.data, sb, n, b.data);
    ASSERT_EQ(std::memcmp(a.data, b.data, static_cast<std::size_t>(n) * 4), 0);
    ASSERT_EQ(bits(sa), bits(sb));
  }
}

TEST_P(AttentionKernel, ScatterWritesOneColumn) {
  for (Type type : {kF32, kF16, kBf16, kQ8}) {
    const int n = 24, width = kBytes[type];
    std::vector<std::byte> row(static_cast<std::size_t>(n * width)),
        keys(static_cast<std::size_t>(n * kPageTokens * width), std::byte{0xEE});
    for (std::size_t i = 0; i < row.size(); ++i) row[i] = static_cast<std::byte>(i);
    kernels().scatter[type](row.data(), n, 37, keys.data());
    for (int d = 0; d < n; ++d)
      for (int p = 0; p < kPageTokens; ++p)
        for (int b = 0; b < width; ++b)
          ASSERT_EQ(keys[static_cast<std::size_t>((d * kPageTokens + p) * width + b)],
                    p == 37 ? row[static_cast<std::size_t>(d * width + b)] : std::byte{0xEE});
  }
}

}  // namespace
}  // namespace limpid
