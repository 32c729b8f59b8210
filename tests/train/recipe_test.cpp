// Recipes: the files that ship are read and name the sources of what they say, mistakes in one are named, and the tiny
// one runs through all its stages: stopped anywhere and taken up again it ends with the same bytes, and another seed
// with other ones.
#include "train/recipe_run.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <sstream>

#include "base/error.h"
#include "tests/train/read_all.h"

namespace limpid {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Kind = RecipeStage::Kind;

std::size_t lines(const fs::path& path) {
  const std::string text = read_all(path);
  return static_cast<std::size_t>(std::ranges::count(text, '\n'));
}

const RecipeStage& stage_of(const Recipe& recipe, const std::string& name) {
  for (const RecipeStage& stage : recipe.stages)
    if (stage.name == name) return stage;
  throw std::runtime_error("no stage " + name);
}

// Whether a field of that name, or of that path's end, is in the stage.
bool has_field(const json& value, const std::string& key, const std::string& path = "") {
  if (!path.empty() && (path == key || path.ends_with("." + key))) return true;
  if (!value.is_object()) return false;
  for (const auto& [name, inner] : value.items())
    if (name != "sources" && has_field(inner, key, path.empty() ? name : path + "." + name)) return true;
  return false;
}

TEST(Recipes, ThoseInsideAreReadAndTheirSourcesSpeakOfFieldsThatAreThere) {
  for (const std::string& name : Recipe::built_in()) {
    const Recipe recipe = Recipe::open(name);
    EXPECT_EQ(recipe.name, name);
    EXPECT_FALSE(recipe.about.empty());
    for (const RecipeStage& stage : recipe.stages) {
      const json& told = *stage.told;
      if (name.starts_with("r1-") && stage.kind != Kind::report) {
        EXPECT_TRUE(told.contains("sources")) << name << " " << stage.name;
      }
      const json sources = told.value("sources", json::object());
      for (const auto& [keys, source] : sources.items()) {
        std::istringstream each(keys);
        for (std::string key; std::getline(each >> std::ws, key, ',');)
          EXPECT_TRUE(has_field(told, key)) << name << ", " << stage.name << ": " << key;
      }
    }
  }
  EXPECT_THROW(Recipe::open("r2"), Error);
}

// The fields of what a stage is told, each with its path; names of other stages are no fields.
void leaves(const json& value, const std::string& path, std::vector<std::string>& out) {
  static const std::set<std::string> kNames = {"stage", "kind", "about",   "sources",
                                               "from",  "of",   "teacher", "tokenizer"};
  if (!value.is_object() || value.empty()) return out.push_back(path);
  for (const auto& [name, inner] : value.items())
    if (!path.empty() || !kNames.contains(name)) leaves(inner, path.empty() ? name : path + "." + name, out);
}

// Every field of the recipes from DeepSeek's papers has a source: its own, or that of what it is in.
TEST(Recipes, EveryFieldHasItsSource) {
  for (const char* name : {"r1-zero", "r1-paper", "r1-nano"})
    for (const RecipeStage& stage : Recipe::open(name).stages) {
      if (stage.kind == Kind::report) continue;
      std::set<std::string> known;
      const json sources = stage.told->value("sources", json::object());
      for (const auto& [keys, source] : sources.items()) {
        std::istringstream each(keys);
        for (std::string key; std::getline(each >> std::ws, key, ',');) known.insert(key);
      }
      const auto has_source = [&](const std::string& path) {
        return std::ranges::any_of(known,
                                   [&](const std::string& key) { return path == key || path.ends_with("." + key); });
      };
      std::vector<std::string> fields;
      leaves(*stage.told, "", fields);
      for (const std::string& field : fields) {
        bool found = has_source(field);
        for (std::size_t at = field.find('.'); at != std::string::npos && !found; at = field.find('.', at + 1))
          found = has_source(field.substr(0, at));
        EXPECT_TRUE(found) << name << ", " << stage.name << ": " << field << " has no source";
      }
    }
}

// Whatever draws problems draws its own: with one seed for two stages, reinforcement would be asked what pre-training has
// shown solved.
TEST(Recipes, EachStageDrawsProblemsOfItsOwn) {
  for (const char* name : {"r1-zero", "r1-paper", "r1-nano"})
    for (const std::optional<std::uint64_t> seed : {std::optional<std::uint64_t>(), std::optional<std::uint64_t>(5)}) {
      std::map<std::uint64_t, std::string> owners;
      for (const RecipeStage& stage : Recipe::open(name, {seed, false}).stages) {
        std::vector<std::uint64_t> seeds;
        if (stage.run) seeds.push_back(stage.run->seed);
        if (stage.rl) seeds.push_back(stage.rl->grpo.seed);
        if (stage.traces) seeds.push_back(stage.traces->seed);
        if (stage.distill) seeds = {stage.distill->traces.seed, stage.distill->run.seed};
        if (stage.kind == Kind::data) seeds.push_back(stage.seed);
        for (const std::uint64_t of_stage : seeds) {
          const auto [owner, fresh] = owners.emplace(of_stage, stage.name);
          EXPECT_TRUE(fresh) << name << ": " << stage.name << " and " << owner->second << " have seed " << of_stage;
        }
      }
    }
  const Recipe zero = Recipe::open("r1-zero");
  const RecipeStage &pretrain = stage_of(zero, "pretrain"), &rl = stage_of(zero, "rl");
  const Mix shown = parse_mix(pretrain.data->dump(), "pretrain");
  const auto samples = static_cast<std::uint64_t>(rl.rl->grpo.steps * rl.rl->grpo.prompts);
  std::size_t same = 0;
  for (std::uint64_t i = 0; i < samples; ++i)
    same += mixed_sample(rl.rl->mix, Split::train, rl.rl->grpo.seed, i).sample.prompt ==
            mixed_sample(shown, Split::train, pretrain.run->seed, i).sample.prompt;
  EXPECT_LT(same, samples / 100);
}

TEST(Recipes, ThePapersSettings) {
  const Recipe of_paper = Recipe::open("r1-paper"), zero = Recipe::open("r1-zero");
  const GrpoSettings paper = stage_of(of_paper, "rl").rl->grpo;
  EXPECT_TRUE(paper.normalise && paper.answer_level && !paper.skip_equal);
  EXPECT_EQ(paper.prompts * paper.group, 8192);                 // of a rollout
  EXPECT_EQ(paper.prompts * paper.group / paper.updates, 512);  // of a minibatch
  EXPECT_EQ(paper.kl, 0.001);
  EXPECT_EQ(paper.clip_high, 10);
  EXPECT_EQ(paper.reward.format, paper.reward.accuracy);
  EXPECT_EQ(*stage_of(of_paper, "pretrain").told, *stage_of(zero, "pretrain").told);  // one base for both
  for (const MixPart& part : stage_of(zero, "eval-harder").mix.parts) {
    int trained = levels_of(part.family).trained;
    for (const MixPart& of : stage_of(zero, "rl").rl->mix.parts)
      if (of.family == part.family) trained = of.most_level;
    EXPECT_GT(part.least_level, trained) << family_name(part.family);
  }
  const Recipe nano = Recipe::open("r1-nano");
  EXPECT_EQ((*stage_of(nano, "pretrain").run->model)["num_nextn_predict_layers"], 1);
  EXPECT_EQ(stage_of(nano, "sft").from, "pretrain");  // from the base again
  EXPECT_EQ(stage_of(nano, "sft").data_stages, (std::vector<std::string>{"traces", "talk"}));
  EXPECT_GT(stage_of(nano, "rl-language").rl->grpo.reward.language, 0);
  EXPECT_EQ(stage_of(nano, "zero").rl->grpo.reward.language, 0);
}

TEST(Recipes, SeedsKeepTheirDistance) {
  const auto seeds = [](const Recipe& r) {
    return std::vector<std::uint64_t>{stage_of(r, "words").seed, stage_of(r, "pretrain").run->seed,
                                      stage_of(r, "zero").rl->grpo.seed, stage_of(r, "cold-traces").traces->seed,
                                      stage_of(r, "talk").seed};
  };
  EXPECT_EQ(seeds(Recipe::open("smoke")), (std::vector<std::uint64_t>{1, 1, 1, 2, 5}));
  EXPECT_EQ(seeds(Recipe::open("smoke", {7, false})), (std::vector<std::uint64_t>{7, 7, 7, 8, 11}));
}

TEST(Recipes, TheControlDrawsRewardsByLotAndSharesWhatComesBefore) {
  const Recipe control = Recipe::open("smoke", {std::nullopt, true});
  EXPECT_TRUE(stage_of(control, "zero-control").rl->grpo.shuffle_rewards);
  EXPECT_EQ(stage_of(control, "zero-control").from, "pretrain");
  EXPECT_EQ(stage_of(control, "cold-traces-control").from, "zero-control");
  EXPECT_EQ(*stage_of(control, "pretrain").told, *stage_of(Recipe::open("smoke"), "pretrain").told);
  EXPECT_EQ(stage_of(control, "eval-control").of,
            (std::vector<std::string>{"pretrain", "zero-control", "cold-control", "final-control", "student-control"}));
}

TEST(Recipes, ProductsInF32AreOtherParts) {
  const Recipe fast = Recipe::open("r1-zero"), plain = Recipe::open("r1-zero", {std::nullopt, false, true});
  EXPECT_TRUE(fast.knows_f32 && !fast.in_f32 && plain.in_f32);
  EXPECT_EQ(stage_of(fast, "pretrain").run->precision, DType::bf16);
  EXPECT_EQ(stage_of(plain, "pretrain").run->precision, DType::f32);
  EXPECT_EQ(stage_of(plain, "rl").rl->grpo.precision, DType::f32);
  EXPECT_LT((*stage_of(plain, "pretrain").told)["config"]["tokens"],
            (*stage_of(fast, "pretrain").told)["config"]["tokens"]);
  EXPECT_EQ((*plain.json)["products"], "f32");
  EXPECT_FALSE(plain.json->contains("parts_in_f32"));
  EXPECT_EQ(*stage_of(Recipe::parse(*plain.json, "copy"), "pretrain").told, *stage_of(plain, "pretrain").told);
  const Recipe one_way = Recipe::open("smoke", {std::nullopt, false, true});
  EXPECT_FALSE(one_way.knows_f32 || one_way.in_f32);
}

TEST(Recipes, MistakesAreNamed) {
  const auto error = [](const std::string& text) {
    try {
      Recipe::parse(json::parse(text), "x.json");
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  const auto names = [&](const std::string& stage, const std::string& what) {
    const std::string message = error("{\"stages\": [" + stage + "]}");
    EXPECT_NE(message.find("x.json"), std::string::npos) << message;
    EXPECT_NE(message.find(what), std::string::npos) << stage << ": " << message;
  };
  names(R"({"stage": "rl", "kind": "rl", "from": "pretrain", "config": {}})", "\"pretrain\"");
  names(R"({"stage": "rl", "kind": "rl", "config": {}})", "from");
  names(R"({"stage": "../x", "kind": "eval"})", "../x");
  names(R"({"stage": "e"})", "kind");
  names(R"({"stage": "e", "kind": "magic"})", "magic");
  names(R"({"stage": "e", "kind": "eval", "reasoning": ["often"]})", "often");
  names(R"({"stage": "e", "kind": "eval", "probems": 3})", "probems");
  names(R"({"stage": "e", "kind": "eval", "mix": "@all"})", "@all");
  names(R"({"stage": "e", "kind": "eval", "mix": 3})", "mix");
  names(R"({"stage": "e", "kind": "report"}, {"stage": "e", "kind": "report"})", "two stages");
  EXPECT_NE(error(R"({"parts_in_f32": {"tokens": 1}, "stages": [{"stage": "e", "kind": "report"}]})")
                .find("\"tokens\" is none"),
            std::string::npos);
  EXPECT_NE(error(R"({"parts_in_f32": 3, "stages": [{"stage": "e", "kind": "report"}]})").find("parts_in_f32"),
            std::string::npos);
  names(R"({"stage": "w", "kind": "tokenizer", "vocabulary": 5})", "vocabulary");
  names(R"({"stage": "d", "kind": "data"}, {"stage": "e", "kind": "eval", "of": "d"})", "no model");
  names(
      R"({"stage": "w", "kind": "tokenizer"}, {"stage": "p", "kind": "train", "data": ["w"], "config": {"model": {"model_type": "llama"}, "steps": 1}})",
      "no data");
  names(R"({"stage": "p", "kind": "train", "data": [], "config": {"model": {"model_type": "llama"}, "steps": 1}})",
        "data");
  names(R"({"stage": "p", "kind": "train", "config": {"model": {"model_type": "llama"}, "steps": 1, "stepz": 2}})",
        "stepz");
  EXPECT_NE(error(R"({"stages": []})").find("stages"), std::string::npos);
  EXPECT_NE(error(R"({"stages": [3]})").find("stages[0]"), std::string::npos);
  EXPECT_NE(error(R"({"stages": [{"stage": "e", "kind": "report"}], "stagez": 1})").find("stagez"), std::string::npos);
  EXPECT_NE(error(R"({"stages": [{"stage": "e", "kind": "report"}], "cost": {"usd": 1}})").find("usd"),
            std::string::npos);
}

class RecipeRuns : public testing::Test {
 protected:
  ~RecipeRuns() override { fs::remove_all(root_); }
  RecipeOptions options(const std::string& out, int threads, bool resume, int stop_after = 0) const {
    RecipeOptions o;
    o.out = root_ / out;
    o.resume = resume;
    o.threads = threads;
    o.kernels = &best_kernels();
    auto asked = std::make_shared<int>(0);
    o.stop = [=] { return stop_after > 0 && ++*asked >= stop_after; };
    o.rl.progress = [](const GrpoMetrics& m) { EXPECT_EQ(m.mismatch, 0) << m.step; };
    return o;
  }
  // stop_after: answers "stop" when asked for the n-th time; 0: never.
  bool run(const std::string& out, const RecipeChoice& choice, int threads, bool resume = false,
           int stop_after = 0) const {
    return run_recipe(Recipe::open("smoke", choice), options(out, threads, resume, stop_after));
  }
  std::string error(const Recipe& recipe, const RecipeOptions& o) const {
    try {
      run_recipe(recipe, o);
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  }
  // Everything that may not differ between equal runs: no times, no report, no checkpoints.
  std::map<std::string, std::string> results(const std::string& out) const {
    std::map<std::string, std::string> files;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root_ / out)) {
      const std::string name = entry.path().filename().string();
      if (entry.is_regular_file() && name != "metrics.jsonl" && name != "times.jsonl" && name != "report.html" &&
          name != "checkpoint.limpid" && name != "traces.jsonl.progress.json")
        files[fs::relative(entry.path(), root_ / out).string()] = read_all(entry.path());
    }
    return files;
  }
  const fs::path root_ = fs::temp_directory_path() / ("limpid-recipe-" + std::to_string(getpid()));
};

TEST_F(RecipeRuns, StoppedAndTakenUpItEndsWithTheSameBytes) {
  ASSERT_TRUE(run("whole", {}, 1));
  EXPECT_EQ(lines(root_ / "whole/zero/metrics.jsonl"), 4U);
  EXPECT_EQ(lines(root_ / "whole/zero/samples.jsonl"), 3U * 2);
  EXPECT_EQ(lines(root_ / "whole/talk/traces.jsonl"), 20U);
  for (const char* name : {"pretrain-free", "zero-none", "student-free"}) {
    const auto report = json::parse(read_all(root_ / "whole/eval" / (std::string(name) + ".json")));
    EXPECT_EQ(report["rows"][0]["problems"], 6) << name;
  }
  const std::string page = read_all(root_ / "whole/report.html");
  for (const char* what :
       {"eval ✓", "MaxVio", "Accuracy by family", "sampled traces", "What it cost", "second next token"})
    EXPECT_NE(page.find(what), std::string::npos) << what;

  int attempts = 0;  // stopped after ever more questions, so that every stage is hit
  while (!run("parts", {}, 1, true, 7 + 11 * attempts)) ASSERT_LT(++attempts, 200);
  EXPECT_GT(attempts, 4);
  const auto whole = results("whole"), parts = results("parts");
  EXPECT_GT(whole.size(), 40U);
  for (const auto& [name, bytes] : whole) {
    ASSERT_TRUE(parts.contains(name)) << name;
    EXPECT_TRUE(bytes == parts.at(name)) << name;
  }
  EXPECT_EQ(whole.size(), parts.size());

  // What is there is not written over, nor taken for what it is not.
  const Recipe smoke = Recipe::open("smoke");
  EXPECT_NE(error(smoke, options("whole", 1, false)).find("--resume"), std::string::npos);
  json other = json::parse(read_all(fs::path(REPO_DIR) / "recipes/smoke.json"));
  other["parts"]["grpo"]["learning_rate"] = 0.01;
  const std::string changed = error(Recipe::parse(other, "other.json"), options("whole", 1, true));
  EXPECT_NE(changed.find("told.config.grpo.learning_rate was 0.0003 and is 0.01"), std::string::npos) << changed;
  RecipeOptions nothing = options("nothing", 1, false);
  nothing.only = "zero";
  EXPECT_NE(error(smoke, nothing).find("\"pretrain\", which has to run first"), std::string::npos);
  nothing.only = "zeroes";
  EXPECT_NE(error(smoke, nothing).find("no stage \"zeroes\"; there are words, pretrain"), std::string::npos);
  // Another recipe, or this one with another stage to come, leaves what is there alone.
  const std::string told = read_all(root_ / "whole/recipe.json");
  other["name"] = "another";
  const std::string refused = error(Recipe::parse(other, "another.json"), options("whole", 1, true));
  EXPECT_NE(refused.find("whole/recipe.json: this is the directory of recipe \"smoke\", not of \"another\""),
            std::string::npos)
      << refused;
  json later = json::parse(read_all(fs::path(REPO_DIR) / "recipes/smoke.json"));
  later["parts"]["grpo"]["learning_rate"] = 0.02;
  RecipeOptions first_stage = options("whole", 1, true);
  first_stage.only = "words";
  EXPECT_NE(error(Recipe::parse(later, "later.json"), first_stage).find("is 0.02"), std::string::npos);
  EXPECT_EQ(read_all(root_ / "whole/recipe.json"), told);
  // A stage that what it builds on was made anew for has to be made anew too.
  fs::copy(root_ / "whole", root_ / "mended", fs::copy_options::recursive);
  fs::copy_file(root_ / "mended/final/model.safetensors", root_ / "mended/pretrain/model.safetensors",
                fs::copy_options::overwrite_existing);
  EXPECT_NE(error(smoke, options("mended", 1, true)).find("from.pretrain was"), std::string::npos);
}

TEST_F(RecipeRuns, AnotherSeedGivesOtherBytesAndTheControlStandsBeside) {
  RecipeOptions two = options("whole", 1, false), other = options("other", 1, false);
  const auto first = [](RecipeOptions o, const RecipeChoice& choice, std::initializer_list<const char*> stages) {
    o.resume = true;
    for (const char* stage : stages) {
      o.only = stage;
      ASSERT_TRUE(run_recipe(Recipe::open("smoke", choice), o));
    }
  };
  first(two, {}, {"words", "pretrain", "zero", "cold-traces", "talk"});
  first(other, {2, false}, {"words", "pretrain", "zero", "cold-traces", "talk"});
  for (const char* name :
       {"pretrain/model.safetensors", "zero/model.safetensors", "cold-traces/traces.jsonl", "talk/traces.jsonl"})
    EXPECT_FALSE(read_all(root_ / "whole" / name) == read_all(root_ / "other" / name)) << name;
  const std::string before = read_all(root_ / "whole/zero/model.safetensors");
  first(two, {std::nullopt, true}, {"pretrain", "zero-control"});
  EXPECT_EQ(lines(root_ / "whole/zero-control/metrics.jsonl"), 4U);
  EXPECT_FALSE(read_all(root_ / "whole/zero-control/model.safetensors") == before);
  EXPECT_TRUE(read_all(root_ / "whole/zero/model.safetensors") == before);
}

}  // namespace
}  // namespace limpid
