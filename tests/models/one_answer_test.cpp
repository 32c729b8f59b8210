// One answer: the logits of a position depend on the ids up to it, bit for bit, whatever the threads, chunks, pages,
// batch mates and instruction set. Over the three families, in fast and exact mode, with rounded caches.
#include <gtest/gtest.h>

#include <numeric>

#include "golden.h"
#include "run_forward.h"

using namespace limpid;
using namespace limpid::model_test;

namespace {

struct AnswerCase {
  std::string model;
  Precision precision;
  CacheType cache;
  bool every_chunk = false;  // of 1 to 33 tokens
};

class OneAnswer : public testing::TestWithParam<AnswerCase> {
 protected:
  void SetUp() override {
    const Golden golden = Golden::read(GetParam().model);
    ids_ = golden.ids;
    model_ = load_model(ModelFiles::open(model_path(GetParam().model)), GetParam().precision, 1);
    expected_ = logits({});
    ASSERT_EQ(expected_.size(), ids_.size() * golden.vocabulary());
    for (const float logit : expected_) ASSERT_TRUE(std::isfinite(logit));
  }
  std::vector<float> logits(HowToRun how) {
    how.cache = GetParam().cache;
    return model_test::run(*model_, ids_, how);
  }
  void expect_same(const HowToRun& how, const std::string& what) {
    const std::vector<float> found = logits(how);
    ASSERT_EQ(found.size(), expected_.size()) << what;
    const auto columns = static_cast<std::size_t>(model_->info().vocabulary);
    for (std::size_t i = 0; i < found.size(); ++i)
      ASSERT_EQ(std::memcmp(&found[i], &expected_[i], sizeof(float)), 0)
          << what << ": position " << i / columns << ", id " << i % columns << ": " << found[i] << " instead of "
          << expected_[i];
  }
  Ids some_ids(std::size_t count, unsigned seed) const {
    std::mt19937 random(seed);
    Ids ids(count);
    for (auto& id : ids) id = static_cast<std::int32_t>(random() % static_cast<unsigned>(model_->info().vocabulary));
    return ids;
  }

  Ids ids_;
  std::unique_ptr<Model> model_;
  std::vector<float> expected_;
};

TEST_P(OneAnswer, Threads) {
  for (const int threads : {2, 3}) expect_same({.threads = threads}, std::to_string(threads) + " threads");
}

TEST_P(OneAnswer, Chunks) {
  std::vector<int> sizes = {1, 5, 32, 33};
  if (GetParam().every_chunk) {
    sizes.resize(33);
    std::iota(sizes.begin(), sizes.end(), 1);
  }
  for (const int size : {64, 65, 257}) sizes.push_back(size);
  for (const int size : sizes)
    expect_same({.threads = 1 + (size > 8 ? size % 3 : 0), .chunk = size}, "chunks of " + std::to_string(size));
}

TEST_P(OneAnswer, Mates) {
  expect_same({.threads = 2, .chunk = 7, .mates = {some_ids(90, 1), some_ids(3, 2), some_ids(260, 3)}}, "three mates");
  expect_same({.threads = 1, .chunk = 130, .mates = {some_ids(65, 4)}}, "one mate");
}

TEST_P(OneAnswer, InstructionSets) {
  for (const KernelTable* kernels : kernel_tables()) expect_same({.chunk = 129, .kernels = kernels}, kernels->isa);
}

// The test itself can fail: another id changes what comes after it, and nothing before.
TEST_P(OneAnswer, AnotherIdIsAnotherAnswer) {
  const std::size_t at = 150, columns = static_cast<std::size_t>(model_->info().vocabulary);
  ids_[at] = (ids_[at] + 1) % model_->info().vocabulary;
  const std::vector<float> found = logits({});
  EXPECT_EQ(std::memcmp(found.data(), expected_.data(), at * columns * sizeof(float)), 0);
  for (std::size_t p = at; p < ids_.size(); ++p)
    EXPECT_NE(std::memcmp(&found[p * columns], &expected_[p * columns], columns * sizeof(float)), 0)
        << "position " << p;
}

std::vector<AnswerCase> cases() {
  std::vector<AnswerCase> all;
  for (const char* model : {"llama3", "qwen2", "deepseek_v3"})
    for (const CacheType cache : {CacheType::f16, CacheType::q8})
      all.push_back({model, Precision::fast, cache, cache == CacheType::q8});
  for (const char* model : {"llama2_odd.gguf", "moonlight.gguf", "deepseek_v3_fp8"})
    all.push_back({model, Precision::fast, CacheType::bf16});
  for (const char* model : {"llama3", "qwen2.gguf", "deepseek_v3_fp8"})
    all.push_back({model, Precision::exact, CacheType::f32});
  return all;
}

std::string name_of(const testing::TestParamInfo<AnswerCase>& info) {
  const char* caches[] = {"f32", "f16", "bf16", "q8"};
  std::string name = info.param.model + (info.param.precision == Precision::exact ? "_exact_" : "_fast_") +
                     caches[static_cast<int>(info.param.cache)];
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Families, OneAnswer, testing::ValuesIn(cases()), name_of);

}  // namespace
