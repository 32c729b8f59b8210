#include "engine/sampler.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/philox.h"

namespace limpid {

namespace {

constexpr float kGreedyBelow = 1e-5F;  // its inverse times a difference of logits is far from overflowing

void check_range(const char* field, float value, float least, float most) {
  if (!(value >= least && value <= most))
    fail(ErrorKind::input, "{}: {} is not between {} and {}", field, value, least, most);
}

// 1 over the temperature of the log-probabilities that are reported.
float reported_inverse(const Sampling& sampling) {
  return sampling.policy_logprobs && sampling.temperature >= kGreedyBelow ? 1.0F / sampling.temperature : 1.0F;
}

bool changes_logits(const Sampling& sampling, std::span<LogitRule* const> rules) {
  return !rules.empty() || !sampling.logit_bias.empty() || sampling.repetition_penalty != 1.0F ||
         sampling.frequency_penalty != 0.0F || sampling.presence_penalty != 0.0F;
}

void penalise(const Sampling& sampling, const TokenCounts& counts, std::span<float> logits) {
  const auto repeat = [&](std::int32_t id) {
    float& logit = logits[static_cast<std::size_t>(id)];
    logit = logit > 0 ? logit / sampling.repetition_penalty : logit * sampling.repetition_penalty;
  };
  if (sampling.repetition_penalty != 1.0F) {
    for (const auto& [id, count] : counts.prompt) repeat(id);
    for (const auto& [id, count] : counts.answer)
      if (!counts.prompt.contains(id)) repeat(id);
  }
  if (sampling.frequency_penalty != 0.0F || sampling.presence_penalty != 0.0F)
    for (const auto& [id, count] : counts.answer)
      logits[static_cast<std::size_t>(id)] -=
          static_cast<float>(count) * sampling.frequency_penalty + sampling.presence_penalty;
}

}  // namespace

void check_sampling(const Sampling& sampling, int vocabulary) {
  check_range("temperature", sampling.temperature, 0.0F, 100.0F);
  check_range("top_p", sampling.top_p, 0.0F, 1.0F);
  check_range("min_p", sampling.min_p, 0.0F, 1.0F);
  check_range("repetition_penalty", sampling.repetition_penalty, 0.01F, 100.0F);
  check_range("frequency_penalty", sampling.frequency_penalty, -100.0F, 100.0F);
  check_range("presence_penalty", sampling.presence_penalty, -100.0F, 100.0F);
  if (sampling.top_k < 0) fail(ErrorKind::input, "top_k: {} is negative", sampling.top_k);
  if (sampling.logprobs < -1 || sampling.logprobs > kMostLogprobs)
    fail(ErrorKind::input, "logprobs: {} is not between 0 and {}", sampling.logprobs, kMostLogprobs);
  for (const auto& [id, bias] : sampling.logit_bias) {
    if (id < 0 || id >= vocabulary)
      fail(ErrorKind::input, "logit_bias: token {} is not in the vocabulary of {}", id, vocabulary);
    if (std::isnan(bias) || bias > 1e6F)
      fail(ErrorKind::input, "logit_bias: {} for token {} is no usable number", bias, id);
  }
}

Pick Sampler::pick(std::span<const float> logits, const Sampling& sampling, const TokenCounts& counts,
                   std::span<LogitRule* const> rules, std::uint64_t position, std::int32_t forced) {
  Pick result;
  const float max = max_logit(logits);
  own_total_ = 0;
  if (!std::isfinite(max)) {
    result.error = fmt::format("position {}: the model's logits are not finite", position);
    return result;
  }
  if (forced >= 0) {
    result.id = forced;
  } else if (changes_logits(sampling, rules)) {
    changed_.assign(logits.begin(), logits.end());
    penalise(sampling, counts, changed_);
    for (const auto& [id, bias] : sampling.logit_bias) changed_[static_cast<std::size_t>(id)] += bias;
    for (LogitRule* rule : rules) rule->apply(changed_);
    const float changed_max = max_logit(changed_);
    if (!std::isfinite(changed_max)) {
      result.error = fmt::format("position {}: rules, bias and penalties leave no token to choose", position);
      return result;
    }
    result.id = draw(changed_, changed_max, sampling, position);
    own_total_ = 0;
  } else {
    result.id = draw(logits, max, sampling, position);
  }
  if (sampling.logprobs >= 0) report(logits, max, sampling, result);
  return result;
}

void Sampler::report(std::span<const float> logits, float max, const Sampling& sampling, Pick& pick) {
  weights_.resize(logits.size());
  const float inverse = reported_inverse(sampling);
  const double total = own_total_ > 0 ? own_total_ : softmax_weights(logits, max, inverse, weights_);
  const auto logprob = [&](std::int32_t id) {
    return static_cast<float>(log_probability(logits[static_cast<std::size_t>(id)], max, total, inverse));
  };
  pick.logprob = logprob(pick.id);
  order_.start(weights_);
  for (int i = 0; i < sampling.logprobs; ++i) {
    const std::int32_t id = order_.next();
    if (id < 0) break;
    pick.alternatives.push_back({id, logprob(id)});
  }
}

std::int32_t Sampler::draw(std::span<const float> logits, float max, const Sampling& sampling, std::uint64_t position) {
  if (sampling.temperature < kGreedyBelow || sampling.top_k == 1) return argmax(logits);
  weights_.resize(logits.size());
  const double total = softmax_weights(logits, max, 1.0F / sampling.temperature, weights_);
  if (1.0F / sampling.temperature == reported_inverse(sampling)) own_total_ = total;
  const double u = philox_uniform(sampling.seed, sampling.sequence, position);
  order_.start(weights_);
  if (sampling.top_k > 0 || sampling.top_p < 1.0F || sampling.min_p > 0.0F) return draw_from_kept(sampling, total, u);
  double sum = 0;
  std::int32_t last = -1;
  for (std::int32_t id = order_.next(); id >= 0; id = order_.next()) {
    last = id;
    sum += static_cast<double>(weights_[static_cast<std::size_t>(id)]);
    if (sum > u * total) break;
  }
  return last;
}

// Every cut leaves a beginning of the ordered list. The largest weight is 1, so min_p compares with weights as they
// are.
std::int32_t Sampler::draw_from_kept(const Sampling& sampling, double total, double u) {
  const auto weight = [&](std::int32_t id) { return static_cast<double>(weights_[static_cast<std::size_t>(id)]); };
  const std::size_t most = sampling.top_k > 0 ? static_cast<std::size_t>(sampling.top_k) : weights_.size();
  kept_.clear();
  const auto grow = [&] {
    const std::int32_t id = kept_.size() < most ? order_.next() : -1;
    if (id >= 0) kept_.push_back(id);
    return id >= 0;
  };
  if (sampling.top_k > 0 && sampling.top_p < 1.0F) {  // top-p is over what top-k left
    while (grow()) {
    }
    total = 0;
    for (std::int32_t id : kept_) total += weight(id);
  }
  const double enough = sampling.top_p < 1.0F ? static_cast<double>(sampling.top_p) * total : INFINITY;
  double sum = 0;
  std::size_t count = 0;
  while (count < kept_.size() || grow()) {
    if (count > 0 && (sum >= enough || weight(kept_[count]) < static_cast<double>(sampling.min_p))) break;
    sum += weight(kept_[count++]);
  }
  double drawn = 0;
  for (std::size_t i = 0; i < count; ++i) {
    drawn += weight(kept_[i]);
    if (drawn > u * sum) return kept_[i];
  }
  return kept_[count - 1];
}

}  // namespace limpid
