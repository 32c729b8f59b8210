// Running a recipe. In its directory:
//   recipe.json          the recipe with parts and seeds put in; recipe-control.json where it is the control
//   times.jsonl          how long each stage took, a line each time it ended or was stopped
//   STAGE/stage.json     what the stage was told, hashes of what it builds on, whether it is finished
//   STAGE/...            what its kind leaves: a model's directory with metrics (train, sft, distill, rl), a tokenizer,
//                        traces.jsonl with counts.json (sample, data), MODEL-REASONING.json (eval)
//   report.html          by a stage of kind report
// Stopped or killed at any moment and taken up again it ends with the same bytes as a run that was not, but for times
// and the report. A stage that another recipe made, or that was made from other weights, is an error that names the
// difference, and so is the directory of another recipe: both before anything is written. One thread calls it.
#pragma once

#include <functional>
#include <string>

#include "train/recipe.h"

namespace limpid {

struct RecipeOptions {
  std::string out;
  std::string only;     // this stage; empty: all
  bool resume = false;  // stages that are done stay, the one that was stopped goes on
  int threads = 1;
  const KernelTable* kernels = nullptr;
  LoopOptions train;  // what callers watch (train, sft, distill): progress, say, peak_flops
  RlOptions rl;       // likewise
  std::function<void(const RecipeStage&)> begin;
  std::function<void(const TraceCounts&)> traced;
  // While a model is evaluated: `ended` of `all` answers.
  std::function<void(const std::string& model, Reasoning, std::size_t ended, std::size_t all)> evaluating;
  // Each evaluation, also one that was there already.
  std::function<void(const RecipeStage&, const std::string& model, Reasoning, const EvalReport&)> evaluated;
  std::function<bool()> stop;
};

// False: stopped. Throws as the stages do, and Error(input) for a stage that the recipe does not have or that is there
// and not to be taken up.
bool run_recipe(const Recipe& recipe, const RecipeOptions& options);

}  // namespace limpid
