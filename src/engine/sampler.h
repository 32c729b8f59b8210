// Sampler: from a row of logits to a token. A pure function of the logits, the parameters, the ids so far and (seed,
// sequence, position).
//
// Order: rules, penalties and bias change logits; temperature 0 takes the largest (the lowest id of equals). Otherwise
// the logits are divided by the temperature, top-k, top-p (over what top-k left) and min-p each cut the list of
// candidates, ordered by (probability descending, id ascending), and u = Philox(seed, sequence, position) picks from
// what is left, renormalised.
//
// Penalties: repetition (Keskar et al., "CTRL", 2019) divides positive and multiplies negative logits of every id in
// prompt or answer; frequency and presence (the OpenAI API) subtract count * frequency + presence for ids of the
// answer.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ops/softmax.h"

namespace limpid {

struct Sampling {
  float temperature = 1.0F;         // 0: greedy
  int top_k = 0;                    // 0: off
  float top_p = 1.0F;               // 1: off
  float min_p = 0.0F;               // 0: off; else the least probability relative to the largest
  float repetition_penalty = 1.0F;  // 1: off
  float frequency_penalty = 0.0F;
  float presence_penalty = 0.0F;
  std::vector<std::pair<std::int32_t, float>> logit_bias;  // added to the logit; -inf forbids
  std::uint64_t seed = 0;
  std::uint64_t sequence = 0;  // which of several answers with one seed
  int logprobs = -1;           // -1: none; n >= 0: the token's log-probability and the n likeliest ids with theirs
  bool policy_logprobs =
      false;  // these are at the temperature, of what is drawn from before cuts, penalties, bias and rules
              // (ops/loss.h computes them again); false, or greedy: the model's own, at temperature 1
};
inline constexpr int kMostLogprobs = 100;

// Throws Error(input) naming the field, the value and its range.
void check_sampling(const Sampling& sampling, int vocabulary);

struct TokenLogprob {
  std::int32_t id = 0;
  float logprob = 0;
};

struct Pick {
  std::int32_t id = -1;
  float logprob = 0;  // where asked for (Sampling::logprobs): of the model's own distribution, nothing cut
  std::vector<TokenLogprob> alternatives;  // likeliest first
  std::string error;                       // not empty: nothing could be picked, and why
};

// How often each id came up, kept by the engine for each sequence; only filled when a penalty needs it.
struct TokenCounts {
  std::unordered_map<std::int32_t, int> prompt, answer;
};

// Something that changes the logits of a sequence before sampling: a grammar, a list of allowed ids. One object serves
// one sequence. Called from the engine's threads, one call at a time; must not block. An exception ends the request
// with its text.
class LogitRule {
 public:
  virtual ~LogitRule() = default;
  virtual void apply(std::span<float> logits) = 0;  // (V); -inf forbids an id
  virtual void accept(std::int32_t id) = 0;         // id was appended to the answer
};

// Working memory for one thread.
class Sampler {
 public:
  // logits (V) stay as they are. `forced` >= 0: this id is taken, only its log-probability is computed. Throws what a
  // rule throws.
  Pick pick(std::span<const float> logits, const Sampling& sampling, const TokenCounts& counts,
            std::span<LogitRule* const> rules, std::uint64_t position, std::int32_t forced = -1);

 private:
  void report(std::span<const float> logits, float max, const Sampling& sampling, Pick& pick);
  std::int32_t draw(std::span<const float> logits, float max, const Sampling& sampling, std::uint64_t position);
  std::int32_t draw_from_kept(const Sampling& sampling, double total, double u);

  std::vector<float> changed_, weights_;
  std::vector<std::int32_t> kept_;
  double own_total_ = 0;  // of weights_, where they are those that are reported; else 0
  CandidateOrder order_;
};

}  // namespace limpid
