// The experts that a token's row was sent to: as the source of experts was asked for them, the same for any cut of the
// prompt and any batch mates, and nothing where nobody asks.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "engine/engine.h"
#include "models/decoder.h"
#include "models/load.h"

using namespace limpid;

namespace {

// Writes down what it is asked for.
class Witness final : public ExpertSource {
 public:
  explicit Witness(ExpertSource& memory) : memory_(memory) {}
  bool immediate() const override { return false; }
  const ExpertWeights& like(int layer) const override { return memory_.like(layer); }
  Ticket begin(int layer, std::span<const std::int32_t> ids, std::span<const std::int32_t> counts) override {
    asked.emplace_back(layer, std::vector<std::int32_t>(ids.begin(), ids.end()));
    return memory_.begin(layer, ids, counts);
  }
  std::optional<ExpertView> next(Ticket& ticket, Wait wait) override { return memory_.next(ticket, wait); }
  void release(const Ticket& ticket, const ExpertView& view) override { memory_.release(ticket, view); }
  void hint(int, std::span<const std::int32_t>) override {}
  std::vector<std::pair<int, std::vector<std::int32_t>>> asked;

 private:
  ExpertSource& memory_;
};

Request request(unsigned seed, int prompt) {
  Request asked;
  for (int i = 0; i < prompt; ++i)
    asked.prompt.push_back(static_cast<std::int32_t>((seed * 31 + static_cast<unsigned>(i) * 7) % 60));
  asked.max_tokens = 6;
  asked.sampling.seed = seed;
  asked.report_experts = true;
  return asked;
}

EngineOptions options(int threads, int step_rows) {
  EngineOptions options;
  options.threads = threads;
  options.pages = 24;
  options.limits.step_rows = options.limits.prefill_rows = step_rows;
  options.kernels = &best_kernels();
  options.poison = true;
  return options;
}

using Choices = std::vector<std::pair<int, std::vector<std::int32_t>>>;
Choices choices(const TokenEvent& token) {
  Choices result;
  for (const LayerExperts& layer : token.experts) result.emplace_back(layer.layer, layer.ids);
  return result;
}

TEST(ReportedExperts, AreThoseThatTheSourceWasAskedFor) {
  const auto model =
      load_decoder(ModelFiles::open(std::string(REPO_DIR) + "/tests/models/data/deepseek_v3"), Precision::fast, 1);
  Witness witness(model->resident_experts());
  model->use_experts(witness);
  Engine engine(*model, options(2, 64));
  Completion found;
  Request asked = request(1, 1);
  asked.on_token = [&](const TokenEvent& event) { return found.tokens.push_back(event), true; };
  engine.submit(asked);
  const int chosen = model->config().experts_chosen;
  for (std::size_t token = 0; engine.step(); ++token) {  // every step is one row
    if (found.tokens.size() <= token) break;
    Choices reported = choices(found.tokens[token]);
    ASSERT_FALSE(reported.empty());
    for (auto& [layer, ids] : reported) {
      EXPECT_EQ(static_cast<int>(ids.size()), chosen);
      EXPECT_GE(layer, model->config().dense_layers);
      std::ranges::sort(ids);
    }
    EXPECT_EQ(reported, witness.asked) << "token " << token;
    witness.asked.clear();
  }
  EXPECT_EQ(found.tokens.size(), 6U);
}

TEST(ReportedExperts, DoNotDependOnChunksMatesAndThreads) {
  const auto model =
      load_model(ModelFiles::open(std::string(REPO_DIR) + "/tests/models/data/deepseek_v3"), Precision::fast, 1);
  std::map<unsigned, std::vector<Choices>> alone;
  for (unsigned seed = 0; seed < 4; ++seed) {
    Engine engine(*model, options(1, 64));
    for (const TokenEvent& token : engine.generate(request(seed, 40 + 30 * static_cast<int>(seed))).tokens)
      alone[seed].push_back(choices(token));
  }
  EXPECT_NE(alone[0], alone[1]) << "or this test shows nothing";
  Engine engine(*model, options(3, 50));
  std::map<unsigned, std::vector<Choices>> together;
  for (unsigned seed = 0; seed < 4; ++seed) {
    Request asked = request(seed, 40 + 30 * static_cast<int>(seed));
    asked.on_token = [&together, seed](const TokenEvent& event) {
      return together[seed].push_back(choices(event)), true;
    };
    engine.submit(asked);
    asked.report_experts = false;  // a mate that does not ask
    asked.on_token = [](const TokenEvent& event) {
      EXPECT_TRUE(event.experts.empty());
      return true;
    };
    engine.submit(asked);
  }
  while (engine.step()) {
  }
  EXPECT_EQ(together, alone);
}

TEST(ReportedExperts, ADenseModelHasNone) {
  const auto model =
      load_model(ModelFiles::open(std::string(REPO_DIR) + "/tests/models/data/llama3"), Precision::fast, 1);
  Engine engine(*model, options(1, 64));
  for (const TokenEvent& token : engine.generate(request(1, 10)).tokens) EXPECT_TRUE(token.experts.empty());
}

}  // namespace
