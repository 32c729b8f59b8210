// Reinforcement learning from a trained model to a better one: GRPO's steps with metrics, samples and checkpoints. In the
// run's directory:
//   config.json, tokenizer.json, tokenizer_config.json   the model's
//   metrics.jsonl          a line for each step (seconds are in it, so that this file is not the same twice)
//   samples.jsonl          answers to the same held-out problems before, every samples_steps steps, and after
//   rollouts.jsonl         where asked for: {"step", "prompt": ids, "ids", "logprobs", "temperature", "finished", "reward",
//                          "advantage", "update"} of every answer; null, null: its group was left out. Those of step 1 are by
//                          the model that it began with (tests/train/check_rollouts.py)
//   checkpoint.limpid      every checkpoint_steps steps, at the end and when stopped; reference-N/ beside it
//   changes.jsonl          what was told otherwise when it was taken up, where something was
//   model.safetensors      at the end
// Taken up again it ends with the same bytes as a run that was not stopped. One thread calls it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "train/grpo_run.h"

namespace limpid {

// {"mix": "mix" | a family | "MIX.json" | {...}, "grpo": {...}, "checkpoint_steps": 20, "samples_steps": 20, "samples": 8,
//  "sources": anything}
struct RlConfig {
  std::string path;
  std::shared_ptr<const nlohmann::json> json;
  Mix mix;
  GrpoSettings grpo;
  std::int64_t checkpoint_steps = 20, samples_steps = 20;
  int samples = 8;  // problems whose answers are kept

  // Throws Error(not_found | input) naming file and field.
  static RlConfig read(const std::string& path);
  static RlConfig parse(const nlohmann::json& json, const std::string& path);
};

struct RlOptions {
  std::string model, out;  // directories
  bool resume = false;
  std::vector<std::string> change = {};  // fields that may differ from what the checkpoint was told (run_changes.h)
  bool log_rollouts = false;             // rollouts.jsonl
  std::string retry = {};  // how a changed configuration is taken up, for advice; empty: by --resume --change
  int threads = 1;
  const KernelTable* kernels = nullptr;
  std::function<void(const GrpoMetrics&)> progress;  // after each step
  // One of the samples: the step it was taken after, the problem, the reply.
  std::function<void(std::int64_t, const EvalProblem&, const EvalAnswer&)> sample;
  std::function<bool()> stop;  // asked after each step
};

struct RlEnd {
  bool finished = false;
  std::int64_t steps = 0;
};

// Throws Error(input) for what is wrong with configuration, model or checkpoint, naming it, and for a run whose reward falls
// or that meets a number that is none, with what to try; the last checkpoint is from before then.
RlEnd reinforce(const RlConfig& config, const RlOptions& options);

}  // namespace limpid
