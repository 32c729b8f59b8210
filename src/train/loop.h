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
  bool resume = false;  // take up the checkpoint that is there; where there is none, begin
  int threads = 1;
  const KernelTable* kernels = nullptr;
  double peak_flops = 0;                            // of the machine, for Progress::peak_share
  std::function<void(const Progress&)> progress;    // after each step
  std::function<void(const std::string&)> say;      // a line for people: where it begins, what it does
  std::function<bool()> stop;                       // asked after each step: checkpoint and end
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

}  // namespace limpid
