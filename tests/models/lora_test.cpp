// Adapters: gradients against PEFT's (tests/train/make_lora_goldens.py), the same bits for any threads and instruction
// set, files in PEFT's layout, and what cannot be adapted.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "formats/json.h"
#include "formats/safetensors.h"
#include "golden.h"
#include "models/lora.h"
#include "ops/loss.h"
#include "run_forward.h"
#include "training_batch.h"

using namespace limpid;
using namespace limpid::model_test;

namespace {

// What there is for a model: PEFT's gradients, or (a mixture of experts) only what to compute.
nlohmann::json golden_of(const std::string& model) {
  const std::string path = model_path(model) + "/lora.json";
  if (std::filesystem::exists(path)) return read_json(path);
  return {{"ids", Golden::read(model).ids}, {"rank", 3}, {"alpha", 4.5}};
}

LoraSettings settings_of(const nlohmann::json& golden, const std::string& model) {
  LoraSettings settings{golden.at("rank"), golden.at("alpha"), {}, DType::f32};
  if (model == "qwen2") settings.targets = {"q_proj", "v_proj", "down_proj"};
  return settings;
}

// A model with adapters; their values are the goldens' formula.
class Adapted {
 public:
  explicit Adapted(const std::string& name)
      : golden(golden_of(name)),
        files_(ModelFiles::open(model_path(name))),
        decoder_(files_.config()),
        store_(decoder_, {.gradients = false}),
        lora(store_, settings_of(golden, name)) {
    store_.load(files_.weights());
    for (const Parameter& p : lora.parameters()) {
      const bool b = p.name.ends_with(".lora_B.weight");
      for (std::int64_t i = 0; i < p.size(); ++i) {
        const auto at = static_cast<double>(i);
        p.values[i] = static_cast<float>(b ? 0.05 * std::cos(0.61 * at + 0.4) : 0.2 * std::sin(0.37 * at + 1.0));
      }
    }
  }

  double step(int threads, const KernelTable& kernels) {
    const auto ids = golden.at("ids").get<std::vector<std::int32_t>>();
    const CacheLayout layout = decoder_.cache_layout(CacheType::f32);
    const std::vector<std::int32_t> pages{1, 0};
    std::vector<std::int32_t> positions(kTokens);
    for (std::size_t i = 0; i < kTokens; ++i) positions[i] = static_cast<std::int32_t>(i);
    const std::vector<float> weights = row_weights();
    std::vector<float> logprobs(kTokens);
    const std::size_t bytes = page_bytes(layout) * pages.size(),
                      scratch_bytes = decoder_.scratch_bytes(kTokens) + (std::size_t{8} << 20);
    HugeBuffer pool(bytes * static_cast<std::size_t>(decoder_.info().layers)), arena(kArena),
        scratch(scratch_bytes * static_cast<std::size_t>(threads));
    std::vector<CacheLayer> cache;
    for (int l = 0; l < decoder_.info().layers; ++l)
      cache.push_back({layout, pool.data() + bytes * static_cast<std::size_t>(l)});
    const BatchSequence sequence{0, static_cast<std::int32_t>(kTokens), 0, pages.data()};
    const Batch batch{{ids.data(), kTokens}, positions, {&sequence, 1}, positions};
    Tape tape;
    store_.register_in(tape);
    lora.register_in(tape);
    ThreadTeam team(threads);
    double loss = 0;
    team.run([&](int thread) {
      Exec ex;
      ex.thread = thread;
      ex.threads = threads;
      ex.barrier = &team.barrier();
      ex.kernels = &kernels;
      ex.arena = Arena({arena.data(), arena.size()});
      ex.scratch = Arena({scratch.data() + static_cast<std::size_t>(thread) * scratch_bytes, scratch_bytes});
      ex.poison = true;
      store_.pack(thread, threads);
      lora.pack(thread, threads);
      lora.zero_gradients(thread, threads);
      ex.sync();
      ex.tape = &tape;
      const Tensor logits = decoder_.forward(ex, batch, cache);
      const LossSums sums =
          token_loss(ex, logits, {.targets = {ids.data() + 1, kTokens}, .weights = weights}, logprobs);
      tape.backward(ex);
      if (thread == 0) loss = sums.loss;
    });
    return loss;
  }

  const nlohmann::json golden;

 private:
  ModelFiles files_;
  Decoder decoder_;
  ParameterStore store_;

 public:
  LoraAdapter lora;
};

class LoraGolden : public testing::TestWithParam<const char*> {};
class LoraBits : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Models, LoraGolden, testing::Values("llama3", "qwen2"),
                         [](const auto& model) { return std::string(model.param); });
INSTANTIATE_TEST_SUITE_P(Models, LoraBits, testing::Values("llama3", "qwen2", "deepseek_v3"),
                         [](const auto& model) { return std::string(model.param); });

TEST_P(LoraGolden, GradientsArePefts) {
  Adapted adapted(GetParam());
  const double loss = adapted.step(1, best_kernels()), expected_loss = adapted.golden.at("loss");
  EXPECT_NEAR(loss, expected_loss, 1e-5 * expected_loss);
  const nlohmann::json& parameters = adapted.golden.at("parameters");
  ASSERT_EQ(adapted.lora.parameters().size(), parameters.size());
  for (const Parameter& p : adapted.lora.parameters()) {
    const std::string name = "base_model.model." + p.name;
    ASSERT_TRUE(parameters.contains(name)) << name;
    const nlohmann::json& expected = parameters.at(name);
    const double norm = expected.at("norm").get<double>(), spread = norm / std::sqrt(static_cast<double>(p.size()));
    double squares = 0;
    for (std::int64_t i = 0; i < p.size(); ++i)
      squares += static_cast<double>(p.gradient[i]) * static_cast<double>(p.gradient[i]);
    EXPECT_NEAR(std::sqrt(squares), norm, 1e-4 * norm) << name;
    const auto values = expected.at("values").get<std::vector<double>>();
    for (std::size_t i = 0; i < values.size(); ++i) {
      const float found = p.gradient[static_cast<std::int64_t>(i) * 7919 % p.size()];
      EXPECT_LT(std::fabs(static_cast<double>(found) - values[i]) / spread, 1e-3)
          << name << " sample " << i << ": " << found << " and not " << values[i];
    }
  }
}

TEST_P(LoraBits, AreTheSameForAnyThreadsAndInstructionSet) {
  Adapted adapted(GetParam());
  const double loss = adapted.step(1, best_kernels());
  const std::vector<float> expected(adapted.lora.gradients().begin(), adapted.lora.gradients().end());
  const auto check = [&](int threads, const KernelTable& kernels) {
    EXPECT_EQ(adapted.step(threads, kernels), loss);
    EXPECT_EQ(std::memcmp(adapted.lora.gradients().data(), expected.data(), expected.size() * sizeof(float)), 0)
        << threads << " threads, " << kernels.isa;
  };
  check(2, best_kernels());
  check(3, best_kernels());
  for (const KernelTable* table : kernel_tables()) check(1, *table);
}

TEST(Lora, IsWrittenAsPeftDoes) {
  Adapted adapted("deepseek_v3");
  const std::string out = testing::TempDir() + "lora-files";
  std::filesystem::remove_all(out);
  adapted.lora.save(out, "base");
  const nlohmann::json config = read_json(out + "/adapter_config.json");
  EXPECT_EQ(config.at("peft_type"), "LORA");
  EXPECT_EQ(config.at("r"), 3);
  EXPECT_EQ(config.at("lora_alpha"), 4.5);
  // Plain MLPs share the names of experts, which have no adapter: they are named in full.
  const nlohmann::json modules = {"kv_a_proj_with_mqa",
                                  "model.layers.0.mlp.down_proj",
                                  "model.layers.0.mlp.gate_proj",
                                  "model.layers.0.mlp.up_proj",
                                  "o_proj",
                                  "q_a_proj",
                                  "q_b_proj"};
  EXPECT_EQ(config.at("target_modules"), modules);
  const SafetensorsFile file(out + "/adapter_model.safetensors");
  ASSERT_EQ(file.tensors().size(), adapted.lora.parameters().size());
  for (const Parameter& p : adapted.lora.parameters()) {
    const SafetensorsTensor* tensor = file.tensor("base_model.model." + p.name);
    ASSERT_NE(tensor, nullptr) << p.name;
    EXPECT_EQ(tensor->shape, (std::vector<std::int64_t>{p.rows, p.columns}));
    EXPECT_EQ(std::memcmp(tensor->data.data(), p.values, tensor->data.size()), 0);
  }
}

TEST(Lora, NamesATargetThatCannotBeAdapted) {
  const ModelFiles files = ModelFiles::open(model_path("deepseek_v3"));
  Decoder decoder(files.config());
  const ParameterStore store(decoder, {.gradients = false});
  for (const char* target : {"kv_b_proj", "q_proj", "lm_head", "nonsense"}) {
    try {
      const LoraAdapter lora(store, {4, 8, {"o_proj", target}, DType::f32});
      ADD_FAILURE() << target;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(target), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find("kv_a_proj_with_mqa"), std::string::npos) << error.what();
    }
  }
}

}  // namespace
