#include "app/training_runs.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace limpid {
namespace {

namespace fs = std::filesystem;

class TrainingRuns : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::path(::testing::TempDir()) /
            (std::string("runs-") + ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(root_);
    fs::create_directories(root_ / "zero");
    std::ofstream metrics(root_ / "zero/metrics.jsonl");
    for (int step = 1; step <= 100; ++step)
      metrics << nlohmann::json{{"step", step},
                                {"reward", step * 0.01},
                                {"families", {{"add", step * 0.02}}},
                                {"note", "text"}}
                     .dump()
              << "\n";
    std::ofstream(root_ / "zero/samples.jsonl")
        << R"({"step": 7, "family": "add", "prompt": "1+1?", "reply": "<think>\none and one\n</think>\n2", "answer": "2", "correct": true, "tokens": 9})"
        << "\n";
    fs::create_directories(root_ / "no-run");
  }
  void TearDown() override { fs::remove_all(root_); }
  fs::path root_;
};

TEST_F(TrainingRuns, AreListedWithTheirStages) {
  const nlohmann::json runs = list_runs(root_.string())["runs"];
  ASSERT_EQ(runs.size(), 1U) << runs.dump();
  EXPECT_EQ(runs[0]["name"], "zero");
  ASSERT_EQ(runs[0]["stages"].size(), 1U);
  EXPECT_TRUE(list_runs((root_ / "nowhere").string())["runs"].empty());
}

TEST_F(TrainingRuns, GiveCurvesByStepAndSamplesWithTheirThinking) {
  const std::string stage = list_runs(root_.string())["runs"][0]["stages"][0]["name"];
  const nlohmann::json curves = run_curves(root_.string(), "zero", stage, 10);
  EXPECT_EQ(curves["columns"][0], "step");
  EXPECT_NE(std::find(curves["columns"].begin(), curves["columns"].end(), "families.add"), curves["columns"].end());
  EXPECT_EQ(std::find(curves["columns"].begin(), curves["columns"].end(), "note"), curves["columns"].end());
  ASSERT_EQ(curves["rows"].size(), 10U);
  EXPECT_EQ(curves["rows"][9][0], 100);
  ASSERT_EQ(curves["samples"].size(), 1U);
  EXPECT_EQ(curves["samples"][0]["thinking"], "one and one");
  EXPECT_EQ(curves["samples"][0]["answer"], "2");
  EXPECT_EQ(curves["samples"][0]["reward"], 1.0);
}

TEST_F(TrainingRuns, NamesAreNoPaths) {
  for (const char* name : {"", "..", ".", "zero/../zero", "/etc", "absent"})
    EXPECT_THROW(run_curves(root_.string(), name, "run"), Error) << name;
  EXPECT_THROW(run_curves(root_.string(), "zero", "absent"), Error);
}

}  // namespace
}  // namespace limpid
