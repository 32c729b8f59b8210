// The logits of the tiny models in fast mode, to the bit: their hashes are committed. They stay what they are whatever
// is rebuilt, rescheduled or sped up; who changes arithmetic on purpose replaces them here and raises kNumericsVersion
// (docs/numerics.md). Computed by g++ 12.
#include <gtest/gtest.h>

#include <bit>

#include "golden.h"
#include "run_forward.h"

using namespace limpid;
using namespace limpid::model_test;

namespace {

// FNV-1a over the bits of every logit, lowest byte first.
std::uint64_t hash(const std::vector<float>& logits) {
  std::uint64_t h = 0xCBF29CE484222325;
  for (const float logit : logits)
    for (std::uint32_t bits = std::bit_cast<std::uint32_t>(logit), i = 0; i < 4; ++i, bits >>= 8)
      h = (h ^ (bits & 255)) * 0x100000001B3;
  return h;
}

struct Known {
  const char* model;
  std::uint64_t logits;  // of every position of golden.json's ids, f16 cache
};

constexpr Known kKnown[] = {
    {"llama3", 0x592C8C3399F80346},
    {"llama3.gguf", 0x55BB3B85E844229B},
    {"llama2_odd", 0xB84691C827347BF5},
    {"llama2_odd.gguf", 0x6D1B1064E12A2014},
    {"qwen2", 0x5AF64F061281DE9D},
    {"qwen2.gguf", 0x5AF64F061281DE9D},
    {"deepseek_v3", 0xA64E33BA4B05D558},
    {"deepseek_v3.gguf", 0x69DE6AD1CC5E3F2E},
    {"deepseek_v3_fp8", 0x3932288629F5A557},
    {"moonlight", 0x1D858C434C01C74B},
    {"moonlight.gguf", 0x21C5566B52677178},
    {"deepseek_v2_lite", 0x4EA017B8351E9CD9},
    {"deepseek_v2_lite.gguf", 0x24D54AC97CF11B1F},
    {"deepseek_v2", 0x25FB31658BD0A838},
};

class LogitHash : public testing::TestWithParam<Known> {};

TEST_P(LogitHash, StaysWhatItIs) {
  const Golden golden = Golden::read(GetParam().model);
  const auto model = load_model(ModelFiles::open(model_path(GetParam().model)), Precision::fast, 2);
  for (const KernelTable* kernels : {scalar_kernels(), &best_kernels()}) {
    const std::vector<float> logits =
        run(*model, golden.ids, {.cache = CacheType::f16, .threads = 2, .chunk = 96, .kernels = kernels});
    EXPECT_EQ(hash(logits), GetParam().logits)
        << GetParam().model << " " << kernels->isa << ": 0x" << std::hex << std::uppercase << hash(logits);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, LogitHash, testing::ValuesIn(kKnown), [](const auto& parameter) {
  std::string name = parameter.param.model;
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
});

}  // namespace
