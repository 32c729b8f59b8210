// Encoding the K types: our own fit, held against the error of ggml's reference functions on the same numbers.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "tensor/codec.h"

namespace limpid {
namespace {

struct KType {
  DType type;
  double ggml_error;  // root mean square, relative to the numbers', of quantize_row_*_ref and dequantize_row_* of ggml
                      // on normal_numbers()
};
const KType kTypes[] = {{DType::q2_k, 0.29440},
                        {DType::q3_k, 0.14715},
                        {DType::q4_k, 0.06924},
                        {DType::q5_k, 0.03490},
                        {DType::q6_k, 0.01720}};

// 16 x 256 sums of four uniform numbers in [-1, 1): nearly normal. The generator is make_codec_goldens.py's lcg(5,
// ...).
std::vector<float> normal_numbers() {
  std::uint64_t state = 5;
  const auto uniform = [&] {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<float>(static_cast<std::int32_t>(state >> 32)) * 0x1p-31f;
  };
  std::vector<float> numbers(16 * 256);
  for (float& number : numbers) {
    number = uniform();
    for (int i = 0; i < 3; ++i) number += uniform();
  }
  return numbers;
}

std::vector<float> there_and_back(DType type, const std::vector<float>& in) {
  const auto columns = static_cast<std::int64_t>(in.size());
  std::vector<std::byte> row(row_bytes(type, columns));
  encode_row(type, in.data(), columns, row.data());
  std::vector<float> out(in.size());
  decode_row(type, row.data(), columns, out.data());
  return out;
}

double relative_error(const std::vector<float>& in, const std::vector<float>& out) {
  double error = 0.0, sum = 0.0;
  for (std::size_t i = 0; i < in.size(); ++i) {
    error += std::pow(static_cast<double>(in[i]) - static_cast<double>(out[i]), 2);
    sum += std::pow(static_cast<double>(in[i]), 2);
  }
  return std::sqrt(error / sum);
}

TEST(CodecKEncode, ErrorIsThatOfGgml) {
  const std::vector<float> in = normal_numbers();
  for (const auto& [type, ggml_error] : kTypes) {
    const double error = relative_error(in, there_and_back(type, in));
    RecordProperty(std::string(info(type).name), std::to_string(error));
    EXPECT_LT(error, 1.05 * ggml_error) << info(type).name;
    EXPECT_GT(error, 0.5 * ggml_error)
        << info(type).name;  // smaller: the numbers or the decoder are not what they should be
  }
}

// The scale follows the numbers: powers of two within the range of f16 change nothing else.
TEST(CodecKEncode, ErrorDoesNotDependOnMagnitude) {
  for (const auto& [type, ggml_error] : kTypes) {
    for (float factor : {0x1p-6f, 0x1p10f}) {
      std::vector<float> in = normal_numbers();
      for (float& number : in) number *= factor;
      EXPECT_LT(relative_error(in, there_and_back(type, in)), 1.1 * ggml_error) << info(type).name << " " << factor;
    }
  }
}

TEST(CodecKEncode, ConstantAndSparseRows) {
  for (const auto& [type, ggml_error] : kTypes) {
    EXPECT_EQ(there_and_back(type, std::vector<float>(256, 0.0f)), std::vector<float>(256, 0.0f)) << info(type).name;
    for (float value : {1.5f, -0.75f}) {
      for (float out : there_and_back(type, std::vector<float>(256, value)))
        EXPECT_NEAR(out, value, 0.02f) << info(type).name;
    }
    std::vector<float> spike(256, 0.0f);
    spike[77] = -3.0f;
    const std::vector<float> out = there_and_back(type, spike);
    EXPECT_NEAR(out[77], -3.0f, 0.1f) << info(type).name;
    EXPECT_NEAR(out[200], 0.0f, 0.02f) << info(type).name;
  }
}

TEST(CodecKEncode, ExtremeNumbersGiveFiniteBlocks) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const auto& [type, ggml_error] : kTypes) {
    for (float extreme : {1e30f, -1e30f, 3e38f, 1e-40f, infinity, -infinity, std::numeric_limits<float>::quiet_NaN()}) {
      std::vector<float> in = normal_numbers();
      in.resize(256);
      in[5] = extreme;
      for (float out : there_and_back(type, in)) ASSERT_TRUE(std::isfinite(out)) << info(type).name << " " << extreme;
      for (float out : there_and_back(type, std::vector<float>(256, extreme)))
        ASSERT_TRUE(std::isfinite(out)) << info(type).name;
    }
  }
}

}  // namespace
}  // namespace limpid
