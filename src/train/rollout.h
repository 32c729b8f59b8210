// Rollouts: many answers at once from the engine, with the log-probability of every token: what is evaluated, and what
// reinforcement learning learns from.
//
// Answer s of prompt p is drawn with (seed, p * samples + s): a pure function of weights, prompt and options, whatever the
// engine's threads, batch and cache.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "engine/engine.h"

namespace limpid {

struct Rollout {
  std::vector<std::int32_t> ids;  // of the answer, the stop id included
  std::vector<float>
      logprobs;  // of each, at the temperature (1 where greedy) with nothing cut: what token_loss computes again
  bool finished = false;  // it ended with a stop id; else it was cut at max_tokens or by the context
};

struct RolloutOptions {
  int samples = 1;     // answers a prompt
  int max_tokens = 0;  // of an answer; 0: as many as the context holds
  Sampling sampling;   // seed, temperature, top-p, ...; `sequence` is set for each answer and `logprobs` to 0
  std::vector<std::int32_t> stop_ids;
  std::uint64_t first_sequence = 0;  // of prompt 0, sample 0
  // Called after an answer ended, with how many have; false stops everything: Error(cancelled).
  std::function<bool(std::size_t)> progress;
};

// Answers in the order of prompts, the samples of a prompt together. The engine must not be started: its steps run on
// this thread and its team. Throws Error(input) for a prompt or option that the engine refuses, and what a step failed of.
std::vector<Rollout> roll_out(Engine& engine, std::span<const std::vector<std::int32_t>> prompts,
                              const RolloutOptions& options);

// Most options for an engine that rolls out: `rows` answers at a time, each of at most `positions`.
EngineOptions rollout_engine(int rows, int positions, CacheType cache, int threads, const KernelTable& kernels);

}  // namespace limpid
