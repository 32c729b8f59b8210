// Sampling against a plain reference (sort everything, cut, draw), against chi-square, and its definitions one by one.
#include "engine/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "base/error.h"
#include "base/philox.h"

namespace limpid {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<float> random_logits(std::size_t size, unsigned seed, float spread = 4.0F) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, spread);
  std::vector<float> logits(size);
  for (float& logit : logits) logit = normal(random);
  return logits;
}

std::int32_t pick(std::span<const float> logits, const Sampling& sampling, std::uint64_t position = 0) {
  Sampler sampler;
  const Pick result = sampler.pick(logits, sampling, {}, {}, position);
  EXPECT_EQ(result.error, "");
  return result.id;
}

// The kept candidates, likeliest first, with their probabilities: the definition, in double.
std::vector<std::pair<std::int32_t, double>> plain_distribution(std::span<const float> logits,
                                                                const Sampling& sampling) {
  const double max = static_cast<double>(*std::max_element(logits.begin(), logits.end()));
  std::vector<std::pair<std::int32_t, double>> all;
  for (std::size_t i = 0; i < logits.size(); ++i)
    all.emplace_back(static_cast<std::int32_t>(i),
                     std::exp((static_cast<double>(logits[i]) - max) / static_cast<double>(sampling.temperature)));
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  if (sampling.top_k > 0 && all.size() > static_cast<std::size_t>(sampling.top_k))
    all.resize(static_cast<std::size_t>(sampling.top_k));
  const auto normalise = [&] {
    double total = 0;
    for (const auto& one : all) total += one.second;
    for (auto& one : all) one.second /= total;
  };
  normalise();
  if (sampling.top_p < 1.0F) {
    double sum = 0;
    std::size_t count = 0;
    while (count < all.size() && (count == 0 || sum < static_cast<double>(sampling.top_p))) sum += all[count++].second;
    all.resize(count);
    normalise();
  }
  const double least = static_cast<double>(sampling.min_p) * all.front().second;
  std::erase_if(all, [&](const auto& one) { return one.second < least; });
  normalise();
  return all;
}

TEST(Softmax, ExpIsAccurate) {
  std::vector<float> logits;
  for (float x = -70; x <= 0; x += 0.0137F) logits.push_back(x);
  logits.push_back(0);
  std::vector<float> weights(logits.size());
  const double total = softmax_weights(logits, 0.0F, 1.0F, weights);
  double sum = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double exact = std::exp(static_cast<double>(logits[i]));
    sum += exact;
    if (logits[i] > -69) {
      ASSERT_NEAR(static_cast<double>(weights[i]) / exact, 1.0, 2e-7) << logits[i];
    } else {
      ASSERT_EQ(weights[i], 0.0F);
    }
  }
  EXPECT_EQ(weights.back(), 1.0F);
  EXPECT_NEAR(total / sum, 1.0, 1e-7);
}

TEST(Softmax, SeesWhatIsNoNumberWhereverItStands) {
  for (std::size_t size : {1U, 15U, 16U, 17U, 100U})
    for (std::size_t at = 0; at < size; ++at)
      for (float bad : {std::numeric_limits<float>::quiet_NaN(), kInfinity}) {
        std::vector<float> logits = random_logits(size, 1);
        EXPECT_EQ(max_logit(logits), *std::max_element(logits.begin(), logits.end()));
        logits[at] = bad;
        EXPECT_TRUE(std::isnan(max_logit(logits)));
      }
  EXPECT_EQ(max_logit(std::vector<float>(20, -kInfinity)), -kInfinity);
}

TEST(CandidateOrder, IsAFullSortWithTiesById) {
  std::mt19937 random(3);
  for (int round = 0; round < 20; ++round) {
    std::vector<float> weights(1 + random() % 3000);
    for (float& weight : weights)
      weight = std::ldexp(static_cast<float>(random() % 8), -static_cast<int>(random() % 40) - 3);
    std::vector<std::int32_t> expected;
    for (std::size_t i = 0; i < weights.size(); ++i)
      if (weights[i] > 0) expected.push_back(static_cast<std::int32_t>(i));
    std::stable_sort(expected.begin(), expected.end(), [&](std::int32_t a, std::int32_t b) {
      return weights[static_cast<std::size_t>(a)] > weights[static_cast<std::size_t>(b)];
    });
    CandidateOrder order;
    order.start(weights);
    std::vector<std::int32_t> got;
    for (std::int32_t id = order.next(); id >= 0; id = order.next()) got.push_back(id);
    ASSERT_EQ(got, expected);
  }
}

TEST(Sampler, GreedyTakesTheFirstOfTheLargest) {
  Sampling greedy;
  greedy.temperature = 0;
  std::vector<float> logits = random_logits(1000, 4);
  logits[700] = logits[300] = logits[999] = 50;
  EXPECT_EQ(pick(logits, greedy), 300);
}

TEST(Sampler, DrawsWhatThePlainReferenceDraws) {
  std::vector<Sampling> settings(8);
  settings[1].temperature = 0.6F, settings[1].top_p = 0.95F;
  settings[2].top_k = 5;
  settings[3].top_k = 40, settings[3].top_p = 0.8F, settings[3].min_p = 0.05F;
  settings[4].min_p = 0.1F;
  settings[5].temperature = 3.0F;
  settings[6].top_p = 0.0F;
  settings[7].temperature = 1.5F, settings[7].top_k = 2000, settings[7].top_p = 0.999F;
  for (const Sampling& setting : settings)
    for (unsigned seed = 0; seed < 5; ++seed) {
      const std::vector<float> logits = random_logits(1500, seed);
      Sampling sampling = setting;
      sampling.seed = seed;
      const auto kept = plain_distribution(logits, sampling);
      for (std::uint64_t position = 0; position < 200; ++position) {
        const double u = philox_uniform(seed, 0, position);
        double sum = 0;
        std::size_t at = 0;
        while (at + 1 < kept.size() && (sum += kept[at].second) <= u) ++at;
        // Within rounding of a border either neighbour is right.
        double below = 0;
        for (std::size_t i = 0; i < at; ++i) below += kept[i].second;
        if (std::abs(below - u) < 1e-6 || std::abs(below + kept[at].second - u) < 1e-6) continue;
        ASSERT_EQ(pick(logits, sampling, position), kept[at].first) << "seed " << seed << ", position " << position;
      }
    }
}

// Pearson's statistic for 20000 draws against the definition; the bound is the 0.9999 quantile (Wilson and Hilferty's
// approximation).
TEST(Sampler, FollowsTheDistribution) {
  Sampling sampling;
  sampling.temperature = 0.8F;
  sampling.top_p = 0.98F;
  sampling.seed = 12345;
  const std::vector<float> logits = random_logits(30, 9, 1.0F);
  const auto expected = plain_distribution(logits, sampling);
  for (std::uint64_t sequence : {0U, 1U}) {
    sampling.sequence = sequence;
    std::vector<int> counts(logits.size());
    const int draws = 20000;
    Sampler sampler;
    for (int i = 0; i < draws; ++i)
      ++counts[static_cast<std::size_t>(sampler.pick(logits, sampling, {}, {}, static_cast<std::uint64_t>(i)).id)];
    double statistic = 0;
    int seen = 0;
    for (const auto& [id, probability] : expected) {
      const double mean = probability * draws;
      statistic += (counts[static_cast<std::size_t>(id)] - mean) * (counts[static_cast<std::size_t>(id)] - mean) / mean;
      seen += counts[static_cast<std::size_t>(id)];
    }
    EXPECT_EQ(seen, draws) << "nothing outside the kept candidates";
    const double freedom = static_cast<double>(expected.size()) - 1, part = 2 / (9 * freedom);
    EXPECT_LT(statistic, freedom * std::pow(1 - part + 3.719 * std::sqrt(part), 3));
  }
}

TEST(Sampler, SeedSequenceAndPositionEachChangeTheDraw) {
  const std::vector<float> flat(5000, 0.0F);
  Sampling sampling;
  const std::int32_t first = pick(flat, sampling, 3);
  EXPECT_EQ(pick(flat, sampling, 3), first);
  EXPECT_NE(pick(flat, sampling, 4), first);
  sampling.sequence = 1;
  EXPECT_NE(pick(flat, sampling, 3), first);
  sampling.sequence = 0, sampling.seed = 1;
  EXPECT_NE(pick(flat, sampling, 3), first);
}

TEST(Sampler, Penalties) {
  const std::vector<float> logits{2.0F, 1.9F, -1.0F, 1.0F};
  TokenCounts counts;
  Sampling sampling;
  sampling.temperature = 0;
  Sampler sampler;
  const auto choice = [&] { return sampler.pick(logits, sampling, counts, {}, 0).id; };
  EXPECT_EQ(choice(), 0);
  counts.prompt[0] = 3;
  sampling.frequency_penalty = sampling.presence_penalty = 1.0F;
  EXPECT_EQ(choice(), 0) << "these two look at the answer only";
  counts.answer[0] = 1;
  EXPECT_EQ(choice(), 1);
  counts.answer[1] = 2;
  sampling.presence_penalty = 0;
  sampling.frequency_penalty = 0.4F;  // 1.6, 1.1, -1, 1
  EXPECT_EQ(choice(), 0);
  counts.answer[0] = 3;  // 0.8, 1.1, -1, 1
  EXPECT_EQ(choice(), 1);
  sampling.frequency_penalty = 0;
  sampling.repetition_penalty = 2.0F;  // 1, .95, -1, 1: the first of equals
  EXPECT_EQ(choice(), 0);
  sampling.repetition_penalty = 2.1F;
  EXPECT_EQ(choice(), 3);
  // Negative logits are multiplied.
  const std::vector<float> negative{-1.0F, -1.5F};
  counts.answer.clear();
  counts.prompt = {{0, 1}};
  EXPECT_EQ(sampler.pick(negative, sampling, counts, {}, 0).id, 1);
}

TEST(Sampler, LogitBias) {
  std::vector<float> logits = random_logits(100, 2);
  logits[10] = 30;
  Sampling sampling;
  EXPECT_EQ(pick(logits, sampling), 10);
  sampling.logit_bias = {{10, -kInfinity}, {20, 100.0F}};
  EXPECT_EQ(pick(logits, sampling), 20);
}

TEST(Sampler, LogprobsAreTheModelsOwn) {
  const std::vector<float> logits = random_logits(5000, 6);
  double total = 0;
  for (float logit : logits) total += std::exp(static_cast<double>(logit));
  Sampling sampling;
  sampling.temperature = 0.5F;
  sampling.top_k = 3;
  sampling.logit_bias = {{17, 100.0F}};
  sampling.logprobs = 20;
  Sampler sampler;
  const Pick result = sampler.pick(logits, sampling, {}, {}, 0);
  EXPECT_EQ(result.id, 17);
  EXPECT_NEAR(static_cast<double>(result.logprob), static_cast<double>(logits[17]) - std::log(total), 1e-5);
  ASSERT_EQ(result.alternatives.size(), 20U);
  std::vector<std::int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    return logits[static_cast<std::size_t>(a)] > logits[static_cast<std::size_t>(b)];
  });
  for (std::size_t i = 0; i < 20; ++i) {
    EXPECT_EQ(result.alternatives[i].id, order[i]);
    EXPECT_NEAR(static_cast<double>(result.alternatives[i].logprob),
                static_cast<double>(logits[static_cast<std::size_t>(order[i])]) - std::log(total), 1e-5);
  }
  sampling.policy_logprobs = true;  // at the temperature that is drawn at, before cuts and bias
  double sharper = 0;
  for (float logit : logits) sharper += std::exp(2 * static_cast<double>(logit));
  EXPECT_NEAR(static_cast<double>(sampler.pick(logits, sampling, {}, {}, 0).logprob),
              2 * static_cast<double>(logits[17]) - std::log(sharper), 1e-5);
  sampling.logprobs = 0;
  EXPECT_TRUE(sampler.pick(logits, sampling, {}, {}, 0).alternatives.empty());
}

class OnlyEven : public LogitRule {
 public:
  void apply(std::span<float> logits) override {
    for (std::size_t i = 1; i < logits.size(); i += 2) logits[i] = -kInfinity;
  }
  void accept(std::int32_t) override {}
};
class Nothing : public LogitRule {
 public:
  void apply(std::span<float> logits) override { std::fill(logits.begin(), logits.end(), -kInfinity); }
  void accept(std::int32_t) override {}
};

TEST(Sampler, RulesBindAndErrorsAreSaid) {
  const std::vector<float> logits = random_logits(64, 8);
  Sampler sampler;
  OnlyEven even;
  Nothing nothing;
  LogitRule* rules[] = {&even};
  for (std::uint64_t position = 0; position < 100; ++position)
    EXPECT_EQ(sampler.pick(logits, {}, {}, rules, position).id % 2, 0);
  LogitRule* strict[] = {&even, &nothing};
  EXPECT_NE(sampler.pick(logits, {}, {}, strict, 5).error.find("no token"), std::string::npos);
  std::vector<float> broken = logits;
  broken[33] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_NE(sampler.pick(broken, {}, {}, {}, 5).error.find("position 5"), std::string::npos);
}

TEST(Sampler, ForcedTokensDrawNothingButHaveALogprob) {
  const std::vector<float> logits = random_logits(64, 8);
  Sampling sampling;
  sampling.logprobs = 1;
  Sampler sampler;
  const Pick forced = sampler.pick(logits, sampling, {}, {}, 0, 42);
  EXPECT_EQ(forced.id, 42);
  EXPECT_LT(forced.logprob, 0.0F);
}

TEST(Sampler, RefusesValuesOutOfRange) {
  const auto refused = [](auto change, const char* field) {
    Sampling sampling;
    change(sampling);
    try {
      check_sampling(sampling, 100);
      ADD_FAILURE() << field;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(field), std::string::npos);
    }
  };
  EXPECT_NO_THROW(check_sampling({}, 100));
  refused([](Sampling& s) { s.temperature = -1; }, "temperature");
  refused([](Sampling& s) { s.temperature = std::nanf(""); }, "temperature");
  refused([](Sampling& s) { s.top_p = 2; }, "top_p");
  refused([](Sampling& s) { s.top_k = -2; }, "top_k");
  refused([](Sampling& s) { s.min_p = -0.5F; }, "min_p");
  refused([](Sampling& s) { s.repetition_penalty = 0; }, "repetition_penalty");
  refused([](Sampling& s) { s.logprobs = 1000; }, "logprobs");
  refused([](Sampling& s) { s.logit_bias = {{100, 1.0F}}; }, "logit_bias");
}

}  // namespace
}  // namespace limpid
