// How often the threads of a step meet, counted by the engine: a layer's barriers are the step's overhead (docs/log.md says what one costs). A number here
// may fall; one that rises is a decision.
#include <gtest/gtest.h>

#include "engine/engine.h"
#include "models/load.h"

using namespace limpid;

namespace {

struct Count {
  double decode = 0, prefill = 0;  // of a step of one row, and of 40
};

Count count(const std::string& name) {
  const auto model =
      load_model(ModelFiles::open(std::string(REPO_DIR) + "/tests/models/data/" + name), Precision::fast, 1);
  EngineOptions options;
  options.threads = 2;
  options.pages = 4;
  options.kernels = &best_kernels();
  Engine engine(*model, options);
  Request request;
  request.prompt.assign(40, 1);
  request.max_tokens = 9;
  engine.submit(request);
  engine.step();
  const std::uint64_t after_prefill = engine.statistics().barriers;
  while (engine.step()) {
  }
  const EngineStatistics statistics = engine.statistics();
  EXPECT_EQ(statistics.steps, 9U);
  return {static_cast<double>(statistics.barriers - after_prefill) / 8, static_cast<double>(after_prefill)};
}

// Embedding, RoPE's table and the head: a barrier each. Both models have two layers.
TEST(Barriers, OfADenseLayer) {
  const Count found = count("llama3");
  EXPECT_EQ((found.decode - 3) / 2, 5);
  EXPECT_EQ((found.prefill - 3) / 2, 8);  // three more that share the quantising of rows
}

TEST(Barriers, OfLatentAttentionAndExperts) {
  const Count found = count("deepseek_v3");  // the first layer is dense, the second a mixture of experts
  EXPECT_EQ(found.decode - 3, 8 + 9);
  EXPECT_EQ(found.prefill - 3, 12 + 12);
}

}  // namespace
