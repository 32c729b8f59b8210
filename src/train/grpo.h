// GRPO (Shao et al., "DeepSeekMath", 2024, section 4.1; DeepSeek-R1, section 2.2.1): the settings and the arithmetic
// between the rewards of a group of answers and the loss of their tokens. Pure; train/grpo_run.h does the steps.
//
// What the papers differ in is a field each: DeepSeek-R1 divides by the standard deviation, has a loss per answer and a
// KL term whose reference is replaced; DAPO (2025) a loss per token; "Dr. GRPO" (2025) leaves out the deviation.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "tensor/dtype.h"
#include "train/optimiser.h"

namespace limpid {

struct RewardWeights {
  double accuracy = 1.0;  // the answer is right
  double format = 0.2;    // it is well formed: <think>, thinking, </think>, answer, and its end
  double language =
      0.0;  // times the share of the thinking's words that are in the prompt's language (R1, section 2.3.2)
};

struct GrpoSettings {
  std::int64_t steps = 100;
  std::int64_t prompts = 32, group = 16;  // of a step; answers to each prompt
  std::int64_t max_tokens = 96;           // of an answer; a longer one is cut and gets no reward
  std::int64_t length = 192;              // most tokens of prompt and answer
  std::int64_t rows = 512;                // answers that the engine writes at a time
  double temperature = 1.0;               // of the policy: answers are drawn, and the loss is computed, at it
  RewardWeights reward;
  bool normalise = false;     // divide by the standard deviation of the group's rewards
  bool skip_equal = true;     // leave out groups whose rewards are all the same: they teach nothing
  bool answer_level = false;  // each answer counts the same in the loss; false: each token
  std::int64_t updates = 1;   // of the parameters for a rollout, each by as many answers, which are shared out by lot
  double clip_low = 0.2, clip_high = 0.2;
  double kl = 0;                     // factor of the divergence from the reference
  std::int64_t reference_steps = 0;  // after so many steps the policy becomes the reference; 0: the first one stays
  double learning_rate = 3e-4;
  std::int64_t warmup_steps = 5;
  OptimiserSettings optimiser;  // its decay is 0 unless the file says otherwise
  double divergence =
      0.3;  // the run stops when the reward, smoothed over about ten steps, is so far below its best; 0: never
  DType precision = DType::f32;        // of the products of rollouts and training alike
  std::int64_t forward_tokens = 2048;  // of one forward with its backward: bounds memory
  bool shuffle_rewards = false;        // a control: rewards go to answers by lot; nothing may be learned
  std::uint64_t seed = 1;

  // Fields as named; "reward": {"accuracy", "format", "language"}, "loss": "token" | "answer". Throws Error(input).
  static GrpoSettings parse(const nlohmann::json& json, const std::string& name);
  double rate_at(std::int64_t step) const;
};

// Rewards of one group minus their mean, divided by their standard deviation (of the population, plus 1e-6) where asked.
std::vector<double> group_advantages(std::span<const double> rewards, bool normalise);
bool all_equal(std::span<const double> rewards);

// Puts the rewards in an order drawn by (seed, step).
void shuffle_rewards(std::span<double> rewards, std::uint64_t seed, std::uint64_t step);

// In which order `answers` answers go into the updates of a step, drawn by (seed, step): DeepSeek-R1 splits a rollout into
// minibatches at random.
std::vector<std::size_t> minibatch_order(std::size_t answers, std::uint64_t seed, std::uint64_t step);

// Weight in the loss of each token of an answer of `tokens` tokens; the sum over an update's answers is what the loss is
// divided by: its tokens, or its answers.
double token_weight(const GrpoSettings& settings, std::size_t tokens);

}  // namespace limpid
