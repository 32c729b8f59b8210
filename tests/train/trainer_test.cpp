// Steps of a tiny V3 (latent attention, experts, multi-token prediction) and of a tiny Llama: the loss falls, the bits
// do not depend on threads, accumulation is one batch, and what is no number changes nothing.
#include "train/trainer.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "train/data_draw.h"

using namespace limpid;

namespace {

ModelConfig tiny(bool latent, int mtp = 0) {
  ModelConfig c;
  c.architecture = latent ? "deepseek_v3" : "llama";
  c.vocabulary = 24, c.width = 32, c.layers = 2, c.context = 128, c.heads = 2, c.feed_forward = 48;
  if (latent) {
    c.q_rank = 16, c.kv_rank = 16, c.nope_dim = 8, c.rope_dim = 8, c.value_dim = 8;
    c.rope.dim = 8, c.rope.interleaved = true;
    c.dense_layers = 1, c.experts = 4, c.experts_chosen = 2, c.expert_width = 16, c.shared_experts = 1;
    c.mtp_layers = mtp;
  } else {
    c.kv_heads = 1, c.head_dim = c.rope.dim = 16;
  }
  return c;
}

// Sequences that count up from somewhere, modulo 20: easy to learn.
PackedBatch counting(int sequences, std::uint64_t step) {
  PackedBatch batch;
  for (int s = 0; s < sequences; ++s) {
    Draw draw(7, step * 100 + static_cast<std::uint64_t>(s), 0);
    const auto first = static_cast<std::int32_t>(draw.below(20)), rows = static_cast<std::int32_t>(8 + draw.below(8));
    std::vector<std::int32_t> ids;
    for (std::int32_t i = 0; i <= rows; ++i) ids.push_back((first + i) % 20);
    std::vector<float> weights(ids.size(), 1.0F);
    weights[1] = 0, weights[2] = 0.2F;
    batch.add(ids.data(), weights.data(), rows);
  }
  return batch;
}

Trainer make(const ModelConfig& config, int threads, OptimiserSettings settings = {}) {
  TrainerOptions options;
  options.threads = threads, options.kernels = &best_kernels(), options.arena_bytes = std::size_t{256} << 20;
  return Trainer(config, options, settings);
}

std::vector<float> values_after(const ModelConfig& config, int threads, int steps,
                                std::vector<StepResult>* results = nullptr) {
  OptimiserSettings settings;
  settings.kind = OptimiserSettings::Kind::muon;
  Trainer trainer = make(config, threads, settings);
  trainer.store().initialise(3);
  trainer.refresh();
  for (int step = 0; step < steps; ++step) {
    const PackedBatch batches[2] = {counting(6, static_cast<std::uint64_t>(2 * step)),
                                    counting(5, static_cast<std::uint64_t>(2 * step + 1))};
    const StepResult result = trainer.step(batches, {0.01, 0.3, 1e-3, 0.001});
    if (results) results->push_back(result);
  }
  return {trainer.store().values().begin(), trainer.store().values().end()};
}

TEST(Trainer, LearnsToCountTheSameOnAnyThreads) {
  for (const ModelConfig& config : {tiny(false), tiny(true), tiny(true, 1)}) {
    std::vector<StepResult> results;
    const std::vector<float> one = values_after(config, 1, 30, &results);
    EXPECT_NEAR(results.front().loss, std::log(24.0), 1);
    EXPECT_LT(results.back().loss, 0.5 * results.front().loss) << config.architecture;
    for (const StepResult& r : results) EXPECT_TRUE(r.finite());
    if (config.mtp_layers > 0) {
      EXPECT_NEAR(results.front().mtp_loss, std::log(24.0), 1);
      EXPECT_LT(results.back().mtp_loss, 0.7 * results.front().mtp_loss);
    }
    if (config.experts > 0) {
      EXPECT_GT(results.front().violation, 0);
      EXPECT_GT(results.front().balance_loss, 0);
    }
    EXPECT_EQ(values_after(config, 2, 5), values_after(config, 1, 5)) << config.architecture;
    EXPECT_EQ(values_after(config, 3, 5), values_after(config, 1, 5)) << config.architecture;
  }
}

TEST(Trainer, TheSignRuleMovesBiasesAndOnlyThem) {
  Trainer trainer = make(tiny(true), 1);
  trainer.store().initialise(3);
  trainer.refresh();
  const PackedBatch batch = counting(8, 0);
  const std::vector<float> before(trainer.store().values().begin(), trainer.store().values().end());
  trainer.step({&batch, 1}, {0, 0, 0, 0.25});  // no learning
  const Parameter& bias = trainer.store().at("model.layers.1.mlp.gate.e_score_correction_bias");
  float sum = 0;
  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(bias.values[i] == 0 || std::fabs(bias.values[i]) == 0.25F);
    sum += std::fabs(bias.values[i]);
  }
  EXPECT_GT(sum, 0);
  std::fill_n(bias.values, 4, 0.0F);
  EXPECT_EQ(before, std::vector<float>(trainer.store().values().begin(), trainer.store().values().end()));
}

TEST(Trainer, ASplitBatchHasTheSameGradient) {
  const auto gradient = [](bool split) {
    Trainer trainer = make(tiny(true, 1), 2);
    trainer.store().initialise(3);
    trainer.refresh();
    const PackedBatch parts[2] = {counting(6, 0), counting(5, 1)};
    PackedBatch joint = parts[0];
    for (const PackedBatch::Place& place : parts[1].places) {
      const auto first = static_cast<std::size_t>(place.first_row), rows = static_cast<std::size_t>(place.rows);
      std::vector<std::int32_t> ids(parts[1].ids.begin() + place.first_row,
                                    parts[1].ids.begin() + place.first_row + place.rows);
      std::vector<float> weights{0};
      ids.push_back(parts[1].targets[first + rows - 1]);
      for (std::size_t i = 0; i < rows; ++i) weights.push_back(parts[1].weights[first + i]);
      joint.add(ids.data(), weights.data(), place.rows);
    }
    const StepResult result =
        split ? trainer.step(parts, {0, 0.3, 0.01, 0}) : trainer.step({&joint, 1}, {0, 0.3, 0.01, 0});
    std::vector<double> all(trainer.store().gradients().begin(), trainer.store().gradients().end());
    all.push_back(result.loss);
    all.push_back(result.mtp_loss);
    return all;
  };
  const std::vector<double> one = gradient(false), two = gradient(true);
  double worst = 0, squares = 0;
  for (std::size_t i = 0; i < one.size(); ++i) {
    worst = std::max(worst, std::fabs(one[i] - two[i]));
    squares += one[i] * one[i];
  }
  EXPECT_LT(worst, 1e-5 * std::sqrt(squares));
}

TEST(Trainer, NoNumberChangesNothing) {
  Trainer trainer = make(tiny(false), 1);
  trainer.store().initialise(3);
  trainer.store().parameters()[1].values[0] = std::nanf("");
  trainer.refresh();
  const std::vector<float> before(trainer.store().values().begin() + 16 * 64, trainer.store().values().end());
  const PackedBatch batch = counting(4, 0);
  EXPECT_FALSE(trainer.step({&batch, 1}, {0.1, 0, 0, 0}).finite());
  EXPECT_EQ(trainer.optimiser().steps(), 0);
  const std::vector<float> after(trainer.store().values().begin() + 16 * 64, trainer.store().values().end());
  EXPECT_EQ(before, after);
}

TEST(Trainer, TooLittleMemoryIsAnErrorAndNotTheEnd) {
  TrainerOptions options;
  options.threads = 2, options.kernels = &best_kernels(), options.arena_bytes = 1 << 20;
  Trainer trainer(tiny(false), options, {});
  trainer.store().initialise(3);
  trainer.refresh();
  const PackedBatch large = counting(400, 0), small = counting(1, 0);
  EXPECT_THROW(trainer.step({&large, 1}, {0.1, 0, 0, 0}), Error);
  EXPECT_TRUE(trainer.step({&small, 1}, {0.1, 0, 0, 0}).finite());
}

}  // namespace
