// Whole models' gradients against PyTorch's (tests/train/make_gradient_goldens.py), the same bits for any threads and
// instruction set, and a loss that falls along them.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "golden.h"
#include "models/parameter_store.h"
#include "ops/loss.h"
#include "run_forward.h"
#include "training_batch.h"

using namespace limpid;
using namespace limpid::model_test;

namespace {

// A model in training.
class Trainer {
 public:
  explicit Trainer(const std::string& name, DType packed = DType::f32)
      : files_(ModelFiles::open(model_path(name))),
        golden_(ConfigJson::read(model_path(name) + "/gradients.json")),
        ids_(golden_.get<std::vector<std::int32_t>>("ids")),
        decoder_(files_.config()),
        store_(decoder_, {.packed = packed}) {
    store_.load(files_.weights());
  }

  // Forward, loss and backward; gradients are in the store.
  double step(int threads = 1, const KernelTable& kernels = best_kernels()) {
    const CacheLayout layout = decoder_.cache_layout(CacheType::f32);
    const std::vector<std::int32_t> pages{1, 0}, positions = counting(kTokens);
    const std::size_t bytes = page_bytes(layout) * pages.size();
    HugeBuffer pool(bytes * static_cast<std::size_t>(decoder_.info().layers)), arena(kArena);
    std::vector<HugeBuffer> scratch;
    for (int i = 0; i < threads; ++i) scratch.emplace_back(decoder_.scratch_bytes(kTokens) + (std::size_t{8} << 20));
    std::vector<CacheLayer> cache;
    for (int l = 0; l < decoder_.info().layers; ++l)
      cache.push_back({layout, pool.data() + bytes * static_cast<std::size_t>(l)});
    const BatchSequence sequence{0, static_cast<std::int32_t>(kTokens), 0, pages.data()};
    const Batch batch{{ids_.data(), kTokens}, positions, {&sequence, 1}, positions};
    const std::vector<float> weights = row_weights();
    logprobs_.assign(kTokens, 0);
    Tape tape;
    store_.register_in(tape);
    ThreadTeam team(threads);
    double loss = 0;
    team.run([&](int thread) {
      Exec ex;
      ex.thread = thread;
      ex.threads = threads;
      ex.barrier = &team.barrier();
      ex.kernels = &kernels;
      ex.arena = Arena({arena.data(), arena.size()});
      const HugeBuffer& own = scratch[static_cast<std::size_t>(thread)];
      ex.scratch = Arena({own.data(), own.size()});
      ex.poison = true;
      store_.pack(thread, threads);
      store_.zero_gradients(thread, threads);
      ex.sync();
      ex.tape = &tape;
      const Tensor logits = decoder_.forward(ex, batch, cache);
      const LossSums sums =
          token_loss(ex, logits, {.targets = {ids_.data() + 1, kTokens}, .weights = weights}, logprobs_);
      tape.backward(ex);
      if (thread == 0) loss = sums.loss;
    });
    return loss;
  }

  // Gradients under Hugging Face's names: the maps of latent attention joined.
  std::map<std::string, std::vector<float>> gradients() const {
    std::map<std::string, std::vector<float>> result;
    const std::span<const Parameter> list = store_.parameters();
    for (std::size_t i = 0; i < list.size(); ++i) {
      const Parameter& p = list[i];
      if (p.gradient == nullptr) continue;
      if (p.name == p.names.safetensors) {
        result[p.name].assign(p.gradient, p.gradient + p.size());
        continue;
      }
      const bool keys = p.name.find(".k.") != std::string::npos;
      std::size_t heads = 0;
      for (const Parameter& q : list) heads += q.names.safetensors == p.names.safetensors;
      heads /= 2;
      const Parameter &k = store_.at(p.names.safetensors + ".k.0"), &v = store_.at(p.names.safetensors + ".v.0");
      const std::int64_t nope = k.columns, value = v.rows, latent = v.columns;
      std::vector<float>& joint = result[p.names.safetensors];
      joint.resize(heads * static_cast<std::size_t>((nope + value) * latent));
      float* to = joint.data() + p.part * (nope + value) * latent;
      if (!keys) std::copy_n(p.gradient, p.size(), to + nope * latent);
      for (std::int64_t r = 0; keys && r < latent; ++r)
        for (std::int64_t c = 0; c < nope; ++c) to[c * latent + r] = p.gradient[r * nope + c];
    }
    return result;
  }

  const ConfigJson& golden() const { return golden_; }
  ParameterStore& store() { return store_; }

 private:
  static std::vector<std::int32_t> counting(std::size_t n) {
    std::vector<std::int32_t> result(n);
    for (std::size_t i = 0; i < n; ++i) result[i] = static_cast<std::int32_t>(i);
    return result;
  }

  ModelFiles files_;
  ConfigJson golden_;
  std::vector<std::int32_t> ids_;
  Decoder decoder_;
  ParameterStore store_;
  std::vector<float> logprobs_;
};

class GradientGolden : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Models, GradientGolden,
                         testing::Values("llama3", "llama2_odd", "qwen2", "deepseek_v3", "moonlight",
                                         "deepseek_v2_lite"),
                         [](const auto& model) { return std::string(model.param); });

TEST_P(GradientGolden, IsPyTorchs) {
  Trainer trainer(GetParam());
  const double loss = trainer.step(), expected_loss = trainer.golden().get<double>("loss");
  EXPECT_NEAR(loss, expected_loss, 1e-5 * expected_loss);
  const auto found = trainer.gradients();
  const nlohmann::json& parameters = trainer.golden().object().at("parameters");
  std::size_t compared = 0;
  double worst = 0;
  for (const auto& [name, gradient] : found) {
    ASSERT_TRUE(parameters.contains(name)) << name;
    const nlohmann::json& expected = parameters.at(name);
    const double norm = expected.at("norm").get<double>();
    double squares = 0;
    for (const float g : gradient) squares += static_cast<double>(g) * static_cast<double>(g);
    EXPECT_NEAR(std::sqrt(squares), norm, 1e-4 * norm + 1e-6) << name;
    if (norm == 0) continue;  // an expert that nobody chose
    const double spread = norm / std::sqrt(static_cast<double>(gradient.size()));
    const auto values = expected.at("values").get<std::vector<double>>();
    ASSERT_EQ(values.size(), std::min<std::size_t>(12, gradient.size()));
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double error = std::fabs(static_cast<double>(gradient[i * 7919 % gradient.size()]) - values[i]) / spread;
      EXPECT_LT(error, 1e-3) << name << " sample " << i << ": " << gradient[i * 7919 % gradient.size()] << " and not "
                             << values[i];
      worst = std::max(worst, error);
    }
    ++compared;
  }
  EXPECT_GE(compared, 12U);
  std::printf("%s: %zu parameters, largest error of a sample by the spread of its gradient: %.2g\n", GetParam(),
              compared, worst);
}

TEST_P(GradientGolden, IsTheSameBitsForAnyThreadsAndInstructionSet) {
  Trainer trainer(GetParam());
  const double loss = trainer.step();
  const std::vector<float> expected(trainer.store().gradients().begin(), trainer.store().gradients().end());
  const auto check = [&](int threads, const KernelTable& kernels) {
    EXPECT_EQ(trainer.step(threads, kernels), loss);
    EXPECT_EQ(std::memcmp(trainer.store().gradients().data(), expected.data(), expected.size() * sizeof(float)), 0)
        << threads << " threads, " << kernels.isa;
  };
  check(2, best_kernels());
  check(3, best_kernels());
  for (const KernelTable* table : kernel_tables()) check(1, *table);
}

TEST_P(GradientGolden, InBf16IsNear) {
  Trainer exact(GetParam()), rounded(GetParam(), DType::bf16);
  const double loss = exact.step(), near = rounded.step();
  EXPECT_NEAR(near, loss, 0.02 * std::fabs(loss));
  double product = 0, a = 0, b = 0;
  for (std::size_t i = 0; i < exact.store().gradients().size(); ++i) {
    const double x = exact.store().gradients()[i], y = rounded.store().gradients()[i];
    product += x * y;
    a += x * x;
    b += y * y;
  }
  // A gate may choose another expert where two are nearly as good.
  const bool experts = exact.golden().object().at("parameters").dump().find("mlp.experts.") != std::string::npos;
  EXPECT_GT(product / std::sqrt(a * b), experts ? 0.9 : 0.995);
}

// A small step against the gradient lowers the loss by the step times the gradient's square.
TEST_P(GradientGolden, TheLossFallsAlongIt) {
  Trainer trainer(GetParam());
  const double before = trainer.step();
  double squares = 0;
  for (const float g : trainer.store().gradients()) squares += static_cast<double>(g) * static_cast<double>(g);
  const double wanted = 1e-3 * before, rate = wanted / squares;
  for (std::size_t i = 0; i < trainer.store().values().size(); ++i)
    trainer.store().values()[i] -= static_cast<float>(rate * static_cast<double>(trainer.store().gradients()[i]));
  const double after = trainer.step();
  EXPECT_NEAR((before - after) / wanted, 1.0, 0.1);
}

}  // namespace
