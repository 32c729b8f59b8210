// AdamW and Muon against ten steps of PyTorch's (make_optimiser_goldens.py); the same bits for any number of threads
// and instruction set.
#include "train/optimiser.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "base/error.h"

using namespace limpid;

namespace {

// The script's.
void noise(const std::string& name, std::uint32_t step, float factor, float* values, std::int64_t count) {
  std::uint32_t seed = 0;
  for (std::size_t i = 0; i < name.size(); ++i)
    seed += static_cast<std::uint32_t>(i + 1) * static_cast<unsigned char>(name[i]);
  for (std::int64_t i = 0; i < count; ++i) {
    std::uint32_t h = seed * 1000003U + step * 7919U + static_cast<std::uint32_t>(i) * 104729U + 12345U;
    h = (h ^ (h >> 16)) * 0x45D9F3BU;
    h = (h ^ (h >> 16)) * 0x45D9F3BU;
    h ^= h >> 16;
    values[i] = (static_cast<float>(h & 0xFFFF) / 32768.0F - 1) * factor;
  }
}

ModelConfig tiny() {
  ModelConfig c;
  c.architecture = "llama";
  c.vocabulary = 10, c.width = 8, c.layers = 1, c.context = 16, c.heads = 2, c.kv_heads = 1, c.head_dim = 4,
  c.feed_forward = 12;
  c.rope.dim = 4;
  return c;
}

struct Result {
  std::vector<float> values, state;
  std::vector<double> norms;
  std::vector<std::vector<float>> parameters;
};

Result ten_steps(OptimiserSettings::Kind kind, int threads, const KernelTable* kernels = nullptr) {
  Decoder decoder(tiny());
  ParameterStore store(decoder, {});
  for (Parameter& p : store.parameters()) noise(p.name, 0, 1, p.values, p.size());
  OptimiserSettings settings;
  settings.kind = kind;
  Optimiser optimiser(store, settings, threads);
  ThreadTeam team(threads);
  Result result;
  for (std::uint32_t step = 1; step <= 10; ++step) {
    for (Parameter& p : store.parameters()) noise(p.name, step, step > 5 ? 0.02F : 1.0F, p.gradient, p.size());
    const double rate = 0.01 * std::min(1.0, step / 3.0);
    team.run([&](int thread) {
      Exec ex;
      ex.thread = thread, ex.threads = threads, ex.barrier = &team.barrier();
      ex.kernels = kernels ? kernels : &best_kernels();
      const double norm = optimiser.norm(ex);
      optimiser.step(ex, rate, optimiser.clip_scale(norm));
      if (thread == 0) result.norms.push_back(norm);
    });
  }
  EXPECT_EQ(optimiser.steps(), 10);
  result.values.assign(store.values().begin(), store.values().end());
  result.state.assign(optimiser.state().begin(), optimiser.state().end());
  for (const Parameter& p : store.parameters()) result.parameters.emplace_back(p.values, p.values + p.size());
  return result;
}

void compare(const std::vector<std::vector<float>>& parameters, const nlohmann::json& golden, double tolerance) {
  ASSERT_EQ(parameters.size(), golden.size());
  for (std::size_t i = 0; i < golden.size(); ++i) {
    ASSERT_EQ(parameters[i].size(), golden[i].size()) << i;
    for (std::size_t k = 0; k < golden[i].size(); ++k)
      ASSERT_NEAR(static_cast<double>(parameters[i][k]), golden[i][k].get<double>(), tolerance)
          << "parameter " << i << ", value " << k;
  }
}

nlohmann::json goldens() { return nlohmann::json::parse(std::ifstream(TEST_DATA "/optimiser.json")); }

// The rate is 0.01 and AdamW's moves about as much a step: 1e-6 is a ten thousandth of a step.
TEST(Optimiser, AdamWIsPyTorchs) {
  const Result result = ten_steps(OptimiserSettings::Kind::adamw, 2);
  const nlohmann::json golden = goldens();
  compare(result.parameters, golden["adamw"], 1e-6);
  for (std::size_t i = 0; i < 10; ++i) EXPECT_NEAR(result.norms[i] / golden["norms"][i].get<double>(), 1, 1e-6);
  EXPECT_GT(result.norms[0], 1.0) << "the first steps are clipped";
  EXPECT_LT(result.norms[9], 1.0) << "the last ones are not";
}

TEST(Optimiser, MuonIsItsPapers) {
  compare(ten_steps(OptimiserSettings::Kind::muon, 2).parameters, goldens()["muon"], 3e-6);
}

TEST(Optimiser, TheSameBitsForAnyThreadsAndInstructionSet) {
  for (const auto kind : {OptimiserSettings::Kind::adamw, OptimiserSettings::Kind::muon}) {
    const Result expected = ten_steps(kind, 1);
    for (const KernelTable* table : kernel_tables())
      for (const int threads : {1, 2, 3}) {
        const Result found = ten_steps(kind, threads, table);
        EXPECT_EQ(found.values, expected.values) << table->isa << " on " << threads << " threads";
        EXPECT_EQ(found.state, expected.state);
        EXPECT_EQ(found.norms, expected.norms);
      }
  }
}

TEST(Optimiser, FrozenParametersStayAndTakeNoMemory) {
  Decoder decoder(tiny());
  ParameterStore store(decoder, {});
  store.initialise(1);
  const std::size_t all = Optimiser(store, {}, 1).state().size();
  Parameter& head = store.parameters().back();
  store.freeze(head);
  const std::vector<float> before(head.values, head.values + head.size());
  Optimiser optimiser(store, {}, 1);
  EXPECT_EQ(optimiser.state().size(), all - 2 * static_cast<std::size_t>(head.size()));
  for (Parameter& p : store.parameters())
    if (p.gradient != nullptr) std::fill_n(p.gradient, p.size(), 1.0F);
  const float other = store.parameters()[0].values[0];
  ThreadTeam team(1);
  team.run([&](int) {
    Exec ex;
    ex.barrier = &team.barrier(), ex.kernels = &best_kernels();
    optimiser.step(ex, 0.1, optimiser.clip_scale(optimiser.norm(ex)));
  });
  EXPECT_EQ(before, std::vector<float>(head.values, head.values + head.size()));
  EXPECT_NE(other, store.parameters()[0].values[0]);
}

TEST(Optimiser, NoNumberInAGradientShowsInTheNorm) {
  Decoder decoder(tiny());
  ParameterStore store(decoder, {});
  Optimiser optimiser(store, {}, 1);
  store.parameters()[3].gradient[5] = std::nanf("");
  ThreadTeam team(1);
  double norm = 0;
  team.run([&](int) {
    Exec ex;
    ex.barrier = &team.barrier(), ex.kernels = &best_kernels();
    norm = optimiser.norm(ex);
  });
  EXPECT_FALSE(std::isfinite(norm));
}

TEST(Optimiser, SettingsAreReadStrictly) {
  const auto parse = [](const char* text) {
    return OptimiserSettings::parse(nlohmann::json::parse(text), "c.json: optimiser");
  };
  const OptimiserSettings muon = parse(R"({"kind": "muon", "decay": 0.02, "clip": 0})");
  EXPECT_EQ(muon.kind, OptimiserSettings::Kind::muon);
  EXPECT_EQ(muon.decay, 0.02);
  EXPECT_EQ(muon.clip, 0);
  for (const char* bad : {R"({"kind": "sgd"})", R"({"beta3": 0.9})", R"({"beta1": 1})", R"({"decay": null})"})
    EXPECT_THROW(parse(bad), Error) << bad;
}

}  // namespace
