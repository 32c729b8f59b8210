// The fingerprint that cached keys and values are kept under: of every byte that the forward reads and of the configuration, whatever the threads.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "golden.h"
#include "memory_model.h"

using namespace limpid;
using namespace limpid::model_test;

namespace {

std::uint64_t fingerprint(const ModelFiles& files, Precision precision = Precision::fast, int threads = 2) {
  return load_model(files, precision, threads)->info().fingerprint;
}

class Fingerprint : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Models, Fingerprint,
                         testing::Values("llama3.gguf", "deepseek_v2_lite.gguf", "deepseek_v3.gguf", "qwen2",
                                         "deepseek_v3_fp8"),
                         [](const auto& model) {
                           std::string name = model.param;
                           std::ranges::replace(name, '.', '_');
                           return name;
                         });

TEST_P(Fingerprint, ChangesWithEveryTensor) {
  MemoryModel model(model_path(GetParam()));
  const std::uint64_t before = fingerprint(model.files());
  std::vector<std::pair<std::string, std::size_t>> places;  // a byte of each tensor, away from its ends and thirds
  {
    const ModelFiles files = model.files();
    for (const Weight& weight : files.weights().weights()) {
      if (weight.name == "rope_freqs.weight") continue;  // read with the configuration
      places.emplace_back(weight.name, weight.offset + weight.data.size() * 2 / 5);
      if (!weight.scales.empty())
        places.emplace_back(std::string(weight.name) + " (scales)", model.offset_of(weight.scales.data()) + 1);
    }
  }
  ASSERT_GT(places.size(), 10U);
  for (const auto& [name, place] : places) {
    model.byte(place) ^= 1;
    EXPECT_NE(fingerprint(model.files()), before) << name;
    model.byte(place) ^= 1;
  }
  EXPECT_EQ(fingerprint(model.files()), before);
}

TEST_P(Fingerprint, IsTheSameForAnyThreadsAndAnotherForAnotherPrecision) {
  const ModelFiles files = ModelFiles::open(model_path(GetParam()));
  const std::uint64_t one = fingerprint(files, Precision::fast, 1);
  EXPECT_EQ(fingerprint(files, Precision::fast, 2), one);
  EXPECT_EQ(fingerprint(files, Precision::fast, 5), one);
  const bool all_f32 =
      std::ranges::all_of(files.weights().weights(), [](const Weight& weight) { return weight.type == DType::f32; });
  EXPECT_EQ(fingerprint(files, Precision::exact, 3) == one, all_f32) << "f32 weights are the same in both";
}

TEST(FingerprintOfConfig, ANumberOfTheConfigurationCounts) {
  const ModelFiles files = ModelFiles::open(model_path("llama3.gguf"));
  const std::uint64_t before = hash_of(files.config());
  ModelConfig config = files.config();
  config.name = "another";
  EXPECT_EQ(hash_of(config), before) << "what it is called changes no answer";
  config.rope.base *= 2;
  EXPECT_NE(hash_of(config), before);
  config = files.config();
  config.norm_eps = std::nextafter(config.norm_eps, 1.0F);
  EXPECT_NE(hash_of(config), before);
  config = files.config();
  config.rope.frequency_divisors.push_back(2);
  EXPECT_NE(hash_of(config), before);

  MemoryModel model(model_path("llama3.gguf"));  // the same weights, rotated by other frequencies
  const std::uint64_t whole = fingerprint(model.files());
  const std::string_view key = "llama.rope.freq_base";
  float base = 0;
  std::byte* place = model.value(key);
  std::memcpy(&base, place, sizeof base);
  base += 1000;
  std::memcpy(place, &base, sizeof base);
  EXPECT_NE(fingerprint(model.files()), whole);
}

}  // namespace
