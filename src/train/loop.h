// The training loop: data, steps, metrics, checkpoints, from a configuration to a model that every other command loads.
// In the run's directory:
//   config.json, tokenizer.json, tokenizer_config.json   at the start
//   metrics.jsonl                                         a line for each step
//   checkpoint.limpid                                     every checkpoint_steps steps, at the end and when stopped
//   model.safetensors                                     at the end
// Killed at any moment and taken up again, a run ends with the same bytes as one that was not.
//
// One thread calls it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "train/example_source.h"
#include "train/run_config.h"
#include "train/trainer.h"

namespace limpid {

struct Progress {
  std::int64_t step = 0, tokens = 0;  // made and seen, this step included
  double done = 0;                    // part of the run
  StepResult result;
  double rate = 0;               // of learning
  double tokens_per_second = 0;  // over the last seconds
  double peak_share = 0;         // of the products' floating-point operations in what the machine can do; 0: not known
  double seconds_left = 0;
};

struct LoopOptions {
  std::string out;
  bool resume = false;                   // take up the checkpoint that is there; where there is none, begin
  std::vector<std::string> change = {};  // fields that may differ from what the checkpoint was told (run_changes.h)
  std::string retry = {};  // how a changed configuration is taken up, for advice; empty: by --resume --change
  int threads = 1;
  const KernelTable* kernels = nullptr;
  double peak_flops = 0;                          // of the machine, for Progress::peak_share
  std::function<void(const Progress&)> progress;  // after each step
  std::function<void(const std::string&)> say;    // a line for people: where it begins, what it does
  std::function<bool()> stop;                     // asked after each step: checkpoint and end
};

struct LoopEnd {
  bool finished = false;  // else it was stopped
  std::int64_t steps = 0, tokens = 0;
  double loss = 0;  // smoothed
  double seconds = 0;
};

// Throws Error(input) for a configuration, data or checkpoint that is wrong, naming it, and for a run that diverges or
// meets a number that is none, with what to try; Error(resources) for a full disk or too little memory. The last
// checkpoint is intact then.
LoopEnd train_model(const RunConfig& config, const DataSpec& data, const LoopOptions& options);

// The loop under it, which fine-tuning (sft.h) shares.
struct RunSetup {
  std::shared_ptr<const Tokenizer> tokenizer;
  ModelConfig model;
  nlohmann::json run;  // what the run was told: a checkpoint belongs to it (run_checkpoint.h)
  std::unique_ptr<ExampleSource> source;
  std::function<void(Trainer&)> begin;   // the first weights, of a run that is not taken up
  std::function<void(Trainer&)> frozen;  // weights that are no part of a checkpoint, before anything; may be empty
  std::function<void(const Trainer&)> finish;  // writes what was trained
};
// Makes the directory; whether there is a checkpoint to take up. Throws Error(input) where there is one and nobody asked
// to.
bool prepare_run(const LoopOptions& options);
LoopEnd run_loop(const RunConfig& config, RunSetup setup, const LoopOptions& options);

}  // namespace limpid
