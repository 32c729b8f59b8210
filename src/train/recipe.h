// Recipes: how a model is made, from nothing to its evaluation, as a data file that a reader can follow: stages in
// order, each with the configuration of its command and, under "sources", where each line comes from.
//   {"name", "about", "sources", "cost": {"machine", "usd_per_hour", "source"}, "parts": {...}, "stages": [
//     {"stage": "words", "kind": "tokenizer", "data": MIX, "vocabulary": 1024, "samples": 40000, "seed": 1},
//     {"stage": "pretrain", "kind": "train", "tokenizer": "words", "data": DATA, "config": {...}}, train/run_config.h
//     {"stage": "zero", "kind": "rl", "from": "pretrain", "config": {...}}, train/rl_loop.h
//     {"stage": "traces", "kind": "sample", "from": "zero", "config": {...}},                            train/traces.h
//     {"stage": "talk", "kind": "data", "data": MIX, "samples": 2000, "seed": 1},
//     {"stage": "cold", "kind": "sft", "from": "pretrain", "data": ["traces", "talk"], "config": {...}}, train/sft.h
//     {"stage": "student", "kind": "distill", "teacher": "cold", "from": "small" (none: from nothing), "config":
//     {...}},
//     {"stage": "eval", "kind": "eval", "of": ["pretrain", "zero"], "mix": MIX, "problems": 50, "k": 16, "max_tokens":
//     96},
//     {"stage": "report", "kind": "report"}]}
// "parts": {"name": VALUE} gives values names: a field of a stage that says "@name" has that value. "parts_in_f32" has
// other values for some of them, for processors that multiply bf16 no faster than f32.
// MIX is a mix (train/data_mix.h) or the name of one; DATA a MIX or a list of stages that made data. A stage builds on
// those before it. Each has a directory of its name in the recipe's; train/recipe_run.h says what comes to stand there.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "train/distill.h"
#include "train/evaluate.h"
#include "train/rl_loop.h"
#include "train/run_config.h"
#include "train/traces.h"

namespace limpid {

struct RecipeStage {
  enum class Kind : std::uint8_t { tokenizer, train, rl, sample, data, sft, distill, eval, report };
  std::string name, about;
  Kind kind = Kind::train;
  std::shared_ptr<const nlohmann::json> told;  // the stage as the file has it, with the seed that counts

  std::string from;       // rl, sample, sft, distill: the model to begin with
  std::string teacher;    // distill
  std::string tokenizer;  // train, distill: the stage that learned it; empty: as the configuration says
  std::shared_ptr<const nlohmann::json> data;  // train, tokenizer, data: a mix, or the text of a DataSpec; sft: none
  std::vector<std::string> data_stages;        // train, sft: stages that made data
  std::optional<RunConfig> run;                // train, sft
  std::optional<RlConfig> rl;
  std::optional<TraceSettings> traces;  // sample
  std::optional<DistillConfig> distill;
  std::int64_t vocabulary = 1024, samples = 40000;  // tokenizer, data
  std::uint64_t seed = 1;
  // eval
  std::vector<std::string> of;
  Mix mix;  // of data too
  int problems = 50, k = 16, max_tokens = 96;
  double temperature = 1, top_p = 1;
  std::vector<Reasoning> reasoning = {Reasoning::free, Reasoning::forced, Reasoning::none};

  bool makes_model() const {
    return kind == Kind::train || kind == Kind::rl || kind == Kind::sft || kind == Kind::distill;
  }
  bool makes_data() const { return kind == Kind::sample || kind == Kind::data; }
  std::vector<std::string> builds_on() const;  // names of stages
};

struct RecipeChoice {
  std::optional<std::uint64_t>
      seed;  // instead of the file's; those of the stages keep their distance from the smallest
  // Rewards of every reinforcement go to answers by lot: nothing may be learned. These stages, and those that build on
  // them, are named NAME-control, so that they stand beside the others in a directory.
  bool control = false;
  bool f32 = false;  // the values of "parts_in_f32" count
};

struct Recipe {
  std::string name, about;
  bool control = false;
  bool in_f32 = false;     // the values of its "parts_in_f32" were taken
  bool knows_f32 = false;  // it has such
  std::vector<RecipeStage> stages;
  std::shared_ptr<const nlohmann::json> json;  // the file with parts, seeds and names put in

  // Throws Error(input) naming the file and field: also for a stage that builds on one that does not come before it.
  static Recipe parse(const nlohmann::json& json, const std::string& path, const RecipeChoice& choice = {});
  // A file that ends in .json, or a recipe that the program carries inside. Throws Error(not_found) naming those.
  static Recipe open(const std::string& name, const RecipeChoice& choice = {});
  static std::vector<std::string> built_in();
};

std::string_view reasoning_name(Reasoning reasoning);  // "free", "forced", "none"

}  // namespace limpid
