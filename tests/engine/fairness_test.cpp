// Who goes first: priorities, accounts, bounds of the queue, and what others can see of that. The answers never change.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <functional>
#include <numeric>
#include <thread>

#include "base/error.h"
#include "engine/row_shares.h"
#include "engine_fixture.h"

namespace limpid {
namespace {

Request of(const char* account, std::vector<std::int32_t> prompt, int max_tokens, int priority = 0) {
  Request asked = request(std::move(prompt), max_tokens);
  asked.account = account;
  asked.priority = priority;
  return asked;
}

std::vector<int> shares(const std::vector<RowDemand>& demands, int rows) { return share_rows(demands, rows); }

TEST(RowShares, PrioritiesThenAccountsThenPrompts) {
  EXPECT_EQ(shares({}, 10), std::vector<int>{});
  EXPECT_EQ(shares({{0, "a", 100}}, 10), std::vector<int>{10});
  EXPECT_EQ(shares({{0, "a", 100}, {0, "a", 3}, {0, "a", 100}}, 30), (std::vector<int>{13, 3, 14}));
  // Three prompts of one account share what the only one of another gets.
  EXPECT_EQ(shares({{0, "a", 100}, {0, "a", 100}, {0, "b", 100}, {0, "a", 100}}, 60),
            (std::vector<int>{10, 10, 30, 10}));
  // What b does not need goes to a.
  EXPECT_EQ(shares({{0, "a", 100}, {0, "a", 100}, {0, "b", 6}}, 60), (std::vector<int>{27, 27, 6}));
  // A larger priority takes what it needs, the next one gets the rest.
  EXPECT_EQ(shares({{0, "a", 100}, {2, "b", 25}, {1, "c", 100}}, 60), (std::vector<int>{0, 25, 35}));
  // Too few: the first ones get one each, of every account one at first.
  EXPECT_EQ(shares({{0, "a", 5}, {0, "a", 5}, {0, "b", 5}}, 2), (std::vector<int>{1, 0, 1}));
  EXPECT_EQ(shares({{0, "a", 5}, {0, "b", 5}}, 0), (std::vector<int>{0, 0}));
}

TEST(RowShares, NeverMoreThanThereIsOrThanIsNeeded) {
  std::mt19937 random(3);
  const auto below = [&](unsigned n) { return static_cast<int>(random() % n); };
  for (int round = 0; round < 2000; ++round) {
    std::vector<RowDemand> demands;
    const char* names[] = {"a", "b", "c"};
    for (int i = below(8); i >= 0; --i) demands.push_back({below(3), names[below(3)], 1 + below(200)});
    const int rows = below(300);
    const std::vector<int> found = share_rows(demands, rows);
    int needed = 0;
    for (std::size_t i = 0; i < demands.size(); ++i) {
      needed += demands[i].rows;
      ASSERT_LE(found[i], demands[i].rows);
    }
    ASSERT_EQ(std::accumulate(found.begin(), found.end(), 0), std::min(needed, rows)) << "no row is left unused";
  }
}

TEST(Fairness, AccountsTakeTurns) {
  FakeModel model;
  EngineOptions one = options();
  one.limits.sequences = 2;
  Engine engine(model, one);
  std::vector<std::string> order;
  for (const char* account : {"ada", "ada", "ada", "ada", "bob"}) {
    Request asked = request({1, 2, 3}, 4);
    asked.account = account;
    asked.on_finished = [&order, account](const FinishedEvent&) { order.push_back(account); };
    engine.submit(asked);
  }
  while (engine.step()) {
  }
  EXPECT_EQ(order, (std::vector<std::string>{"ada", "bob", "ada", "ada", "ada"}));
}

// The case of the brief: fifty of one account, one of another. It neither waits for a place nor for rows.
TEST(Fairness, FiftyRequestsDoNotKeepAnotherAccountOut) {
  FakeModel model;
  EngineOptions few = options(1, 256, 32);
  few.limits.sequences = 8;
  few.limits.prefill_rows = 16;
  Engine engine(model, few);
  std::vector<Completion> many(50);
  for (std::size_t i = 0; i < many.size(); ++i) {
    Request asked = of("ada", random_ids(100, static_cast<unsigned>(i)), 60);
    asked.sampling.seed = i;
    asked.on_token = [&many, i](const TokenEvent& event) { return many[i].tokens.push_back(event), true; };
    engine.submit(asked);
  }
  for (int i = 0; i < 40; ++i) engine.step();
  ASSERT_EQ(engine.load().accounts.at("ada").running, 8);
  Completion one;
  Request asked = of("bob", random_ids(64, 99), 5);
  asked.on_token = [&](const TokenEvent& event) { return one.tokens.push_back(event), true; };
  engine.submit(asked);
  engine.step();
  EXPECT_EQ(engine.load().accounts.at("bob").running, 1) << "room is made at once";
  EXPECT_EQ(engine.load().accounts.at("ada").running, 7);
  // 64 rows at half of what decoding leaves of a step, at least.
  for (int i = 0; i < 8; ++i) engine.step();
  EXPECT_GE(one.tokens.size(), 1U);
  while (engine.step()) {
  }
  Engine alone(model, options());
  EXPECT_EQ(alone.generate(of("bob", random_ids(64, 99), 5)).ids(), one.ids());
  for (std::size_t i : {std::size_t{7}, std::size_t{6}}) {  // the youngest that ran was preempted
    Request again = of("ada", random_ids(100, static_cast<unsigned>(i)), 60);
    again.sampling.seed = i;
    EXPECT_EQ(alone.generate(again).ids(), many[i].ids());
  }
}

// Accounts that keep the queue full get the same number of places, however many requests they have.
TEST(Fairness, PlacesAreSharedEvenly) {
  FakeModel model;
  EngineOptions few = options(1, 256, 64);
  few.limits.sequences = 9;
  Engine engine(model, few);
  for (int i = 0; i < 30; ++i) engine.submit(of("ada", random_ids(20, static_cast<unsigned>(i)), 200));
  engine.step();
  for (int i = 0; i < 5; ++i) engine.submit(of("bob", random_ids(20, 100U + static_cast<unsigned>(i)), 200));
  for (int i = 0; i < 3; ++i) engine.submit(of("cy", random_ids(20, 200U + static_cast<unsigned>(i)), 200));
  engine.step();
  const auto running = [&](const char* account) { return engine.load().accounts.at(account).running; };
  for (const char* account : {"ada", "bob", "cy"}) EXPECT_EQ(running(account), 3) << account;
  const std::uint64_t preemptions = engine.statistics().preemptions;
  for (int i = 0; i < 50; ++i) engine.step();
  EXPECT_EQ(engine.statistics().preemptions, preemptions) << "places are not passed around";
}

// Higher priorities that never end: without patience the lowest waits for ever; with it, it is slow.
TEST(Fairness, WhoWaitedLongBehindHigherPrioritiesIsServed) {
  FakeModel model;
  for (const double patience : {0.0, 0.05}) {
    EngineOptions one = options();
    one.limits.sequences = 1;
    one.limits.patience_seconds = patience;
    Engine engine(model, one);
    int high_ended = 0;
    std::vector<int> low_ended_after;
    for (const char* account : {"low", "low too"}) {
      Request low = of(account, {4, 5, 6}, 3, 0);
      low.on_finished = [&](const FinishedEvent&) { low_ended_after.push_back(high_ended); };
      engine.submit(low);
    }
    constexpr int kHigh = 60;
    std::function<void()> ask = [&] {
      Request high = of("high", {1, 2, 3}, 4, 10);
      high.on_finished = [&](const FinishedEvent&) {
        if (++high_ended < kHigh) ask();
      };
      engine.submit(high);
    };
    ask();
    while (engine.step()) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    ASSERT_EQ(low_ended_after.size(), 2u);
    if (patience == 0) {
      EXPECT_EQ(low_ended_after[0], kHigh);
    } else {
      EXPECT_LT(low_ended_after[0], kHigh / 2);
      EXPECT_LT(low_ended_after[1], kHigh) << "one after the other";
      EXPECT_GT(low_ended_after[0], 0) << "not before its time";
    }
    EXPECT_EQ(high_ended, kHigh);
  }
}

// A prompt of a higher priority: in every other step at most, the others wait for it.
TEST(Fairness, LowerPrioritiesStandBackForAPromptAtHalfTheirPace) {
  FakeModel model;
  EngineOptions few = options(1, 256, 64);
  few.limits.sequences = 8;
  few.limits.prefill_rows = 16;
  Engine engine(model, few);
  int low = 0;
  for (unsigned i = 0; i < 4; ++i) {
    Request asked = of("low", random_ids(4, i), 400, 0);
    asked.on_token = [&](const TokenEvent&) { return ++low, true; };
    engine.submit(asked);
  }
  for (int i = 0; i < 10; ++i) engine.step();
  Request high = of("high", random_ids(60, 9), 3, 10);
  int high_tokens = 0;
  high.on_token = [&](const TokenEvent&) { return ++high_tokens, true; };
  engine.submit(high);
  const int before = low;
  engine.step();
  EXPECT_EQ(high_tokens, 1) << "all of a step's rows are its own";
  EXPECT_EQ(low, before) << "nobody else was in that step";
  engine.step();
  EXPECT_EQ(low, before + 4) << "but in the next";
  engine.submit(of("high", random_ids(640, 11), 1, 10));
  const int begun = low;
  int steps = 0;
  do {
    engine.step();
    ++steps;
  } while (engine.load().accounts.contains("high") && steps < 200);
  EXPECT_GT(steps, 10);
  EXPECT_GE(low - begun, 4 * (steps / 2 - 1)) << "in " << steps << " steps";
  while (engine.step()) {
  }
}

TEST(Fairness, LargerPrioritiesGoFirst) {
  FakeModel model;
  EngineOptions one = options();
  one.limits.sequences = 1;
  Engine engine(model, one);
  std::vector<int> order;
  for (const int priority : {0, 5, -3, 5, 9}) {
    Request asked = of("ada", {1, 2, 3}, 4, priority);
    asked.on_finished = [&order, priority](const FinishedEvent&) { order.push_back(priority); };
    engine.submit(asked);
  }
  while (engine.step()) {
  }
  EXPECT_EQ(order, (std::vector<int>{9, 5, 5, 0, -3}));
}

TEST(Fairness, AHigherPriorityPushesTheLowestAside) {
  FakeModel model;
  EngineOptions two = options();
  two.limits.sequences = 2;
  Engine engine(model, two);
  std::vector<Completion> results(3);
  const int priorities[] = {1, 0, 2};
  const auto submit = [&](std::size_t i) {
    Request asked = of("ada", random_ids(70, static_cast<unsigned>(i)), 30, priorities[i]);
    asked.on_token = [&results, i](const TokenEvent& event) { return results[i].tokens.push_back(event), true; };
    asked.on_finished = [&results, i](const FinishedEvent& event) { results[i].finished = event; };
    engine.submit(asked);
  };
  submit(0);
  submit(1);
  for (int i = 0; i < 10; ++i) engine.step();
  submit(2);
  while (engine.step()) {
  }
  EXPECT_EQ(results[0].finished.usage.preemptions, 0);
  EXPECT_EQ(results[1].finished.usage.preemptions, 1);
  EXPECT_EQ(results[2].finished.usage.preemptions, 0);
  Engine alone(model, options());
  for (std::size_t i = 0; i < 3; ++i)
    EXPECT_EQ(alone.generate(of("ada", random_ids(70, static_cast<unsigned>(i)), 30)).ids(), results[i].ids());
}

TEST(Fairness, PagesAreTakenFromTheLowestPriorityThenTheYoungest) {
  FakeModel model;
  EngineOptions few = options(1, 9, 64);  // three of up to five pages each
  Engine engine(model, few);
  std::vector<Request> requests;
  for (const int priority : {0, 3, 3, 1})
    requests.push_back(of("ada", random_ids(100, 50U + static_cast<unsigned>(requests.size())), 150, priority));
  const std::vector<Completion> results = run_all(engine, requests);
  EXPECT_EQ(results[1].finished.usage.preemptions, 0) << "the oldest of the highest priority";
  EXPECT_GT(engine.statistics().preemptions, 0U);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    Engine alone(model, options());
    EXPECT_EQ(alone.generate(requests[i]).ids(), results[i].ids()) << i;
  }
}

TEST(Fairness, UsersOfAnAccountDoNotSeeEachOthersCache) {
  FakeModel model;
  Engine engine(model, options());
  Request asked = of("ada", random_ids(220, 1), 3);
  asked.user = "x";
  engine.generate(asked);
  EXPECT_EQ(engine.generate(asked).finished.usage.cached_tokens, 219);
  asked.user = "y";
  EXPECT_EQ(engine.generate(asked).finished.usage.cached_tokens, 0);
}

TEST(Fairness, TheQueueIsBounded) {
  FakeModel model;
  EngineOptions few = options();
  few.queue = 3;
  few.limits.sequences = 1;
  Engine engine(model, few);
  for (int i = 0; i < 3; ++i) engine.submit(request({1, 2, 3}, 4));
  EXPECT_THROW(engine.submit(request({1, 2, 3}, 4)), Error);
  engine.step();  // one runs now
  EXPECT_NO_THROW(engine.submit(request({1, 2, 3}, 4)));
  EXPECT_THROW(engine.submit(request({1, 2, 3}, 4)), Error);
}

TEST(Fairness, AnAccountsPartOfTheQueueIsBounded) {
  FakeModel model;
  EngineOptions few = options();
  few.queue = 10;
  few.account_queue = 2;
  few.limits.sequences = 1;
  Engine engine(model, few);
  for (int i = 0; i < 2; ++i) engine.submit(of("ada", {1, 2, 3}, 4));
  try {
    engine.submit(of("ada", {1, 2, 3}, 4));
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::resources);
    EXPECT_NE(std::string(error.what()).find("account"), std::string::npos) << error.what();
  }
  EXPECT_NO_THROW(engine.submit(of("bob", {1, 2, 3}, 4)));
  engine.step();  // one of ada's runs
  EXPECT_NO_THROW(engine.submit(of("ada", {1, 2, 3}, 4)));
  EXPECT_THROW(engine.submit(of("ada", {1, 2, 3}, 4)), Error);
  EXPECT_NO_THROW(engine.submit(of("bob", {1, 2, 3}, 4)));
  EXPECT_THROW(engine.submit(of("bob", {1, 2, 3}, 4)), Error);
}

TEST(Fairness, LoadSaysWhoWaitsAndRuns) {
  FakeModel model;
  EngineOptions two = options();
  two.limits.sequences = 2;
  two.queue = 77;
  Engine engine(model, two);
  EXPECT_EQ(engine.load().queue, 77);
  EXPECT_EQ(engine.load().sequences, 2);
  engine.submit(of("ada", {1, 2, 3}, 2, 4));
  engine.submit(of("ada", {1, 2, 3}, 2, 0));
  engine.submit(of("bob", {1, 2, 3}, 2, 0));
  EngineLoad load = engine.load();
  EXPECT_EQ(load.all.waiting, 3) << "also before the engine has looked at them";
  EXPECT_EQ(load.accounts.at("ada").waiting, 2);
  engine.step();
  engine.submit(of("bob", {1, 2, 3}, 2, 0));
  load = engine.load();
  EXPECT_EQ(load.all.running, 2);
  EXPECT_EQ(load.all.waiting, 2);
  EXPECT_EQ(load.priorities.at(4).running, 1);
  EXPECT_EQ(load.priorities.at(0).running + load.priorities.at(0).waiting, 3);
  EXPECT_EQ(load.accounts.at("bob").running + load.accounts.at("bob").waiting, 2);
  while (engine.step()) {
  }
  load = engine.load();
  EXPECT_EQ(load.all.waiting + load.all.running, 0);
  EXPECT_TRUE(load.accounts.empty() && load.priorities.empty());
}

TEST(Fairness, CancelTakesEffectWithinOneStep) {
  FakeModel model;
  Engine engine(model, options());
  Completion found;
  Request asked = of("ada", random_ids(100, 1), 1000);
  asked.on_token = [&](const TokenEvent& event) { return found.tokens.push_back(event), true; };
  asked.on_finished = [&](const FinishedEvent& event) { found.finished = event; };
  const RequestId decoding = engine.submit(asked);
  for (int i = 0; i < 8; ++i) engine.step();
  const std::size_t tokens = found.tokens.size();
  const std::uint64_t rows = engine.statistics().rows;
  for (int i = 0; i < 100000; ++i) engine.cancel(decoding);  // as often as somebody likes: nothing piles up
  engine.cancel(decoding + 100);                             // nobody's
  engine.step();
  EXPECT_EQ(found.tokens.size(), tokens);
  EXPECT_EQ(found.finished.reason, FinishReason::cancelled);
  EXPECT_EQ(engine.statistics().rows, rows);
  EXPECT_EQ(engine.statistics().free_pages + engine.statistics().kept_pages, engine.statistics().pages);

  // In the middle of a long prompt, and before it was looked at.
  found = {};
  asked.prompt = random_ids(2000, 2);
  const RequestId reading = engine.submit(asked);
  engine.step();
  engine.cancel(reading);
  EXPECT_FALSE(engine.step()) << "nothing is left to do";
  EXPECT_EQ(found.finished.reason, FinishReason::cancelled);
  engine.cancel(engine.submit(asked));
  EXPECT_FALSE(engine.step());
  EXPECT_EQ(engine.statistics().rows, rows + 64);
}

TEST(Fairness, CancelIsFollowedByTheEnginesOwnThread) {
  FakeModel model;
  Engine engine(model, options(2));
  engine.start();
  std::atomic<bool> cancelled{false};
  std::atomic<int> after{0};
  std::atomic<int> tokens{0}, finished{0};
  Request asked = of("ada", random_ids(100, 1), 3000);
  asked.on_token = [&](const TokenEvent&) {
    after += cancelled ? 1 : 0;
    ++tokens;
    return true;
  };
  asked.on_finished = [&](const FinishedEvent&) { ++finished; };
  const RequestId id = engine.submit(asked);
  while (tokens < 10) std::this_thread::yield();
  engine.cancel(id);
  cancelled = true;
  while (finished == 0) std::this_thread::yield();
  EXPECT_LE(after, 1) << "of the step that ran";
}

TEST(Fairness, AThinkingBudgetInSeconds) {
  FakeModel model;
  Engine engine(model, options());
  Request asked = of("ada", random_ids(20, 13), 40);
  asked.sampling.logit_bias = {{90, -INFINITY}, {91, -INFINITY}};  // it never closes by itself
  asked.thinking.open = {90};
  asked.thinking.close = {91};
  asked.thinking.inside = true;
  asked.thinking.seconds = 3600;
  EXPECT_EQ(engine.generate(asked).finished.usage.thinking_tokens, 40);
  asked.thinking.seconds = 0.05;
  int seen = 0;
  asked.on_token = [&](const TokenEvent&) {
    if (++seen == 7) std::this_thread::sleep_for(std::chrono::milliseconds(60));
    return true;
  };
  const Completion bounded = engine.generate(asked);
  EXPECT_GE(bounded.finished.usage.thinking_tokens, 1);
  EXPECT_LE(bounded.finished.usage.thinking_tokens, 8);
  const auto closing = std::ranges::find(bounded.tokens, 91, &TokenEvent::id);
  ASSERT_NE(closing, bounded.tokens.end());
  EXPECT_TRUE(closing->forced);
  asked.on_token = {};
  asked.thinking.seconds = 0;
  EXPECT_EQ(engine.generate(asked).tokens.front().id, 91);
  for (const double wrong : {-1.0, static_cast<double>(NAN), static_cast<double>(INFINITY)}) {
    asked.thinking.seconds = wrong;
    EXPECT_THROW(engine.submit(asked), Error) << wrong;
  }
}

}  // namespace
}  // namespace limpid
