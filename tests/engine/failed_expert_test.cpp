// A read of an expert that fails ends the requests of that step with the reason, and nothing else: the engine goes on, pages come back, and the next
// answer is the bits that it would have been.
#include <gtest/gtest.h>

#include "base/error.h"
#include "engine/engine.h"
#include "models/decoder.h"
#include "models/load.h"

using namespace limpid;

namespace {

// The experts in memory, handed out one after another as from a disk; `fail_in` calls from now one cannot be read.
class Disk final : public ExpertSource {
 public:
  explicit Disk(ExpertSource& memory) : memory_(memory) {}
  bool immediate() const override { return false; }
  const ExpertWeights& like(int layer) const override { return memory_.like(layer); }
  Ticket begin(int layer, std::span<const std::int32_t> ids, std::span<const std::int32_t> counts) override {
    return memory_.begin(layer, ids, counts);
  }
  std::optional<ExpertView> next(Ticket& ticket, Wait wait) override {
    ++calls;
    if (fail_in > 0 && --fail_in == 0)
      fail(ErrorKind::system, "model.gguf: expert {} of layer {} cannot be read", ticket.ids.front(), ticket.layer);
    auto view = memory_.next(ticket, wait);
    if (view) ++out;
    return view;
  }
  void release(const Ticket& ticket, const ExpertView& view) override {
    memory_.release(ticket, view);
    --out;
  }
  void hint(int, std::span<const std::int32_t>) override {}
  int fail_in = 0, out = 0, calls = 0;

 private:
  ExpertSource& memory_;
};

Request request(unsigned seed) {
  Request asked;
  for (int i = 0; i < 90; ++i)
    asked.prompt.push_back(static_cast<std::int32_t>((seed * 31 + static_cast<unsigned>(i) * 7) % 60));
  asked.max_tokens = 12;
  asked.sampling.seed = seed;
  return asked;
}

class FailedExpert : public testing::TestWithParam<int> {};

TEST_P(FailedExpert, EndsTheRequestsOfItsStepOnly) {
  const auto model =
      load_decoder(ModelFiles::open(std::string(REPO_DIR) + "/tests/models/data/deepseek_v3"), Precision::fast, 1);
  Disk disk(model->resident_experts());
  model->use_experts(disk);
  EngineOptions options;
  options.threads = GetParam();
  options.pages = 16;
  options.limits.sequences = 2;
  options.kernels = &best_kernels();
  options.poison = true;
  Engine engine(*model, options);
  const Completion expected = engine.generate(request(1));
  ASSERT_EQ(expected.finished.reason, FinishReason::length) << expected.finished.error;

  const int calls = disk.calls;
  int failed = 0;
  for (const int call :
       {1, 3, calls / 2, calls - 3}) {  // in the first layer of the prompt, later in it, while decoding
    disk.fail_in = call;
    const Completion broken = engine.generate(request(static_cast<unsigned>(call) + 10));
    if (broken.finished.reason == FinishReason::error) {
      EXPECT_NE(broken.finished.error.find("model.gguf: expert"), std::string::npos) << broken.finished.error;
      ++failed;
    }
    disk.fail_in = 0;
    EXPECT_EQ(disk.out, 0) << "views were not released";
    EXPECT_EQ(engine.statistics().failed_steps, static_cast<std::uint64_t>(failed));
    const Completion again = engine.generate(request(1));
    EXPECT_EQ(again.finished.reason, FinishReason::length) << again.finished.error;
    EXPECT_EQ(again.ids(), expected.ids());
    EXPECT_EQ(again.finished.logits_hash, expected.finished.logits_hash);
    const EngineStatistics now = engine.statistics();
    EXPECT_EQ(now.running + now.waiting, 0);
    EXPECT_EQ(now.free_pages + now.kept_pages, now.pages);
  }
  EXPECT_EQ(failed, 4) << "a failure was to come in every one of them";
}

INSTANTIATE_TEST_SUITE_P(Threads, FailedExpert, testing::Values(1, 2, 3));

}  // namespace
