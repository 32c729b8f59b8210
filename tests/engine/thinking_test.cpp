// The thinking budget, first the state machine alone, then SipHash's known answers (the other small pure pieces of the
// engine).
#include "engine/thinking.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/error.h"
#include "engine/siphash.h"

namespace limpid {
namespace {

// Runs the tracker over what the model would say; forced ids replace its choice.
std::vector<std::int32_t> run(ThinkingTracker& tracker, const std::vector<std::int32_t>& model) {
  std::vector<std::int32_t> out;
  for (std::int32_t id : model) {
    out.push_back(tracker.forced().value_or(id));
    tracker.accept(out.back(), {});
  }
  return out;
}

ThinkingRule rule(std::optional<int> budget, bool inside) { return {{10}, {20}, {30, 20, 31}, inside, budget, {}}; }

TEST(Thinking, BudgetForcesTheClosingIds) {
  ThinkingTracker tracker(rule(3, true));
  EXPECT_TRUE(tracker.inside());
  EXPECT_EQ(run(tracker, {1, 2, 3, 4, 5, 6, 7, 8}), (std::vector<std::int32_t>{1, 2, 3, 30, 20, 31, 7, 8}));
  EXPECT_FALSE(tracker.inside());
  EXPECT_EQ(tracker.tokens(), 3);
}

TEST(Thinking, SecondsCountFromTheFirstIdOverAllTheThinking) {
  ThinkingRule timed = rule(std::nullopt, true);
  timed.seconds = 10;
  const auto at = [](double seconds) {
    return ThinkingTracker::Time(
        std::chrono::duration_cast<std::chrono::steady_clock::duration>(std::chrono::duration<double>(1000 + seconds)));
  };
  ThinkingTracker tracker(timed);
  tracker.accept(1, at(0));
  tracker.accept(2, at(6));
  EXPECT_FALSE(tracker.forced());
  tracker.accept(20, at(7));  // it closes by itself
  EXPECT_FALSE(tracker.inside());
  tracker.accept(5, at(100));  // answering is free
  tracker.accept(10, at(101));
  EXPECT_TRUE(tracker.inside());
  tracker.accept(6, at(103));
  EXPECT_FALSE(tracker.forced());
  tracker.accept(7, at(104));  // 7 + 3
  EXPECT_EQ(tracker.forced(), 30);
  EXPECT_EQ(tracker.tokens(), 5);
  for (const std::int32_t id : {30, 20, 31}) tracker.accept(id, at(104));
  EXPECT_FALSE(tracker.inside() || tracker.forced());
  tracker.accept(10, at(105));
  EXPECT_EQ(tracker.forced(), 30) << "nothing is left for more";
}

TEST(Thinking, NothingIsForcedWhenItClosesByItself) {
  ThinkingTracker tracker(rule(4, true));
  EXPECT_EQ(run(tracker, {1, 2, 20, 4, 5, 6, 7}), (std::vector<std::int32_t>{1, 2, 20, 4, 5, 6, 7}));
  EXPECT_FALSE(tracker.inside());
}

TEST(Thinking, BudgetZeroClosesAtOnceAndCountsOverAllThinking) {
  ThinkingTracker zero(rule(0, true));
  EXPECT_EQ(run(zero, {1, 2, 3, 4}), (std::vector<std::int32_t>{30, 20, 31, 4}));
  ThinkingTracker again(rule(3, false));
  EXPECT_EQ(run(again, {9, 10, 1, 20, 8, 10, 2, 3, 4, 5, 6, 7}),
            (std::vector<std::int32_t>{9, 10, 1, 20, 8, 10, 2, 30, 20, 31, 6, 7}));
}

TEST(Thinking, StopNow) {
  ThinkingTracker tracker(rule(std::nullopt, true));
  run(tracker, {1, 2});
  tracker.stop();
  EXPECT_EQ(run(tracker, {3, 4, 5, 6}), (std::vector<std::int32_t>{30, 20, 31, 6}));
  tracker.stop();  // it does not think: nothing to stop
  EXPECT_EQ(run(tracker, {7}), (std::vector<std::int32_t>{7}));
}

TEST(Thinking, MarkersOfSeveralIds) {
  ThinkingTracker tracker({{1, 2}, {3, 4, 5}, {}, false, 2, {}});
  EXPECT_EQ(run(tracker, {2, 1, 2, 8, 9, 7, 7, 7, 6}), (std::vector<std::int32_t>{2, 1, 2, 8, 9, 3, 4, 5, 6}));
}

TEST(Thinking, AModelThatDoesNotThinkHasNoRule) {
  ThinkingTracker tracker({});
  tracker.stop();
  EXPECT_EQ(run(tracker, {1, 2, 3}), (std::vector<std::int32_t>{1, 2, 3}));
}

TEST(Thinking, RefusesRulesThatCannotWork) {
  EXPECT_THROW(check_thinking(rule(-1, true), 100), Error);
  EXPECT_THROW(check_thinking(rule(1, true), 25), Error);
  EXPECT_THROW(check_thinking({{1}, {2}, {3}, true, 1, {}}, 100), Error);
  EXPECT_NO_THROW(check_thinking(rule(1, true), 100));
}

// Test vectors of the authors' reference: key 00 01 .. 0f, input 00 01 .. (n - 1).
TEST(SipHash, KnownAnswers) {
  const auto hash = [](std::size_t size) {
    std::vector<std::byte> input(size);
    for (std::size_t i = 0; i < size; ++i) input[i] = static_cast<std::byte>(i);
    return siphash128({0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL}, input);
  };
  const auto bytes = [](std::initializer_list<unsigned char> list) {
    Hash128 value;
    std::memcpy(&value, list.begin(), 16);
    return value;
  };
  EXPECT_EQ(hash(0),
            bytes({0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6, 0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02, 0x93}));
  EXPECT_EQ(hash(1),
            bytes({0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44, 0x34, 0x76, 0x59, 0x11, 0x9b, 0x22, 0xfc, 0x45}));
  EXPECT_EQ(hash(2),
            bytes({0x81, 0x77, 0x22, 0x8d, 0xa4, 0xa4, 0x5d, 0xc7, 0xfc, 0xa3, 0x8b, 0xde, 0xf6, 0x0a, 0xff, 0xe4}));
}

}  // namespace
}  // namespace limpid
