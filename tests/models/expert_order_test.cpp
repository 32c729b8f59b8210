// The experts of a step may come in any order, in any number of waves, from a cache too small to hold them all: not a bit moves. A source that fails
// ends the step with its words; the model goes on.
#include <gtest/gtest.h>

#include "golden.h"
#include "models/decoder.h"
#include "run_forward.h"

using namespace limpid;
using namespace limpid::model_test;

namespace {

// Gives the experts of another source in an order of its own, some now and some later, at most `room` out at a time.
class ShuffledExperts final : public ExpertSource {
 public:
  ShuffledExperts(ExpertSource& from, unsigned seed, std::size_t room) : from_(from), random_(seed), room_(room) {}

  bool immediate() const override { return false; }
  const ExpertWeights& like(int layer) const override { return from_.like(layer); }
  Ticket begin(int layer, std::span<const std::int32_t> ids, std::span<const std::int32_t> counts) override {
    EXPECT_TRUE(std::ranges::is_sorted(ids));
    EXPECT_EQ(ids.size(), counts.size());
    EXPECT_EQ(out_, 0U) << "views of the layer before were not released";
    waiting_.clear();
    for (Ticket all = from_.begin(layer, ids, counts); const auto view = from_.next(all, Wait::yes);)
      waiting_.push_back(*view);
    std::shuffle(waiting_.begin(), waiting_.end(), random_);
    return {layer, ids, counts, 0, ++tickets};
  }
  std::optional<ExpertView> next(Ticket& ticket, Wait wait) override {
    EXPECT_EQ(ticket.number, tickets);
    if (fail_at != 0 && ++asked_ == fail_at)
      fail(ErrorKind::system, "expert 7 of layer {}: the disk is gone", ticket.layer);
    if (waiting_.empty()) return std::nullopt;
    if (wait == Wait::no && (out_ == room_ || random_() % 3 == 0)) return std::nullopt;
    EXPECT_LT(out_, room_);
    const ExpertView view = waiting_.back();
    waiting_.pop_back();
    ++ticket.given;
    ++out_;
    ++given;
    return view;
  }
  void release(const Ticket&, const ExpertView&) override { --out_; }
  void hint(int, std::span<const std::int32_t>) override {}

  std::size_t out() const { return out_; }
  int fail_at = 0;  // the call of next() that throws
  std::uint64_t tickets = 0, given = 0;

 private:
  ExpertSource& from_;
  std::mt19937 random_;
  const std::size_t room_;
  std::vector<ExpertView> waiting_;
  std::size_t out_ = 0;
  int asked_ = 0;
};

class ExpertOrder : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    ids_ = Golden::read(GetParam()).ids;
    ids_.resize(140);
    model_ = load_decoder(ModelFiles::open(model_path(GetParam())), Precision::fast, 1);
  }
  std::vector<float> logits(const HowToRun& how) { return model_test::run(*model_, ids_, how); }
  Ids ids_;
  std::unique_ptr<Decoder> model_;
};

TEST_P(ExpertOrder, MovesNoBit) {
  const std::vector<float> expected = logits({.threads = 2, .chunk = 70});
  unsigned seed = 1;
  for (const std::size_t room : {1U, 2U, 100U})
    for (const int threads : {1, 2, 3})
      for (const int chunk : {3, 70}) {
        if (chunk == 3 && threads != 2) continue;
        ShuffledExperts source(model_->resident_experts(), seed++, room);
        model_->use_experts(source);
        const std::vector<float> found = logits({.threads = threads, .chunk = chunk});
        EXPECT_EQ(std::memcmp(found.data(), expected.data(), expected.size() * sizeof(float)), 0)
            << "room for " << room << ", " << threads << " threads, chunks of " << chunk;
        EXPECT_GT(source.given, source.tickets);
        EXPECT_EQ(source.out(), 0U);
      }
}

TEST_P(ExpertOrder, AnErrorEndsTheStepAndNothingElse) {
  const std::vector<float> expected = logits({.threads = 2});
  for (const int threads : {1, 2, 3})
    for (const int call : {1, 2, 5}) {
      ShuffledExperts source(model_->resident_experts(), 3, 100);
      model_->use_experts(source);
      source.fail_at = call;
      try {
        logits({.threads = threads});
        FAIL() << "call " << call << " did not fail";
      } catch (const Error& error) {
        EXPECT_STREQ(error.what(), "expert 7 of layer 1: the disk is gone");
      }
      EXPECT_EQ(source.out(), 0U) << "views were not released";
      source.fail_at = 0;
      const std::vector<float> found = logits({.threads = threads});
      EXPECT_EQ(std::memcmp(found.data(), expected.data(), expected.size() * sizeof(float)), 0);
    }
}

INSTANTIATE_TEST_SUITE_P(Models, ExpertOrder, testing::Values("deepseek_v3", "moonlight.gguf", "deepseek_v2_lite"),
                         [](const auto& parameter) {
                           std::string name = parameter.param;
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });

}  // namespace
