// Examples of a run: the same again from a position, holes at their rate, files without end.
#include "train/example_source.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "train/mix_tokenizer.h"
#include "train/tokenizer_files.h"

using namespace limpid;

namespace {

namespace fs = std::filesystem;

class Examples : public testing::Test {
 protected:
  Examples()
      : folder_(fs::path(testing::TempDir()) / fmt::format("example_source-{}", getpid())),
        tokenizer_(learned(folder_)) {}
  ~Examples() override { fs::remove_all(folder_); }
  static Tokenizer learned(const fs::path& folder) {
    TokenizerPlan plan;
    plan.vocabulary = 400;
    write_tokenizer(learn_tokenizer(default_mix(), 1, 300, plan), folder.string());
    return Tokenizer::open(folder.string());
  }
  std::string file(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name) << text;
    return (folder_ / name).string();
  }
  bool has_hole(const TrainingExample& e) const {
    return std::ranges::find(e.ids, *tokenizer_.special_id("<｜fim▁hole｜>")) != e.ids.end();
  }
  // From a position in the middle the same examples come again.
  void check_seek(const DataSpec& spec, const ExampleOptions& options) const {
    const std::unique_ptr<ExampleSource> source = spec.open(tokenizer_, options);
    for (int i = 0; i < 13; ++i) source->next();
    const nlohmann::json position = nlohmann::json::parse(source->position().dump());
    const std::unique_ptr<ExampleSource> other = spec.open(tokenizer_, options);
    other->seek(position);
    for (int i = 0; i < 20; ++i) {
      const TrainingExample a = source->next(), b = other->next();
      ASSERT_EQ(a.ids, b.ids);
      ASSERT_EQ(a.weights, b.weights);
    }
    EXPECT_THROW(other->seek({{"index", "x"}}), Error);
  }
  fs::path folder_;
  Tokenizer tokenizer_;
};

TEST_F(Examples, OfAMix) {
  const DataSpec spec = DataSpec::parse("mix");
  check_seek(spec, {.seed = 5, .prompt_weight = 0.2F, .fim = 0.3});
  const auto source = spec.open(tokenizer_, {.seed = 5, .prompt_weight = 0.2F, .fim = 0.3}),
             plain = spec.open(tokenizer_, {.seed = 5});
  int holes = 0;
  for (int i = 0; i < 1000; ++i) {
    const TrainingExample e = source->next();
    ASSERT_EQ(e.ids.size(), e.weights.size());
    holes += has_hole(e) ? 1 : 0;
    const TrainingExample p = plain->next();
    EXPECT_FALSE(has_hole(p));
    EXPECT_EQ(p.weights[0], 0);
    EXPECT_EQ(std::ranges::count(p.weights, 0.2F) + std::ranges::count(p.weights, 1.0F) + 1,
              static_cast<std::ptrdiff_t>(p.ids.size()));
  }
  EXPECT_NEAR(holes, 300, 50);
  const auto other = spec.open(tokenizer_, {.seed = 6}), same = spec.open(tokenizer_, {.seed = 5});
  EXPECT_NE(other->next().ids, same->next().ids);
}

TEST_F(Examples, OfFilesEpochAfterEpoch) {
  const std::string jsonl = file("a.jsonl", "{\"prompt\": \"1+1?\", \"completion\": \"2\"}\n{\"text\": \"three\"}\n"),
                    text = file("b.txt", "one\n\ntwo\n");
  const DataSpec spec = DataSpec::parse(jsonl + "," + text);
  ASSERT_EQ(spec.files.size(), 2U);
  check_seek(spec, {.seed = 2, .fim = 0.5});
  EXPECT_THROW(DataSpec::parse(jsonl + ",nothing.txt"), Error);
  EXPECT_THROW(DataSpec::parse("nothing"), Error);
  const DataSpec empty = DataSpec::parse(file("c.txt", ""));
  EXPECT_THROW(empty.open(tokenizer_, {})->next(), Error);
}

}  // namespace
