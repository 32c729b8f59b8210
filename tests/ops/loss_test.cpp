// Losses against plain sums in double precision, their gradients by finite differences, and bits that do not depend on
// threads.
#include "ops/loss.h"

#include <array>

#include "base/error.h"
#include "gradient_world.h"
#include "ops/softmax.h"

namespace limpid::ops_test {
namespace {

constexpr std::int64_t kLossRows = 9, kVocabulary = 37;

struct Outcome {
  LossSums sums;
  std::vector<float> logprobs, gradient;
};

Outcome run_loss(const LossRows& rows, const std::vector<float>& logits, const How& how = {}) {
  Outcome result{{}, std::vector<float>(kLossRows, 7.0F), std::vector<float>(logits.size())};
  std::vector<float> values = logits;
  run_step(how, loss_arena_bytes(kLossRows), loss_scratch_bytes(kVocabulary), [&](Exec& ex) {
    Tensor tensor = tensor_of(values, kLossRows);
    tensor.gradient = result.gradient.data();
    const LossSums sums = token_loss(ex, tensor, rows, result.logprobs);
    if (ex.thread == ex.threads - 1) result.sums = sums;
    EXPECT_EQ(ex.arena.used(), 0U);
  });
  return result;
}

double logprob_of(const std::vector<float>& logits, std::int64_t row, std::int32_t target, double temperature = 1) {
  double total = 0;
  const float* x = logits.data() + row * kVocabulary;
  for (std::int64_t j = 0; j < kVocabulary; ++j) total += std::exp(static_cast<double>(x[j]) / temperature);
  return static_cast<double>(x[target]) / temperature - std::log(total);
}

class Loss : public ::testing::Test {
 protected:
  Loss() : logits_(random_values(kLossRows * kVocabulary, 1, 2.0F)) {
    for (std::int64_t t = 0; t < kLossRows; ++t) {
      const auto target = static_cast<std::int32_t>(t * 5 % kVocabulary);
      targets_.push_back(target);
      const double l = logprob_of(logits_, t, target);
      old_.push_back(static_cast<float>(l + 0.15 * static_cast<double>(t - 4)));  // both sides of the clip
      reference_.push_back(static_cast<float>(l + 0.3 * static_cast<double>(t % 3 - 1)));
    }
    targets_[3] = -1;  // masked below
  }
  // Gradients by differences, bits by threads and instruction sets.
  void check(const LossRows& rows, double expected_loss) {
    const Outcome outcome = run_loss(rows, logits_);
    EXPECT_NEAR(outcome.sums.loss, expected_loss, 1e-5 * (1 + std::fabs(expected_loss)));
    for (const KernelTable* table : kernel_tables())
      for (int threads : {1, 2, 3}) {
        const Outcome other = run_loss(rows, logits_, {threads, table});
        EXPECT_EQ(other.sums.loss, outcome.sums.loss);
        EXPECT_TRUE(same_bits(other.gradient, outcome.gradient));
        EXPECT_TRUE(same_bits(other.logprobs, outcome.logprobs));
      }
    for (std::size_t i = 0; i < logits_.size(); ++i) {
      std::vector<float> moved = logits_;
      moved[i] = logits_[i] + 2e-3F;
      const double above = run_loss(rows, moved).sums.loss, high = static_cast<double>(moved[i]);
      moved[i] = logits_[i] - 2e-3F;
      const double slope = (above - run_loss(rows, moved).sums.loss) / (high - static_cast<double>(moved[i]));
      EXPECT_NEAR(static_cast<double>(outcome.gradient[i]), slope, 1e-3) << "row " << i / kVocabulary;
    }
  }

  std::vector<float> logits_, old_, reference_;
  std::vector<std::int32_t> targets_;
  const std::vector<float> weights_{1, 0.5F, 2, 0, 1, 1, 0.25F, 1, 1}, advantages_{1, -1, 0.5F, 3, -2, 1, 1, -0.5F, 0};
};

TEST_F(Loss, CrossEntropy) {
  double expected = 0;
  for (std::int64_t t = 0; t < kLossRows; ++t)
    if (t != 3)
      expected -= static_cast<double>(weights_[static_cast<std::size_t>(t)]) *
                  logprob_of(logits_, t, targets_[static_cast<std::size_t>(t)]);
  const LossRows rows{.targets = targets_, .weights = weights_};
  check(rows, expected);
  const Outcome outcome = run_loss(rows, logits_);
  EXPECT_EQ(outcome.sums.rows, kLossRows - 1);
  EXPECT_EQ(outcome.logprobs[3], 0.0F);
  for (std::int64_t j = 0; j < kVocabulary; ++j)
    EXPECT_EQ(outcome.gradient[static_cast<std::size_t>(3 * kVocabulary + j)], 0.0F);
}

TEST_F(Loss, LogprobsAreTheSamplersToTheBit) {
  const Outcome outcome = run_loss({.targets = targets_, .weights = weights_}, logits_);
  for (std::int64_t t = 0; t < kLossRows; ++t) {
    if (t == 3) continue;
    const std::span<const float> row(logits_.data() + t * kVocabulary, kVocabulary);
    const float max = max_logit(row);
    const auto id = static_cast<std::size_t>(targets_[static_cast<std::size_t>(t)]);
    EXPECT_EQ(outcome.logprobs[static_cast<std::size_t>(t)],
              static_cast<float>(log_probability(row[id], max, softmax_weights(row, max, 1.0F, {}))));
    EXPECT_NEAR(outcome.logprobs[static_cast<std::size_t>(t)], logprob_of(logits_, t, static_cast<std::int32_t>(id)),
                1e-5);
  }
}

TEST_F(Loss, ClippedRatioAndKl) {
  double expected = 0;
  std::int64_t clipped = 0;
  for (std::int64_t t = 0; t < kLossRows; ++t) {
    const auto i = static_cast<std::size_t>(t);
    if (t == 3) continue;
    const double l = logprob_of(logits_, t, targets_[i]), a = advantages_[i];
    const double ratio = std::exp(l - static_cast<double>(old_[i])), kept = std::clamp(ratio, 0.9, 1.3);
    clipped += kept * a < ratio * a;
    const double behind = static_cast<double>(reference_[i]) - l;
    expected += static_cast<double>(weights_[i]) *
                (-std::min(ratio * a, kept * a) + static_cast<double>(0.04F) * (std::exp(behind) - behind - 1));
  }
  ASSERT_GE(clipped, 2);
  const LossRows rows{.targets = targets_,
                      .weights = weights_,
                      .advantages = advantages_,
                      .old_logprobs = old_,
                      .clip_low = 0.1F,
                      .clip_high = 0.3F,
                      .reference_logprobs = reference_,
                      .kl = 0.04F};
  check(rows, expected);
  EXPECT_EQ(run_loss(rows, logits_).sums.clipped, clipped);
}

// Answers drawn at 0.7 are of the policy at 0.7: log-probability, ratio, divergence and gradient are its own.
TEST_F(Loss, AtTheTemperatureThatTheAnswersWereDrawnAt) {
  const double temperature = static_cast<double>(0.7F);
  double expected = 0;
  for (std::int64_t t = 0; t < kLossRows; ++t) {
    const auto i = static_cast<std::size_t>(t);
    if (t == 3) continue;
    const double l = logprob_of(logits_, t, targets_[i], temperature), a = advantages_[i];
    old_[i] = static_cast<float>(l + 0.15 * static_cast<double>(t - 4));
    const double ratio = std::exp(l - static_cast<double>(old_[i])), kept = std::clamp(ratio, 0.9, 1.3);
    const double behind = static_cast<double>(reference_[i]) - l;
    expected += static_cast<double>(weights_[i]) *
                (-std::min(ratio * a, kept * a) + static_cast<double>(0.04F) * (std::exp(behind) - behind - 1));
  }
  const LossRows rows{.targets = targets_,
                      .weights = weights_,
                      .advantages = advantages_,
                      .old_logprobs = old_,
                      .clip_low = 0.1F,
                      .clip_high = 0.3F,
                      .reference_logprobs = reference_,
                      .kl = 0.04F,
                      .temperature = 0.7F};
  check(rows, expected);
  const Outcome outcome = run_loss(rows, logits_);
  EXPECT_NEAR(outcome.logprobs[0], logprob_of(logits_, 0, targets_[0], temperature), 1e-5);
  EXPECT_GT(std::fabs(outcome.logprobs[0] - logprob_of(logits_, 0, targets_[0])), 0.01);
  LossRows none = rows;
  none.temperature = 0;
  EXPECT_THROW(run_loss(none, logits_), Error);
}

// On policy the ratio is 1: the clipped form has the bits of the plain one.
TEST_F(Loss, OnPolicyTheRatioIsOne) {
  const LossRows plain{.targets = targets_, .weights = weights_, .advantages = advantages_};
  const Outcome first = run_loss(plain, logits_);
  LossRows clipped = plain;
  clipped.old_logprobs = first.logprobs;
  const Outcome second = run_loss(clipped, logits_);
  EXPECT_TRUE(same_bits(first.gradient, second.gradient));
  EXPECT_EQ(second.sums.clipped, 0);
}

TEST_F(Loss, WhatCannotBeIsAnError) {
  std::vector<std::int32_t> outside = targets_;
  outside[0] = kVocabulary;
  EXPECT_THROW(run_loss({.targets = outside, .weights = weights_}, logits_, {2}), Error);
  const std::vector<float> few(3);
  EXPECT_THROW(run_loss({.targets = targets_, .weights = few}, logits_), Error);
  std::vector<float> broken = logits_;
  broken[5] = std::nanf("");
  EXPECT_TRUE(std::isnan(run_loss({.targets = targets_, .weights = weights_}, broken).sums.loss));
}

}  // namespace
}  // namespace limpid::ops_test
