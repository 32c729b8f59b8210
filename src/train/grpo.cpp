#include "train/grpo.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/error.h"
#include "base/philox.h"
#include "train/fields.h"

namespace limpid {

namespace {

constexpr double kLeastDeviation = 1e-6;
constexpr std::uint64_t kShuffleDomain = std::uint64_t{1} << 62;  // no answer has this sequence
constexpr std::uint64_t kOrderDomain = std::uint64_t{3} << 61;    // nor this one

}  // namespace

GrpoSettings GrpoSettings::parse(const nlohmann::json& json, const std::string& name) {
  GrpoSettings s;
  s.optimiser.decay = 0;
  Fields fields(json, name);
  s.steps = fields.integer("steps", s.steps, 1, 1 << 30);
  s.prompts = fields.integer("prompts", s.prompts, 1, 1 << 16);
  s.group = fields.integer("group", s.group, 2, 1 << 12);
  s.max_tokens = fields.integer("max_tokens", s.max_tokens, 1, 1 << 20);
  s.length = fields.integer("length", s.length, 2, 1 << 20);
  s.rows = fields.integer("rows", s.rows, 1, 1 << 14);
  s.temperature = fields.number("temperature", s.temperature, 0.01, 10);
  if (const nlohmann::json* value = fields.any("reward")) {
    Fields reward(*value, fields.where("reward"));
    s.reward.accuracy = reward.number("accuracy", s.reward.accuracy, 0, 100);
    s.reward.format = reward.number("format", s.reward.format, 0, 100);
    s.reward.language = reward.number("language", s.reward.language, 0, 100);
    reward.done();
  }
  s.normalise = fields.boolean("normalise", s.normalise);
  s.skip_equal = fields.boolean("skip_equal", s.skip_equal);
  s.answer_level = fields.choice("loss", {"token", "answer"}, 0) == 1;
  s.updates = fields.integer("updates", s.updates, 1, 1 << 12);
  if ((s.prompts * s.group) % s.updates != 0)
    fail(ErrorKind::input, "{}: {} answers cannot be shared among {}", fields.where("updates"), s.prompts * s.group,
         s.updates);
  s.clip_low = fields.number("clip_low", s.clip_low, 0, 1);
  s.clip_high = fields.number("clip_high", s.clip_high, 0, 1e6);
  s.kl = fields.number("kl", s.kl, 0, 100);
  s.reference_steps = fields.integer("reference_steps", s.reference_steps, 0, 1 << 30);
  s.learning_rate = fields.number("learning_rate", s.learning_rate, 0, 10);
  s.warmup_steps = fields.integer("warmup_steps", s.warmup_steps, 0, 1 << 30);
  if (const nlohmann::json* value = fields.any("optimiser")) {
    s.optimiser = OptimiserSettings::parse(*value, fields.where("optimiser"));
    if (!value->contains("decay")) s.optimiser.decay = 0;
  }
  s.divergence = fields.number("divergence", s.divergence, 0, 1e6);
  s.precision = fields.choice("precision", {"f32", "bf16"}, 0) == 0 ? DType::f32 : DType::bf16;
  s.forward_tokens = fields.integer("forward_tokens", s.forward_tokens, 2, 1 << 24);
  if (s.forward_tokens < s.length)
    fail(ErrorKind::input, "{}: {} is less than the {} of \"length\"", fields.where("forward_tokens"), s.forward_tokens,
         s.length);
  s.shuffle_rewards = fields.boolean("shuffle_rewards", s.shuffle_rewards);
  s.seed = static_cast<std::uint64_t>(fields.integer("seed", 1, 0, INT64_MAX));
  fields.done();
  return s;
}

double GrpoSettings::rate_at(std::int64_t step) const {
  return step < warmup_steps ? learning_rate * static_cast<double>(step + 1) / static_cast<double>(warmup_steps)
                             : learning_rate;
}

std::vector<double> group_advantages(std::span<const double> rewards, bool normalise) {
  const auto n = static_cast<double>(rewards.size());
  const double mean = std::accumulate(rewards.begin(), rewards.end(), 0.0) / n;
  std::vector<double> advantages;
  double squares = 0;
  for (double reward : rewards) {
    advantages.push_back(reward - mean);
    squares += advantages.back() * advantages.back();
  }
  if (normalise)
    for (double& advantage : advantages) advantage /= std::sqrt(squares / n) + kLeastDeviation;
  return advantages;
}

bool all_equal(std::span<const double> rewards) {
  return std::ranges::all_of(rewards, [&](double reward) { return reward == rewards[0]; });
}

void shuffle_rewards(std::span<double> rewards, std::uint64_t seed, std::uint64_t step) {
  for (std::size_t i = rewards.size(); i > 1; --i) {
    const double u = philox_uniform(seed, kShuffleDomain + step, i);
    std::swap(rewards[i - 1], rewards[static_cast<std::size_t>(u * static_cast<double>(i))]);
  }
}

std::vector<std::size_t> minibatch_order(std::size_t answers, std::uint64_t seed, std::uint64_t step) {
  std::vector<std::size_t> order(answers);
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (std::size_t i = answers; i > 1; --i) {
    const double u = philox_uniform(seed, kOrderDomain + step, i);
    std::swap(order[i - 1], order[static_cast<std::size_t>(u * static_cast<double>(i))]);
  }
  return order;
}

double token_weight(const GrpoSettings& settings, std::size_t tokens) {
  return settings.answer_level ? 1.0 / static_cast<double>(tokens) : 1.0;
}

}  // namespace limpid
