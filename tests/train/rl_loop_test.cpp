// Reinforcement as a run: one whose reward falls stops with advice that can be followed and leaves its last good
// checkpoint; answers are logged where asked for.
#include "train/rl_loop.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "tests/train/read_all.h"
#include "train/recipe_run.h"
#include "train/run_log.h"

namespace limpid {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class RlRun : public testing::Test {
 protected:
  // The base of the recipe `smoke`: it has learned the form of a reply, and hardly more.
  static void SetUpTestSuite() {
    root() = fs::temp_directory_path() / ("limpid-rl-" + std::to_string(getpid()));
    RecipeOptions options;
    options.out = (root() / "recipe").string();
    options.resume = true;
    options.kernels = &best_kernels();
    for (const char* stage : {"words", "pretrain"}) {
      options.only = stage;
      ASSERT_TRUE(run_recipe(Recipe::open("smoke"), options));
    }
  }
  static void TearDownTestSuite() { fs::remove_all(root()); }
  static fs::path& root() {
    static fs::path path;
    return path;
  }
  static json config() {
    return json::parse(
        R"({"mix": {"families": {"addsub": {"levels": [1, 1]}, "count": {"levels": [1, 1]}}, "chinese": 0.5},
      "grpo": {"steps": 12, "prompts": 4, "group": 4, "max_tokens": 16, "length": 96, "rows": 16, "learning_rate": 0.0003, "warmup_steps": 0,
               "reward": {"accuracy": 1, "format": 1}, "skip_equal": false, "seed": 3},
      "checkpoint_steps": 1, "samples_steps": 100, "samples": 2})");
  }
  static RlOptions options(const std::string& out) {
    RlOptions options;
    options.model = (root() / "recipe/pretrain").string();
    options.out = (root() / out).string();
    options.kernels = &best_kernels();
    return options;
  }
  static std::string error(const json& config, const RlOptions& options) {
    try {
      reinforce(RlConfig::parse(config, "rl.json"), options);
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  }
  static void expect_named(const std::string& message, std::initializer_list<const char*> names) {
    for (const char* name : names) EXPECT_NE(message.find(name), std::string::npos) << name << ": " << message;
  }
};

TEST_F(RlRun, AFallingRewardStopsAndTheAdviceCanBeFollowed) {
  json wild = config();
  wild["grpo"]["learning_rate"] = 0.3;  // forgets the little that it knows at once
  wild["grpo"]["divergence"] = 0.04;
  wild["grpo"]["steps"] = 60;
  RlOptions o = options("wild");
  const std::string message = error(wild, o);
  expect_named(message, {"the run diverges", "reward", "checkpoint.limpid is intact", "grpo.learning_rate (now 0.3)",
                         "--resume --change"});
  // The checkpoint is the last one that was good: the smoothed reward by its definition.
  double smooth = 0, best = -1;
  std::int64_t good = 0, step = 0;
  for (const json& line : read_json_lines(o.out + "/metrics.jsonl")) {
    const double reward = line["reward"];
    smooth = step++ == 0 ? reward : smooth + 0.1 * (reward - smooth);
    best = std::max(best, smooth);
    if (best - smooth <= 0.02) good = step;
  }
  EXPECT_GT(best - smooth, 0.04);
  ASSERT_GT(good, 0);
  ASSERT_LT(good, step - 1);  // it did not take the last one that it could have written
  expect_named(message, {("checkpoint of step " + std::to_string(good) + " in").c_str()});

  o.resume = true;
  json calm = wild;
  calm["grpo"]["learning_rate"] = 0.0003;
  calm["grpo"]["divergence"] = 0;
  expect_named(error(calm, o), {"another configuration", "grpo."});
  o.change = {"grpo.learning_rate"};
  expect_named(error(calm, o), {"another configuration", "grpo.divergence was 0.04, is 0"});
  o.change = {"grpo.seed"};
  expect_named(error(calm, o), {"--change grpo.seed", "grpo.learning_rate", "another --out"});
  o.change = {"grpo.learning_rate", "grpo.divergence"};
  const RlEnd end = reinforce(RlConfig::parse(calm, "rl.json"), o);
  EXPECT_TRUE(end.finished);
  EXPECT_EQ(end.steps, 60);
  const std::vector<json> changes = read_json_lines(o.out + "/changes.jsonl");
  ASSERT_EQ(changes.size(), 2U);
  for (const json& change : changes) EXPECT_EQ(change["step"], good);
  EXPECT_EQ(changes[1]["field"], "grpo.learning_rate");
  EXPECT_EQ(changes[1]["from"], 0.3);
  EXPECT_EQ(changes[1]["to"], 0.0003);
  // From here on it is what the checkpoint was told.
  o.change = {};
  EXPECT_EQ(error(calm, o), "");
  expect_named(error(wild, o), {"another configuration"});
}

TEST_F(RlRun, ItNeedsAResumeToChangeAndTheControlMayFall) {
  RlOptions o = options("control");
  o.change = {"grpo.learning_rate"};
  expect_named(error(config(), o), {"--resume"});
  o.change = {};
  json control = config();
  control["grpo"]["learning_rate"] = 0.3;
  control["grpo"]["divergence"] = 0.001;
  control["grpo"]["shuffle_rewards"] = true;
  EXPECT_EQ(error(control, o), "");
}

// What is no number stops the run as well, and says where it stands.
TEST_F(RlRun, ANumberThatIsNoneNamesStepAndCheckpoint) {
  fs::copy(root() / "recipe/pretrain", root() / "broken");
  std::string bytes = read_all(root() / "broken/model.safetensors");
  std::uint64_t size = 0;
  std::memcpy(&size, bytes.data(), sizeof size);
  const json header = json::parse(bytes.substr(8, size));
  const std::size_t at = 8 + size + header["lm_head.weight"]["data_offsets"][0].get<std::size_t>();
  const float none = std::nanf("");
  std::memcpy(bytes.data() + at, &none, sizeof none);
  std::ofstream(root() / "broken/model.safetensors", std::ios::binary) << bytes;
  RlOptions o = options("none");
  o.model = (root() / "broken").string();
  json quiet = config();
  quiet["samples"] = 0;
  expect_named(error(quiet, o), {"step 1: ", "not finite", "There is no checkpoint yet", "grpo.learning_rate"});
}

TEST_F(RlRun, AnswersAreLogged) {
  RlOptions o = options("logged");
  o.log_rollouts = true;
  json few = config();
  few["grpo"]["steps"] = 3;
  few["grpo"]["temperature"] = 0.7;
  ASSERT_EQ(error(few, o), "");
  const std::vector<json> lines = read_json_lines(o.out + "/rollouts.jsonl");
  ASSERT_EQ(lines.size(), 3U * 16);
  double reward = 0;
  for (std::size_t i = 0; i < 16; ++i) {
    EXPECT_EQ(lines[i]["step"], 1);
    EXPECT_EQ(lines[i]["temperature"], 0.7);
    EXPECT_EQ(lines[i]["ids"].size(), lines[i]["logprobs"].size());
    EXPECT_EQ(lines[i]["prompt"], lines[i / 4 * 4]["prompt"]);
    EXPECT_EQ(lines[i]["update"], 0);
    reward += lines[i]["reward"].get<double>() / 16;
  }
  EXPECT_NEAR(read_json_lines(o.out + "/metrics.jsonl")[0]["reward"].get<double>(), reward, 1e-9);
}

}  // namespace
}  // namespace limpid
