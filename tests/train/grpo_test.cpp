// GRPO: its arithmetic against numpy, and its steps on tiny models of all kinds: on policy to the bit, the same for any
// number of threads, learning what is rewarded and nothing from rewards by lot.
#include "train/grpo_run.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "base/error.h"
#include "tests/train/trained_tokenizer.h"
#include "train/mix_tokenizer.h"
#include "train/tokenizer_files.h"

namespace limpid {
namespace {

TEST(GrpoArithmetic, AgreesWithNumpy) {
  std::ifstream file(TEST_DATA "/grpo_goldens.json");
  for (const nlohmann::json& golden : nlohmann::json::parse(file)) {
    const auto rewards = golden["rewards"].get<std::vector<double>>();
    const auto lengths = golden["lengths"].get<std::vector<std::size_t>>();
    const auto centred = group_advantages(rewards, false), normalised = group_advantages(rewards, true);
    const double tokens = static_cast<double>(std::accumulate(lengths.begin(), lengths.end(), std::size_t{0}));
    GrpoSettings by_token, by_answer;
    by_answer.answer_level = true;
    for (std::size_t i = 0; i < rewards.size(); ++i) {
      EXPECT_NEAR(centred[i], golden["centred"][i].get<double>(), 1e-12);
      EXPECT_NEAR(normalised[i], golden["normalised"][i].get<double>(), 1e-9);
      EXPECT_NEAR(token_weight(by_token, lengths[i]) / tokens, golden["token_share"][i].get<double>(), 1e-15);
      EXPECT_NEAR(token_weight(by_answer, lengths[i]) / static_cast<double>(rewards.size()),
                  golden["answer_share"][i].get<double>(), 1e-15);
    }
  }
  EXPECT_TRUE(all_equal(std::vector<double>{1, 1, 1}));
  EXPECT_FALSE(all_equal(std::vector<double>{1, 1, 0.2}));
  for (double advantage : group_advantages(std::vector<double>{0.3, 0.3}, true)) EXPECT_EQ(advantage, 0);
}

TEST(GrpoArithmetic, ShufflingKeepsTheRewardsAndMovesThem) {
  std::vector<double> rewards(100);
  std::iota(rewards.begin(), rewards.end(), 0.0);
  std::vector<double> moved = rewards, again = rewards, other = rewards;
  shuffle_rewards(moved, 1, 7);
  shuffle_rewards(again, 1, 7);
  shuffle_rewards(other, 1, 8);
  EXPECT_EQ(moved, again);
  EXPECT_NE(moved, other);
  EXPECT_NE(moved, rewards);
  std::ranges::sort(moved);
  EXPECT_EQ(moved, rewards);
}

TEST(GrpoArithmetic, MinibatchesAreDrawnByLot) {
  const std::vector<std::size_t> order = minibatch_order(8192, 1, 7);
  EXPECT_EQ(order, minibatch_order(8192, 1, 7));
  EXPECT_NE(order, minibatch_order(8192, 1, 8));
  EXPECT_NE(order, minibatch_order(8192, 2, 7));
  std::vector<std::size_t> sorted = order;
  std::ranges::sort(sorted);
  for (std::size_t i = 0; i < sorted.size(); ++i) ASSERT_EQ(sorted[i], i);
  // Of the first 512 answers about a sixteenth is in the first minibatch of 512 (32; deviation 5.3).
  EXPECT_NEAR(
      static_cast<double>(std::count_if(order.begin(), order.begin() + 512, [](std::size_t i) { return i < 512; })), 32,
      22);
}

TEST(GrpoSettingsFile, NamesWhatIsWrong) {
  const auto error = [](const char* text) {
    try {
      GrpoSettings::parse(nlohmann::json::parse(text), "rl");
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  EXPECT_NE(error(R"({"group_size": 4})").find("group_size"), std::string::npos);
  EXPECT_NE(error(R"({"reward": {"accurcy": 1}})").find("accurcy"), std::string::npos);
  EXPECT_NE(error(R"({"prompts": 3, "group": 5, "updates": 4})").find("updates"), std::string::npos);
  EXPECT_NE(error(R"({"length": 512, "forward_tokens": 100})").find("forward_tokens"), std::string::npos);
  EXPECT_NE(error(R"({"loss": "sample"})").find("loss"), std::string::npos);
  const GrpoSettings paper = GrpoSettings::parse(
      nlohmann::json::parse(R"({"normalise": true, "loss": "answer", "kl": 0.001, "updates": 16, "clip_high": 10})"),
      "rl");
  EXPECT_TRUE(paper.normalise && paper.answer_level);
  EXPECT_EQ(paper.updates, 16);
  EXPECT_EQ(paper.optimiser.decay, 0);
}

const Tokenizer& grpo_tokenizer() {
  static const Tokenizer result = [] {
    TokenizerPlan plan;
    plan.vocabulary = 520;
    return from_json(learn_tokenizer(default_mix(), 1, 1500, plan));
  }();
  return result;
}

ModelConfig config_of(const std::string& kind) {
  ModelConfig c;
  c.architecture = kind;
  c.vocabulary = static_cast<int>(grpo_tokenizer().vocabulary_size());
  c.width = 32, c.layers = 2, c.context = 256, c.heads = 2, c.feed_forward = 48;
  if (kind == "deepseek_v3") {
    c.q_rank = 16, c.kv_rank = 32, c.nope_dim = 16, c.rope_dim = 16, c.value_dim = 16;
    c.rope.dim = 16, c.rope.interleaved = true;
    c.dense_layers = 1, c.experts = 4, c.experts_chosen = 2, c.expert_width = 32, c.shared_experts = 1;
  } else {
    c.kv_heads = 1, c.head_dim = c.rope.dim = 16;
  }
  return c;
}

Mix easy_mix() {
  Mix mix;
  mix.parts = {{Family::addsub, 1, 1, 1, 0.5}};
  return mix;
}

class GrpoSteps : public testing::TestWithParam<std::tuple<std::string, DType>> {
 protected:
  GrpoSteps() {
    settings_.prompts = 4;
    settings_.group = 8;
    settings_.max_tokens = 6;
    settings_.length = 64;
    settings_.rows = 32;
    settings_.learning_rate = 1e-2;
    settings_.warmup_steps = 0;
    settings_.optimiser.decay = 0;
    settings_.precision = std::get<1>(GetParam());
    settings_.forward_tokens = 256;  // several forwards for an update
    settings_.seed = 3;
  }
  // A rule that a policy without knowledge can learn: the answer begins with a character before the small letters.
  static double first_is_low(const Sample&, const EvalAnswer& answer) {
    return !answer.reply.empty() && static_cast<unsigned char>(answer.reply[0]) < 0x60 ? 1 : 0;
  }
  std::unique_ptr<Trainer> trainer(int threads) const {
    TrainerOptions options;
    options.precision = settings_.precision;
    options.threads = threads;
    options.kernels = &best_kernels();
    options.arena_bytes = std::size_t{256} << 20;
    auto result = std::make_unique<Trainer>(config_of(std::get<0>(GetParam())), options, settings_.optimiser);
    result->store().initialise(9);
    result->refresh();
    return result;
  }
  struct Run {
    std::vector<GrpoMetrics> metrics;
    std::vector<float> values;
  };
  Run run(int threads, int steps) const {
    const auto t = trainer(threads);
    Grpo grpo(*t, grpo_tokenizer(), easy_mix(), settings_, threads, best_kernels(), first_is_low);
    Run result;
    for (int i = 0; i < steps; ++i) result.metrics.push_back(grpo.step());
    const std::span<float> values = t->store().values();
    result.values.assign(values.begin(), values.end());
    return result;
  }
  // Of five steps from `first` on.
  static double mean_reward(const Run& run, std::size_t first) {
    double sum = 0;
    for (std::size_t i = first; i < first + 5; ++i) sum += run.metrics[i].reward;
    return sum / 5;
  }
  GrpoSettings settings_;
};

INSTANTIATE_TEST_SUITE_P(Models, GrpoSteps,
                         testing::Values(std::tuple{"deepseek_v3", DType::f32}, std::tuple{"deepseek_v3", DType::bf16},
                                         std::tuple{"llama", DType::f32}),
                         [](const auto& kind) {
                           return std::get<0>(kind.param) + (std::get<1>(kind.param) == DType::f32 ? "_f32" : "_bf16");
                         });

TEST_P(GrpoSteps, RolloutsAreOnPolicyToTheBit) {
  const Run one = run(1, 4);
  for (const GrpoMetrics& m : one.metrics) {
    EXPECT_EQ(m.mismatch, 0) << m.step;
    EXPECT_EQ(m.clipped, 0) << m.step;
    EXPECT_GT(m.rollout_tokens, 0);
  }
  const Run three = run(3, 4);
  EXPECT_EQ(three.values, one.values);
  for (std::size_t i = 0; i < one.metrics.size(); ++i) EXPECT_EQ(three.metrics[i].json(), one.metrics[i].json());
}

// At another temperature the policy is what the answers are drawn from: at 0.7 rollout, loss and reference agree to the bit.
TEST_P(GrpoSteps, OnPolicyToTheBitAtAnotherTemperature) {
  settings_.temperature = 0.7;
  settings_.kl = 0.01;
  const Run one = run(1, 4);
  for (const GrpoMetrics& m : one.metrics) {
    EXPECT_EQ(m.mismatch, 0) << m.step;
    EXPECT_EQ(m.clipped, 0) << m.step;
  }
  EXPECT_EQ(one.metrics[0].kl, 0);  // the reference is the policy itself
  EXPECT_GT(one.metrics[2].kl, 0);
  EXPECT_EQ(run(3, 4).values, one.values);
}

// What the engine wrote, the scorer reads: with other rows, other pages, no engine.
TEST_P(GrpoSteps, TheScorerFindsTheRolloutsLogProbabilities) {
  const auto t = trainer(2);
  Engine engine(t->decoder(), rollout_engine(5, 64, CacheType::f32, 2, best_kernels()));
  const PromptMaker prompts = training_prompts(grpo_tokenizer(), Reasoning::free);
  std::vector<std::vector<std::int32_t>> ids;
  for (std::uint64_t i = 0; i < 6; ++i) ids.push_back(prompts(mixed_sample(easy_mix(), Split::train, 1, i).sample).ids);
  RolloutOptions options;
  options.samples = 3;
  options.max_tokens = 9;
  options.sampling.temperature = 0.7F;
  const auto rollouts = roll_out(engine, ids, options);
  PackedBatch batch;
  std::vector<float> expected;
  for (std::size_t i = 0; i < rollouts.size(); ++i) {
    std::vector<std::int32_t> all = ids[i / 3];
    std::vector<float> weights(all.size(), 0.0F);
    expected.insert(expected.end(), all.size() - 1, 0.0F);
    all.insert(all.end(), rollouts[i].ids.begin(), rollouts[i].ids.end());
    weights.resize(all.size(), 1.0F);
    expected.insert(expected.end(), rollouts[i].logprobs.begin(), rollouts[i].logprobs.end());
    batch.add(all.data(), weights.data(), static_cast<std::int32_t>(all.size()) - 1);
  }
  Scorer scorer(t->decoder(), batch.tokens(), 3, best_kernels());
  const std::vector<float> found = scorer.score(batch, 0.7F);
  ASSERT_EQ(found.size(), expected.size());
  EXPECT_EQ(std::memcmp(found.data(), expected.data(), found.size() * sizeof(float)), 0);
  EXPECT_NE(scorer.score(batch), found);  // at temperature 1
}

TEST_P(GrpoSteps, WhatIsRewardedComesMoreOften) {
  const Run learned = run(1, 40);
  EXPECT_LT(mean_reward(learned, 0), 0.7);
  EXPECT_GT(mean_reward(learned, 35), 0.85);
}

// By lot nothing is learned: from its own start the mean reward drifts, and does not rise as with a true reward.
TEST_P(GrpoSteps, RewardsByLotTeachNothing) {
  const Run learned = run(1, 40);
  settings_.shuffle_rewards = true;
  const Run by_lot = run(1, 40);
  EXPECT_EQ(by_lot.metrics[0].reward, learned.metrics[0].reward);  // the same start
  EXPECT_LT(mean_reward(by_lot, 35) - mean_reward(by_lot, 0), 0.1);
  EXPECT_GT(mean_reward(learned, 35) - mean_reward(learned, 0), 0.3);
}

TEST_P(GrpoSteps, MinibatchesReferenceAndDeviationAsThePaperHasThem) {
  settings_.normalise = settings_.answer_level = true;
  settings_.skip_equal = false;
  settings_.updates = 4;
  settings_.kl = 0.01;
  settings_.reference_steps = 3;
  const Run paper = run(1, 7);
  EXPECT_EQ(paper.metrics[0].mismatch, 0);
  EXPECT_GT(paper.metrics[1].kl, 0);                    // away from the reference
  EXPECT_LT(paper.metrics[3].kl, paper.metrics[2].kl);  // which came after
  EXPECT_EQ(run(2, 7).values, paper.values);
}

// Every answer is told of, with what it earned and the update that it took part in; a group's answers are in several.
TEST_P(GrpoSteps, AnswersAreSharedAmongUpdatesByLotAndToldOf) {
  settings_.updates = 4;
  settings_.skip_equal = false;
  const auto t = trainer(1);
  Grpo grpo(*t, grpo_tokenizer(), easy_mix(), settings_, 1, best_kernels(), first_is_low);
  std::vector<std::set<std::int64_t>> of_group(4);
  std::vector<int> in_update(4);
  std::size_t told = 0;
  double reward = 0;
  grpo.log([&](const GrpoRecord& record) {
    EXPECT_EQ(record.step, 1);
    EXPECT_EQ(record.rollout.ids.size(), record.rollout.logprobs.size());
    EXPECT_FALSE(record.prompt.empty());
    ASSERT_TRUE(record.update >= 0 && record.update < 4);
    of_group[told++ / 8].insert(record.update);
    ++in_update[static_cast<std::size_t>(record.update)];
    reward += record.reward / 32;
  });
  const GrpoMetrics m = grpo.step();
  EXPECT_EQ(told, 32U);
  EXPECT_NEAR(m.reward, reward, 1e-12);
  EXPECT_EQ(in_update, std::vector<int>(4, 8));
  for (const std::set<std::int64_t>& updates : of_group) EXPECT_GT(updates.size(), 1U);
  EXPECT_GT(m.flops, 0);
  EXPECT_GE(m.trained_rows, m.rollout_tokens);
}

TEST_P(GrpoSteps, GoesOnAsIfNothingHadHappened) {
  settings_.kl = 0.01;
  settings_.reference_steps = 2;
  const Run whole = run(1, 5);
  const auto first = trainer(1);
  Grpo before(*first, grpo_tokenizer(), easy_mix(), settings_, 1, best_kernels(), first_is_low);
  for (int i = 0; i < 3; ++i) before.step();
  const auto second = trainer(1);
  Grpo after(*second, grpo_tokenizer(), easy_mix(), settings_, 1, best_kernels(), first_is_low);
  std::ranges::copy(first->store().values(), second->store().values().begin());
  std::ranges::copy(first->optimiser().state(), second->optimiser().state().begin());
  second->optimiser().set_steps(first->optimiser().steps());
  second->refresh();
  std::ranges::copy(before.reference()->values(), after.reference()->values().begin());
  after.restore(before.steps());
  EXPECT_EQ(after.reference_step(before.steps()), 2);
  for (int i = 3; i < 5; ++i) EXPECT_EQ(after.step().json(), whole.metrics[static_cast<std::size_t>(i)].json());
  EXPECT_TRUE(std::ranges::equal(second->store().values(), whole.values));
}

}  // namespace
}  // namespace limpid
