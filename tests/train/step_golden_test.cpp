// Ten steps of AdamW on whole models against PyTorch's (make_step_goldens.py), and limpid's rollouts recomputed by PyTorch
// (make_rollout_goldens.py).
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "models/load.h"
#include "train/rollout.h"
#include "train/scorer.h"
#include "train/trainer.h"

namespace limpid {
namespace {

using nlohmann::json;

json goldens(const std::string& name) {
  std::ifstream file(TEST_DATA "/" + name);
  return json::parse(file);
}

// A tiny model of tests/models/data, in f32 as PyTorch has it.
struct TinyModel {
  TinyModel(const std::string& name, const OptimiserSettings& settings, int threads = 1)
      : files(ModelFiles::open(REPO_DIR "/tests/models/data/" + name)),
        trainer(without_mtp(files.config()), options(threads), settings) {
    trainer.store().load(files.weights());
    trainer.refresh();
  }
  static ModelConfig without_mtp(ModelConfig config) {  // transformers ignores that layer
    config.mtp_layers = 0;
    return config;
  }
  static TrainerOptions options(int threads) {
    TrainerOptions options;
    options.threads = threads;
    options.kernels = &best_kernels();
    options.arena_bytes = std::size_t{256} << 20;
    return options;
  }
  ModelFiles files;
  Trainer trainer;
};

class StepGoldens : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Models, StepGoldens, testing::Values("llama3", "qwen2", "deepseek_v3"));

// Rounding grows from step to step; an error of the optimiser, the clip or a gradient is a hundred times the bounds.
TEST_P(StepGoldens, LossesNormsAndParametersOfTenSteps) {
  const json golden = goldens("step_goldens.json")[GetParam()], &told = golden["settings"];
  OptimiserSettings settings;
  settings.beta1 = told["beta1"], settings.beta2 = told["beta2"], settings.epsilon = told["epsilon"];
  settings.decay = told["decay"], settings.clip = told["clip"];
  TinyModel model(GetParam(), settings);
  const auto weights = golden["weights"].get<std::vector<float>>();
  double worst = 0;
  for (std::size_t step = 0; step < golden["ids"].size(); ++step) {
    PackedBatch batch;
    for (const json& sequence : golden["ids"][step]) {
      const auto ids = sequence.get<std::vector<std::int32_t>>();
      std::vector<float> of_ids(1, 0.0F);  // what a token weighs stands beside it; the row before predicts it
      of_ids.insert(of_ids.end(), weights.begin(), weights.end());
      batch.add(ids.data(), of_ids.data(), static_cast<std::int32_t>(ids.size()) - 1);
    }
    StepPlan plan;
    plan.rate = told["rate"];
    const StepResult result = model.trainer.step({&batch, 1}, plan);
    const double loss = golden["losses"][step], norm = golden["norms"][step];
    EXPECT_NEAR(result.loss, loss, 2e-4 * loss) << step;
    EXPECT_NEAR(result.norm, norm, 1e-3 * norm) << step;
    worst = std::max(worst, std::abs(result.loss - loss) / loss);
  }
  // As they are saved: the store has the maps of latent attention by head.
  const std::string saved =
      testing::TempDir() + "/steps_" + GetParam() + "_" + std::to_string(::getpid()) + ".safetensors";
  model.trainer.store().save(saved);
  std::ifstream file(saved, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  std::remove(saved.c_str());
  std::uint64_t size = 0;
  std::memcpy(&size, bytes.data(), sizeof size);
  const json header = json::parse(bytes.substr(8, size));
  for (const auto& [name, values] : golden["values"].items()) {
    ASSERT_TRUE(header.contains(name)) << name;
    ASSERT_EQ(header[name]["dtype"], "F32");
    const std::size_t begin = header[name]["data_offsets"][0], end = header[name]["data_offsets"][1],
                      count = (end - begin) / sizeof(float);
    for (std::size_t i = 0; i < values.size(); ++i) {
      float found = 0;
      std::memcpy(&found, bytes.data() + 8 + size + begin + i * 7919 % count * sizeof found, sizeof found);
      EXPECT_NEAR(found, values[i].get<double>(), 1e-3) << name << "[" << i * 7919 % count << "]";
    }
  }
  RecordProperty("largest_relative_difference_of_a_loss", std::to_string(worst));
  std::printf("%s: losses differ by %.1e at most, relatively\n", GetParam().c_str(), worst);
}

class RolloutGoldens : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Models, RolloutGoldens, testing::Values("llama3", "deepseek_v3"));

// What the engine draws at 0.7 and says of it, PyTorch says too. LIMPID_ROLLOUTS=DIR writes what make_rollout_goldens.py
// takes the ids from.
TEST_P(RolloutGoldens, PyTorchFindsTheirLogProbabilities) {
  constexpr float kTemperature = 0.7F;
  constexpr double kTolerance = 2e-5;  // docs/training.md
  TinyModel model(GetParam(), {});
  std::vector<std::vector<std::int32_t>> prompts;
  for (std::int32_t p = 0; p < 3; ++p) {
    prompts.emplace_back();
    for (std::int32_t i = 0; i < 5 + 3 * p; ++i) prompts.back().push_back(3 + (i * (7 + p) + p) % 60);
  }
  RolloutOptions options;
  options.samples = 4;
  options.max_tokens = 20;
  options.sampling.temperature = kTemperature;
  options.sampling.seed = 5;
  Engine engine(model.trainer.decoder(), rollout_engine(8, 64, CacheType::f32, 1, best_kernels()));
  const std::vector<Rollout> rollouts = roll_out(engine, prompts, options);
  if (const char* folder = std::getenv("LIMPID_ROLLOUTS"); folder != nullptr) {
    json lines = json::array();
    for (std::size_t i = 0; i < rollouts.size(); ++i)
      lines.push_back({{"prompt", prompts[i / 4]}, {"ids", rollouts[i].ids}});
    std::ofstream(std::string(folder) + "/" + GetParam() + ".json")
        << json{{"temperature", kTemperature}, {"rollouts", lines}};
    return;
  }
  const json golden = goldens("rollout_goldens.json")[GetParam()];
  ASSERT_EQ(golden["rollouts"].size(), rollouts.size());
  double worst = 0;
  for (std::size_t i = 0; i < rollouts.size(); ++i) {
    const json& line = golden["rollouts"][i];
    ASSERT_EQ(line["ids"].get<std::vector<std::int32_t>>(), rollouts[i].ids) << i;
    const auto expected = line["logprobs"].get<std::vector<double>>();
    for (std::size_t t = 0; t < expected.size(); ++t)
      worst = std::max(worst, std::abs(expected[t] - static_cast<double>(rollouts[i].logprobs[t])));
  }
  EXPECT_LT(worst, kTolerance);
  std::printf("%s: log-probabilities differ by %.1e at most\n", GetParam().c_str(), worst);
}

}  // namespace
}  // namespace limpid
