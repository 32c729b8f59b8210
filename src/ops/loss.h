// Losses of rows of logits: cross-entropy, and policy gradients (GRPO: Shao et al., "DeepSeekMath", 2024, equation 3)
// whose log-probabilities are those that the sampler reports, bit for bit.
//
// With p the softmax of a row over the temperature, l = ln p[target] and w its weight, the loss of a row is
//   cross-entropy           -w a l                                     a = advantage, or 1
//   with old log-probabilities o, r = exp(l - o):
//     clipped ratio         -w min(r a, clamp(r, 1 - low, 1 + high) a) (PPO: Schulman et al., 2017)
//   plus, with those of a reference m, KL by Schulman's estimator k3:
//                           w kl (exp(m - l) - (m - l) - 1)
// On policy (r = 1) the clipped form has the gradient of the first, so that old may be left out.
#pragma once

#include <cstdint>
#include <span>

#include "ops/exec.h"

namespace limpid {

struct LossRows {  // one entry a row of the logits; empty: not used
  std::span<const std::int32_t> targets = {};
  std::span<const float> weights = {};  // 0: masked, neither loss nor gradient; the target may be anything then
  std::span<const float> advantages = {};
  std::span<const float> old_logprobs = {};
  float clip_low = 0.2F, clip_high = 0.2F;
  std::span<const float> reference_logprobs = {};
  float kl = 0.0F;
  float temperature =
      1.0F;  // at which the answers were drawn: the policy is what was drawn from, old and reference too
};

struct LossSums {
  double loss = 0;           // of all rows
  double kl = 0;             // sum of w times the estimator, without the factor
  std::int64_t clipped = 0;  // rows whose ratio was cut
  std::int64_t rows = 0;     // that are not masked
};

// logits (T, V), tracked: while a tape records, the gradient of the loss is added to theirs at once, so that backward()
// may follow. logprobs (T), written: l of each row, 0 where masked. Rows are summed in order, whatever the threads; all
// threads return the same. Starts after a barrier; ends with one. Throws Error(input) for a target out of range or
// lists of another length. Logits that are not finite give NaN.
LossSums token_loss(Exec& ex, const Tensor& logits, const LossRows& rows, std::span<float> logprobs);
std::size_t loss_arena_bytes(std::int64_t rows);
std::size_t loss_scratch_bytes(std::int64_t vocabulary);

}  // namespace limpid
