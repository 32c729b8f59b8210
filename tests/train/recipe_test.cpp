// Recipes: the files that ship are read, mistakes in one are named, and the tiny one runs through all its stages: stopped
// anywhere and taken up again it ends with the same bytes, and another seed with other ones.
#include "train/recipe.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/error.h"

namespace limpid {
namespace {

namespace fs = std::filesystem;

std::string read_all(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::size_t lines(const fs::path& path) {
  const std::string text = read_all(path);
  return static_cast<std::size_t>(std::ranges::count(text, '\n'));
}

TEST(Recipes, ThoseInsideAreReadAndBuildOnWhatComesBefore) {
  for (const char* name : {"r1-zero", "r1-paper", "smoke"}) {
    const Recipe recipe = Recipe::open(name, std::nullopt);
    EXPECT_EQ(recipe.name, name);
    ASSERT_EQ(recipe.stages.size(), 3U);
    EXPECT_EQ(recipe.stages[1].from, "pretrain");
  }
  const RlConfig paper = *Recipe::open("r1-paper", std::nullopt).stages[1].rl;
  EXPECT_TRUE(paper.grpo.normalise && paper.grpo.answer_level && !paper.grpo.skip_equal);
  EXPECT_EQ(paper.grpo.updates, 16);
  EXPECT_EQ(paper.grpo.kl, 0.001);
  EXPECT_EQ(Recipe::open("r1-zero", 7).stages[0].run->seed, 7U);
  EXPECT_EQ(Recipe::open("r1-zero", 7).stages[1].rl->grpo.seed, 7U);
  EXPECT_THROW(Recipe::open("r2", std::nullopt), Error);
}

TEST(Recipes, MistakesAreNamed) {
  const auto error = [](const char* text) {
    try {
      Recipe::parse(nlohmann::json::parse(text), "x.json", std::nullopt);
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  EXPECT_NE(error(R"({"stages": [{"stage": "rl", "kind": "rl", "from": "pretrain", "config": {}}]})").find("\"pretrain\""), std::string::npos);
  EXPECT_NE(error(R"({"stages": [{"stage": "../x", "kind": "eval"}]})").find("../x"), std::string::npos);
  EXPECT_NE(error(R"({"stages": [{"stage": "e", "kind": "eval", "reasoning": ["often"]}]})").find("often"), std::string::npos);
  EXPECT_NE(error(R"({"stages": [{"stage": "e", "kind": "eval", "probems": 3}]})").find("probems"), std::string::npos);
  EXPECT_NE(error(R"({"stages": []})").find("stages"), std::string::npos);
}

class RecipeRuns : public testing::Test {
 protected:
  ~RecipeRuns() override { fs::remove_all(root_); }
  // stop_after: answers "stop" when asked for the n-th time; 0: never.
  bool run(const std::string& out, std::uint64_t seed, int threads, bool resume = false, int stop_after = 0) {
    RecipeOptions options;
    options.out = root_ / out;
    options.resume = resume;
    options.train.threads = options.rl.threads = threads;
    options.train.kernels = options.rl.kernels = &best_kernels();
    auto asked = std::make_shared<int>(0);
    options.train.stop = options.rl.stop = [=] { return stop_after > 0 && ++*asked >= stop_after; };
    options.rl.progress = [](const GrpoMetrics& m) { EXPECT_EQ(m.mismatch, 0) << m.step; };
    return run_recipe(Recipe::open("smoke", seed), options);
  }
  const fs::path root_ = fs::temp_directory_path() / ("limpid-recipe-" + std::to_string(getpid()));
};

TEST_F(RecipeRuns, StoppedAndTakenUpItEndsWithTheSameBytes) {
  ASSERT_TRUE(run("whole", 1, 1));
  EXPECT_EQ(lines(root_ / "whole/rl/metrics.jsonl"), 6U);
  EXPECT_EQ(lines(root_ / "whole/rl/samples.jsonl"), 3U * 2);
  for (const char* name : {"pretrain-free", "pretrain-none", "rl-free", "rl-none"}) {
    const auto report = nlohmann::json::parse(read_all(root_ / "whole/eval" / (std::string(name) + ".json")));
    EXPECT_EQ(report["rows"][0]["problems"], 8) << name;
  }
  EXPECT_FALSE(run("parts", 1, 2, true, 7));   // in the middle of the first stage
  EXPECT_FALSE(run("parts", 1, 1, true, 57));  // in the reinforcement: 53 steps are left of the first
  EXPECT_TRUE(run("parts", 1, 3, true));
  for (const char* name : {"pretrain/model.safetensors", "rl/model.safetensors", "rl/samples.jsonl", "eval/rl-free.json"})
    EXPECT_TRUE(read_all(root_ / "whole" / name) == read_all(root_ / "parts" / name)) << name;
  EXPECT_THROW(run("whole", 1, 1), Error);  // what is there is not written over
  ASSERT_TRUE(run("other", 2, 2));
  EXPECT_FALSE(read_all(root_ / "whole/rl/model.safetensors") == read_all(root_ / "other/rl/model.safetensors"));
}

}  // namespace
}  // namespace limpid
