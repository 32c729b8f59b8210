// Recipes: how a model is made, from nothing to its evaluation, as a data file that a reader can follow: stages in order,
// each with the configuration of its command and, under "sources", where each line comes from.
//   {"name", "about", "sources", "stages": [
//     {"stage": "pretrain", "kind": "train", "data": "mix" | {...}, "config": {...}},         train/run_config.h
//     {"stage": "rl", "kind": "rl", "from": "pretrain", "config": {...}},                      train/rl_loop.h
//     {"stage": "eval", "kind": "eval", "of": ["pretrain", "rl"], "mix": ..., "problems": 50, "k": 16, "max_tokens": 96}]}
// Each stage has a directory of its name in the recipe's; an evaluation writes MODEL-REASONING.json into its own.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "train/loop.h"
#include "train/rl_loop.h"

namespace limpid {

struct RecipeStage {
  enum class Kind : std::uint8_t { train, rl, eval };
  std::string name;
  Kind kind = Kind::train;
  // train
  std::shared_ptr<const nlohmann::json> data;  // a mix, or the text of a DataSpec
  std::optional<RunConfig> run;
  // rl
  std::string from;
  std::optional<RlConfig> rl;
  // eval
  std::vector<std::string> of;
  Mix mix;
  int problems = 50, k = 16, max_tokens = 96;
  std::vector<Reasoning> reasoning = {Reasoning::free, Reasoning::forced, Reasoning::none};
};

struct Recipe {
  std::string name, about;
  std::vector<RecipeStage> stages;

  // seed: instead of those in the file. Throws Error(input) naming the file and field: also for a stage that builds on one
  // that does not come before it.
  static Recipe parse(const nlohmann::json& json, const std::string& path, std::optional<std::uint64_t> seed);
  // A file that ends in .json, or a recipe that the program carries inside. Throws Error(not_found) naming those.
  static Recipe open(const std::string& name, std::optional<std::uint64_t> seed);
  static std::vector<std::string> built_in();
};

std::string_view reasoning_name(Reasoning reasoning);  // "free", "forced", "none"

struct RecipeOptions {
  std::string out;
  std::string only;     // this stage; empty: all
  bool resume = false;  // stages that are done stay, the one that was stopped goes on
  LoopOptions train;    // what callers watch; out and resume are set
  RlOptions rl;         // likewise
  std::function<void(const RecipeStage&)> begin;
  std::function<void(const RecipeStage&, const std::string& model, Reasoning, const EvalReport&)> evaluated;
};

// False: stopped. Throws as the stages do.
bool run_recipe(const Recipe& recipe, const RecipeOptions& options);

}  // namespace limpid
