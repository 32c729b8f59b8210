// Prefill while nobody asks: what it computes is not computed again, and nobody waits for it.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "base/error.h"
#include "engine_fixture.h"

namespace limpid {
namespace {

std::vector<std::int32_t> joined(std::vector<std::int32_t> ids, const std::vector<std::int32_t>& more) {
  ids.insert(ids.end(), more.begin(), more.end());
  return ids;
}

TEST(Background, ARequestComputesExactlyWhatIsNew) {
  FakeModel model;
  for (const std::size_t known : {64U, 100U, 128U, 200U}) {
    Engine engine(model, options());
    const std::vector<std::int32_t> history = random_ids(known, 1);
    engine.warm(history);
    while (engine.step()) {
    }
    EXPECT_EQ(model.rows, static_cast<int>(known)) << "all of it, the last id too";
    EXPECT_EQ(engine.statistics().background_rows, known);
    EXPECT_EQ(engine.statistics().outputs, 0U);
    const Request asked = request(joined(history, random_ids(30, 2)), 1);
    const Completion found = engine.generate(asked);
    EXPECT_EQ(found.finished.usage.cached_tokens, static_cast<int>(known));
    EXPECT_EQ(model.rows, static_cast<int>(known) + 30);
    Engine alone(model, options());
    EXPECT_EQ(alone.generate(asked).ids(), found.ids());
    model.rows = 0;
  }
}

TEST(Background, GivesWayAtOnceAndGoesOnWhereItWas) {
  FakeModel model;
  EngineOptions how = options(1, 64, 512);
  how.limits.background_rows = 32;
  Engine engine(model, how);
  const std::vector<std::int32_t> history = random_ids(1000, 1);
  engine.warm(history);
  for (int i = 0; i < 5; ++i) engine.step();
  EXPECT_EQ(engine.statistics().background_rows, 160U) << "small steps";
  bool done = false;
  Request asked = request(random_ids(300, 2), 20);
  asked.on_finished = [&](const FinishedEvent& event) {
    done = true;
    EXPECT_EQ(event.usage.preemptions, 0);
  };
  engine.submit(asked);
  unsigned steps = 0;
  while (!done) {
    engine.step();
    EXPECT_EQ(engine.statistics().background_rows, 160U);
    EXPECT_EQ(engine.statistics().rows, 160U + 300U + steps) << "every step is the request's";
    ++steps;
  }
  while (engine.step()) {
  }
  EXPECT_EQ(engine.statistics().background_rows, 1000U) << "nothing was computed twice";
  EXPECT_EQ(engine.generate(request(history, 1)).finished.usage.cached_tokens, 999);
}

TEST(Background, PagesAreARequestsBeforeTheyAreItsOwn) {
  FakeModel model;
  Engine engine(model, options(1, 8));
  engine.warm(random_ids(500, 1));
  for (int i = 0; i < 6; ++i) engine.step();
  const Request asked = request(random_ids(400, 2), 60);
  Engine alone(model, options());
  EXPECT_EQ(engine.generate(asked).ids(), alone.generate(asked).ids());
  while (engine.step()) {
  }
  EXPECT_EQ(engine.statistics().free_pages + engine.statistics().kept_pages, 8);
}

TEST(Background, IsBoundedPrivateAndChecked) {
  FakeModel model;
  Engine engine(model, options());
  for (unsigned i = 0; i < 1000; ++i) engine.warm(random_ids(20, i), "ada");
  while (engine.step()) {
  }
  EXPECT_EQ(engine.statistics().background_rows, 20U * Scheduler::kMostBackground) << "the oldest were dropped";
  Request asked = request(random_ids(20, 999), 1);
  asked.account = "bob";
  EXPECT_EQ(engine.generate(asked).finished.usage.cached_tokens, 0);
  asked.account = "ada";
  EXPECT_EQ(engine.generate(asked).finished.usage.cached_tokens, 19);
  EXPECT_THROW(engine.warm({1, 2, 101}), Error);
  EXPECT_NO_THROW(engine.warm({}));
  engine.warm(random_ids(10000, 3));  // more than the context
  while (engine.step()) {
  }
  EXPECT_EQ(engine.load().all.waiting + engine.load().all.running, 0) << "it is nobody's load";
}

TEST(Background, AFailedStepDropsIt) {
  FakeModel model;
  model.throwing_id = 60;
  Engine engine(model, options());
  engine.warm({1, 60, 2});
  while (engine.step()) {
  }
  EXPECT_EQ(engine.statistics().failed_steps, 1U);
  Request fine = request({1, 2}, 5);
  fine.sampling.logit_bias = {{60, -1e9F}};
  EXPECT_EQ(engine.generate(fine).finished.reason, FinishReason::length);
}

TEST(Background, IsDoneByTheEnginesOwnThread) {
  FakeModel model;
  Engine engine(model, options(2));
  engine.start();
  engine.warm(random_ids(500, 1));
  const auto given_up = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (engine.statistics().background_rows < 500 && std::chrono::steady_clock::now() < given_up)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_EQ(engine.generate(request(random_ids(500, 1), 1)).finished.usage.cached_tokens, 499);
}

}  // namespace
}  // namespace limpid
