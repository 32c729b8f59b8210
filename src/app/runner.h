// Runner: a model run directly, without the engine's queue, caches and sampling: for commands that want logits
// (logits, perplexity, bench). A pool of pages of its own; every sequence has its place in it from the start.
//
// One thread at a time calls it; the ThreadTeam inside computes.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/memory.h"
#include "base/thread_team.h"
#include "kernels/kernels.h"
#include "models/model.h"

namespace limpid {

struct RunnerOptions {
  int threads = 1;
  CacheType cache_type = CacheType::f16;
  int sequences = 1;
  int positions = 0;     // of each sequence, at least 1
  int step_rows = 512;   // most rows of a step
  int step_outputs = 0;  // most rows of logits of a step; 0: as many as 64 MiB hold, at least 1
  const KernelTable* kernels = nullptr;
};

class Runner {
 public:
  // New tokens of one sequence; the logits of the last `outputs` of them are wanted.
  struct Part {
    int sequence = 0;
    std::span<const std::int32_t> ids;
    int outputs = 0;
  };

  // The model must outlive it. Throws Error(resources).
  Runner(const Model& model, const RunnerOptions& options);

  // Bytes that a Runner takes, its pool included.
  static std::uint64_t bytes(const Model& model, const RunnerOptions& options);

  // One step of the model. The logits, (sum of outputs, V), are valid until the next call. Each sequence at most once.
  // Throws Error(input) for an id that is none and for a sequence that gets too long.
  std::span<const float> step(std::span<const Part> parts);

  // Reads ids after what the sequence has, in steps of at most `chunk` rows (0: as many as a step takes). take(i,
  // logits) is called for every i >= from with the logits (V) after ids[i]; `from` = ids.size() - 1 asks for the last.
  using Take = std::function<void(std::size_t, std::span<const float>)>;
  void read(int sequence, std::span<const std::int32_t> ids, std::size_t from, const Take& take, int chunk = 0);

  void forget(int sequence) { lengths_[static_cast<std::size_t>(sequence)] = 0; }
  int length(int sequence) const { return lengths_[static_cast<std::size_t>(sequence)]; }
  int vocabulary() const { return model_.info().vocabulary; }
  int step_rows() const { return options_.step_rows; }
  int step_outputs() const { return options_.step_outputs; }

 private:
  const Model& model_;
  const RunnerOptions options_;
  const int pages_;  // of a sequence
  HugeBuffer pool_;
  StepMemory memory_;
  std::vector<CacheLayer> layers_;
  std::vector<std::int32_t> tables_;  // (sequences, pages)
  std::vector<int> lengths_;
  ThreadTeam team_;
  std::vector<std::int32_t> ids_, positions_, outputs_;
  std::vector<BatchSequence> batch_;
};

}  // namespace limpid
