// The engine with a fake model: one answer, whatever runs beside it and however it is cut; counters that say what was
// really computed.
#include "engine/engine.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <cmath>
#include <random>
#include <thread>

#include "base/error.h"
#include "engine_fixture.h"

namespace limpid {
namespace {

// Of this process, all threads.
double cpu_seconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

// What the model says without any engine: greedy.
std::vector<std::int32_t> greedy_reference(const FakeModel& model, std::vector<std::int32_t> ids, int count) {
  std::vector<std::int32_t> answer;
  for (int i = 0; i < count; ++i) {
    answer.push_back(argmax(model.reference(ids)));
    ids.push_back(answer.back());
  }
  return answer;
}

TEST(Engine, GreedyIsTheReference) {
  FakeModel model;
  Engine engine(model, options());
  Request asked = request(random_ids(200, 1), 80);
  asked.sampling.temperature = 0;
  const Completion completion = engine.generate(asked);
  EXPECT_EQ(completion.ids(), greedy_reference(model, asked.prompt, 80));
  EXPECT_EQ(completion.finished.reason, FinishReason::length);
  EXPECT_EQ(completion.finished.usage.prompt_tokens, 200);
  EXPECT_EQ(completion.finished.usage.completion_tokens, 80);
  EXPECT_EQ(completion.finished.usage.cached_tokens, 0);
  EXPECT_EQ(completion.tokens.front().position, 200);
  // 200 rows of prompt and every token but the last one.
  EXPECT_EQ(engine.statistics().rows, 279U);
  EXPECT_EQ(model.rows, 279);
  EXPECT_EQ(engine.statistics().outputs, 80U);
}

TEST(Engine, OneAnswerForThreadsAndChunks) {
  FakeModel model;
  std::vector<std::int32_t> expected;
  std::uint64_t hash = 0;
  for (int threads : {1, 2, 3})
    for (int rows : {1, 7, 63, 64, 65, 257, 512}) {
      Engine engine(model, options(threads, 64, rows));
      const Completion completion = engine.generate(request(random_ids(300, 2), 70));
      if (expected.empty()) {
        expected = completion.ids();
        hash = completion.finished.logits_hash;
      }
      EXPECT_EQ(completion.ids(), expected) << threads << " threads, " << rows << " rows";
      EXPECT_EQ(completion.finished.logits_hash, hash);
    }
}

TEST(Engine, OneAnswerForBatchMates) {
  FakeModel model;
  std::vector<Completion> alone;
  std::vector<Request> requests;
  for (unsigned i = 0; i < 12; ++i)
    requests.push_back(request(random_ids(1 + i * 37, 100 + i), 20 + static_cast<int>(i) * 5, i));
  for (const Request& one : requests) {
    Engine engine(model, options());
    alone.push_back(engine.generate(one));
  }
  for (int rows : {5, 64, 300}) {
    Engine engine(model, options(2, 256, rows));
    const std::vector<Completion> together = run_all(engine, requests);
    for (std::size_t i = 0; i < requests.size(); ++i) {
      EXPECT_EQ(together[i].ids(), alone[i].ids()) << "request " << i << ", " << rows << " rows";
      EXPECT_EQ(together[i].finished.logits_hash, alone[i].finished.logits_hash);
    }
  }
}

TEST(Engine, OneAnswerWhenPreempted) {
  FakeModel model;
  const Request asked = request(random_ids(150, 3), 100);
  Engine calm(model, options());
  const Completion expected = calm.generate(asked);
  Engine engine(model, options());
  int steps = 0;
  const std::vector<Completion> results = run_all(engine, {asked}, [&](const std::vector<RequestId>& ids) {
    if (++steps % 5 == 0) engine.preempt(ids[0]);
  });
  EXPECT_EQ(results[0].ids(), expected.ids());
  EXPECT_GT(results[0].finished.usage.preemptions, 10);
  EXPECT_EQ(results[0].finished.usage.cached_tokens, 0) << "its own pages, found again, are no cached prompt";
  // Its pages were kept: it resumed from them, and computed nothing again but the last id known.
  EXPECT_LT(engine.statistics().rows, 249U + 10U * static_cast<unsigned>(results[0].finished.usage.preemptions));
}

TEST(Engine, ManyRequestsInFewPages) {
  FakeModel model;
  std::vector<Request> requests;
  std::vector<Completion> alone;
  for (unsigned i = 0; i < 8; ++i) requests.push_back(request(random_ids(90 + i * 11, 200 + i), 150, i));
  for (const Request& one : requests) {
    Engine engine(model, options());
    alone.push_back(engine.generate(one));
  }
  Engine engine(model, options(2, 7, 64));  // each needs up to 5 of the 7 pages
  const std::vector<Completion> results = run_all(engine, requests);
  for (std::size_t i = 0; i < requests.size(); ++i) EXPECT_EQ(results[i].ids(), alone[i].ids()) << "request " << i;
  EXPECT_GT(engine.statistics().preemptions, 0U);
  EXPECT_GT(engine.statistics().evictions, 0U);
  EXPECT_EQ(engine.statistics().free_pages + engine.statistics().kept_pages, 7) << "every page came back";
}

TEST(Engine, SecondTurnComputesOnlyWhatIsNew) {
  FakeModel model;
  Engine engine(model, options());
  const Request first = request(random_ids(130, 4), 100);
  const Completion answer = engine.generate(first);
  const std::int64_t before = model.rows;

  Request second = request(first.prompt, 30);
  for (std::int32_t id : answer.ids()) second.prompt.push_back(id);
  for (std::int32_t id : random_ids(40, 5)) second.prompt.push_back(id);
  const Completion again = engine.generate(second);
  // 230 ids were known; the last one of them was never computed. 3 full pages and 37 of the tail come from the cache.
  EXPECT_EQ(again.finished.usage.cached_tokens, 229);
  EXPECT_EQ(model.rows - before, 270 - 229 + 29);
  EXPECT_EQ(engine.statistics().reused_tokens, 229U);

  Engine fresh(model, options());
  EXPECT_EQ(fresh.generate(second).ids(), again.ids());
}

TEST(Engine, SamePromptAgainComputesOneRow) {
  FakeModel model;
  for (std::size_t length : {64U, 128U, 129U, 191U}) {  // at and around the borders of pages
    Engine engine(model, options());
    const Request asked = request(random_ids(length, 6), 1);
    const Completion first = engine.generate(asked);
    const std::int64_t before = model.rows;
    const Completion second = engine.generate(asked);
    EXPECT_EQ(model.rows - before, 1) << length;
    EXPECT_EQ(second.finished.usage.cached_tokens, static_cast<int>(length) - 1);
    EXPECT_EQ(second.tokens.front().cached_tokens, second.finished.usage.cached_tokens) << "said with each token";
    EXPECT_EQ(second.ids(), first.ids());
    EXPECT_EQ(second.finished.logits_hash, first.finished.logits_hash);
  }
}

TEST(Engine, ForkInsideAPageCopies) {
  FakeModel model;
  Engine engine(model, options());
  const std::vector<std::int32_t> base = random_ids(180, 7);
  engine.generate(request(base, 5));
  for (std::size_t keep : {100U, 127U, 128U, 150U}) {
    std::vector<std::int32_t> fork(base.begin(), base.begin() + static_cast<std::ptrdiff_t>(keep));
    for (std::int32_t id : random_ids(60, static_cast<unsigned>(keep))) fork.push_back((id + 1 == 101) ? 0 : id + 1);
    const Completion hit = engine.generate(request(fork, 20));
    EXPECT_GE(hit.finished.usage.cached_tokens, static_cast<int>(keep));
    Engine fresh(model, options());
    EXPECT_EQ(fresh.generate(request(fork, 20)).ids(), hit.ids()) << keep;
  }
}

TEST(Engine, TwoWithOnePrefixComputeItOnce) {
  FakeModel model;
  Engine engine(model, options(2, 64, 100));
  std::vector<Request> requests;
  const std::vector<std::int32_t> base = random_ids(64 * 5, 8);
  for (unsigned i = 0; i < 4; ++i) {
    requests.push_back(request(base, 10, i));
    for (std::int32_t id : random_ids(20, 40 + i)) requests.back().prompt.push_back(id);
  }
  const std::vector<Completion> results = run_all(engine, requests);
  EXPECT_EQ(model.rows, 64 * 5 + 4 * (20 + 9)) << "the five shared pages once, the rest of each";
  int cached = 0;
  for (const Completion& result : results) cached += result.finished.usage.cached_tokens;
  EXPECT_EQ(cached, 3 * 64 * 5);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    Engine fresh(model, options());
    EXPECT_EQ(fresh.generate(requests[i]).ids(), results[i].ids());
  }
}

TEST(Engine, CacheIsNotSharedAcrossAccountsNorWithThoseWhoDecline) {
  FakeModel model;
  Engine engine(model, options());
  Request asked = request(random_ids(220, 9), 3);
  asked.account = "ada";
  engine.generate(asked);
  asked.account = "bob";
  EXPECT_EQ(engine.generate(asked).finished.usage.cached_tokens, 0);
  asked.use_cache = false;
  EXPECT_EQ(engine.generate(asked).finished.usage.cached_tokens, 0);
  asked.use_cache = true;
  EXPECT_EQ(engine.generate(asked).finished.usage.cached_tokens, 219);
}

TEST(Engine, CancelGivesPagesBackAndLeavesOthersAlone) {
  FakeModel model;
  Engine engine(model, options());
  std::vector<Request> requests{request(random_ids(100, 10), 50, 1), request(random_ids(100, 11), 50, 2)};
  int steps = 0;
  const std::vector<Completion> results = run_all(engine, requests, [&](const std::vector<RequestId>& ids) {
    if (++steps == 10) engine.cancel(ids[0]);
  });
  EXPECT_EQ(results[0].finished.reason, FinishReason::cancelled);
  EXPECT_LT(results[0].tokens.size(), 50U);
  EXPECT_EQ(results[1].finished.reason, FinishReason::length);
  Engine fresh(model, options());
  EXPECT_EQ(fresh.generate(requests[1]).ids(), results[1].ids());
  EXPECT_EQ(engine.statistics().free_pages + engine.statistics().kept_pages, engine.statistics().pages);
}

TEST(Engine, StopIdsAndCallbacksEndARequest) {
  FakeModel model;
  Engine engine(model, options());
  Request asked = request(random_ids(20, 12), 60);
  const std::vector<std::int32_t> all = engine.generate(asked).ids();
  asked.stop_ids = {all[7]};
  const Completion stopped = engine.generate(asked);
  const auto first = std::find(all.begin(), all.end(), all[7]) - all.begin();
  EXPECT_EQ(stopped.finished.reason, FinishReason::stop);
  EXPECT_EQ(static_cast<std::ptrdiff_t>(stopped.tokens.size()), first + 1);
  EXPECT_TRUE(stopped.tokens.back().stop);

  asked.stop_ids.clear();
  int seen = 0;
  asked.on_token = [&](const TokenEvent&) { return ++seen < 4; };
  const Completion requested = engine.generate(asked);
  EXPECT_EQ(requested.finished.reason, FinishReason::requested);
  EXPECT_EQ(requested.tokens.size(), 4U);

  asked.on_token = [&](const TokenEvent&) -> bool { throw std::runtime_error("no more paper"); };
  const Completion failed = engine.generate(asked);
  EXPECT_EQ(failed.finished.reason, FinishReason::error);
  EXPECT_EQ(failed.finished.error, "no more paper");
  asked.on_token = {};
  EXPECT_EQ(engine.generate(asked).ids(), all) << "the engine goes on";
}

TEST(Engine, LogitsThatAreNoNumbersEndOneRequestOnly) {
  FakeModel model;
  model.broken_id = 50;
  Engine engine(model, options());
  std::vector<Request> requests{request({1, 2, 50}, 5), request({1, 2, 3}, 5)};
  requests[1].sampling.logit_bias = {{50, -INFINITY}};
  const std::vector<Completion> results = run_all(engine, requests);
  EXPECT_EQ(results[0].finished.reason, FinishReason::error);
  EXPECT_NE(results[0].finished.error.find("position 3"), std::string::npos) << results[0].finished.error;
  EXPECT_EQ(results[1].finished.reason, FinishReason::length);
}

TEST(Engine, AFailedStepEndsItsRequestsAndTheEngineGoesOn) {
  FakeModel model;
  model.throwing_id = 60;
  Engine engine(model, options(3));
  const Completion failed = engine.generate(request({1, 60}, 5));
  EXPECT_EQ(failed.finished.reason, FinishReason::error);
  EXPECT_EQ(engine.statistics().failed_steps, 1U);
  Request fine = request({1, 2}, 5);
  fine.sampling.logit_bias = {{60, -INFINITY}};
  EXPECT_EQ(engine.generate(fine).finished.reason, FinishReason::length);
  EXPECT_EQ(engine.statistics().free_pages + engine.statistics().kept_pages, engine.statistics().pages);
}

// Conversations that share beginnings, few pages, random chunks, preemption and cancelling: every answer is the one it
// gets alone.
TEST(Engine, RandomTraffic) {
  FakeModel model;
  for (unsigned seed = 0; seed < 4; ++seed) {
    std::mt19937 random(seed);
    const auto below = [&](unsigned n) { return random() % n; };
    const std::vector<std::int32_t> base = random_ids(400, 77);
    std::vector<Request> requests;
    for (unsigned i = 0; i < 40; ++i) {
      std::vector<std::int32_t> prompt(base.begin(), base.begin() + below(300));
      for (std::int32_t id : random_ids(1 + below(60), 500 + below(10))) prompt.push_back(id);
      requests.push_back(request(prompt, 1 + static_cast<int>(below(80)), below(3)));
      requests.back().sampling.temperature = below(2) ? 1.0F : 0.0F;
      requests.back().sampling.repetition_penalty = below(3) ? 1.0F : 1.2F;
      requests.back().account = below(4) ? "ada" : "bob";
      requests.back().use_cache = below(8) != 0;
    }
    EngineOptions few =
        options(1 + static_cast<int>(seed % 3), 9 + static_cast<int>(below(20)), 1 + static_cast<int>(below(120)));
    few.limits.prefill_rows = 1 + static_cast<int>(below(64));
    few.limits.sequences = 1 + static_cast<int>(below(8));
    Engine engine(model, few);
    const std::vector<Completion> results = run_all(engine, requests, [&](const std::vector<RequestId>& ids) {
      if (below(20) == 0) engine.preempt(ids[below(40)]);
      if (below(300) == 0) engine.cancel(ids[below(40)]);
    });
    for (std::size_t i = 0; i < requests.size(); ++i) {
      Engine alone(model, options(1, 64, 512));
      std::vector<std::int32_t> expected = alone.generate(requests[i]).ids();
      if (results[i].finished.reason == FinishReason::cancelled) expected.resize(results[i].tokens.size());
      ASSERT_EQ(results[i].ids(), expected) << "seed " << seed << ", request " << i;
    }
    EXPECT_EQ(engine.statistics().finished, 40U);
    EXPECT_EQ(engine.statistics().free_pages + engine.statistics().kept_pages, few.pages);
    EXPECT_GT(engine.statistics().reused_tokens, 0U);
  }
}

TEST(Engine, ThinkingBudgetAndStopThinking) {
  FakeModel model;
  Engine engine(model, options());
  Request asked = request(random_ids(20, 13), 40);
  asked.sampling.logit_bias = {{90, -INFINITY}, {91, -INFINITY}};  // it never closes by itself
  asked.thinking.open = {90};
  asked.thinking.close = {91};
  asked.thinking.closing = {92, 91, 93};
  asked.thinking.inside = true;
  const Completion endless = engine.generate(asked);
  EXPECT_EQ(endless.finished.usage.thinking_tokens, 40);

  asked.thinking.budget = 10;
  const Completion bounded = engine.generate(asked);
  EXPECT_EQ(bounded.finished.usage.thinking_tokens, 10);
  const std::vector<std::int32_t> ids = bounded.ids(), free = endless.ids();
  EXPECT_TRUE(std::equal(ids.begin(), ids.begin() + 10, free.begin()))
      << "the budget changes nothing before it is used up";
  EXPECT_EQ((std::vector<std::int32_t>{ids[10], ids[11], ids[12]}), asked.thinking.closing);
  EXPECT_TRUE(bounded.tokens[12].forced && bounded.tokens[12].thinking);
  EXPECT_FALSE(bounded.tokens[9].forced || bounded.tokens[13].forced || bounded.tokens[13].thinking);
  // The rest is what the model says after those ids.
  Request after = asked;
  after.thinking = {};
  after.prompt.insert(after.prompt.end(), ids.begin(), ids.begin() + 13);
  after.max_tokens = 27;
  EXPECT_EQ(engine.generate(after).ids(), std::vector<std::int32_t>(ids.begin() + 13, ids.end()));

  asked.thinking.budget.reset();
  int steps = 0;
  const std::vector<Completion> stopped = run_all(engine, {asked}, [&](const std::vector<RequestId>& requests) {
    if (++steps == 8) engine.stop_thinking(requests[0]);
  });
  EXPECT_EQ(stopped[0].finished.usage.thinking_tokens, 8);
  EXPECT_EQ(stopped[0].tokens[9].id, 91);
}

TEST(Engine, LogprobsAndAlternativesAreTheModels) {
  FakeModel model;
  Engine engine(model, options(2));
  Request asked = request(random_ids(70, 14), 6);
  asked.sampling.logprobs = 5;
  const Completion completion = engine.generate(asked);
  std::vector<std::int32_t> ids = asked.prompt;
  for (const TokenEvent& token : completion.tokens) {
    const std::vector<float> logits = model.reference(ids);
    double total = 0;
    for (float logit : logits) total += std::exp(static_cast<double>(logit));
    EXPECT_NEAR(token.logprob, static_cast<double>(logits[static_cast<std::size_t>(token.id)]) - std::log(total), 1e-5);
    ASSERT_EQ(token.alternatives.size(), 5U);
    EXPECT_EQ(token.alternatives[0].id, argmax(logits));
    ids.push_back(token.id);
  }
}

TEST(Engine, ARuleThatThrowsEndsItsRequest) {
  struct Thrower : LogitRule {
    void apply(std::span<float>) override { throw std::runtime_error("the grammar ends here"); }
    void accept(std::int32_t) override {}
  };
  FakeModel model;
  Engine engine(model, options(2));
  Request asked = request({1, 2}, 5);
  asked.rules.push_back(std::make_shared<Thrower>());
  const Completion completion = engine.generate(asked);
  EXPECT_EQ(completion.finished.reason, FinishReason::error);
  EXPECT_EQ(completion.finished.error, "the grammar ends here");
}

TEST(Engine, RefusesWhatItCannotDo) {
  FakeModel model(101, 3, 256);
  Engine engine(model, options(1, 2));
  EXPECT_EQ(engine.context(), 128) << "no more than the pool holds";
  const auto refused = [&](Request asked, const char* field) {
    try {
      engine.submit(std::move(asked));
      ADD_FAILURE() << field;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::input);
      EXPECT_NE(std::string(error.what()).find(field), std::string::npos) << error.what();
    }
  };
  refused(request({}, 1), "prompt");
  refused(request({101}, 1), "101");
  refused(request({-1}, 1), "-1");
  refused(request(random_ids(128, 1), 1), "128");
  Request bad = request({1}, 1);
  bad.sampling.top_p = 1.5F;
  refused(bad, "top_p");
  bad = request({1}, 1);
  bad.sampling.logit_bias = {{500, 1.0F}};
  refused(bad, "logit_bias");
  // To the brim: the answer ends with the context.
  const Completion full = engine.generate(request(random_ids(100, 2), 0));
  EXPECT_EQ(full.finished.reason, FinishReason::length);
  EXPECT_EQ(full.tokens.size(), 28U);
}

TEST(Engine, DecodingGoesOnWhileALongPromptIsRead) {
  FakeModel model;
  EngineOptions chunks = options(1, 64, 64);
  chunks.limits.prefill_rows = 32;
  Engine engine(model, chunks);
  int tokens = 0;
  Request talking = request({1, 2, 3}, 100);
  talking.on_token = [&](const TokenEvent&) { return ++tokens, true; };
  engine.submit(talking);
  engine.step();
  engine.submit(request(random_ids(640, 1), 5));
  const std::uint64_t before = engine.statistics().rows;
  for (int i = 0; i < 10; ++i) engine.step();
  EXPECT_EQ(tokens, 11) << "a token each step";
  EXPECT_EQ(engine.statistics().rows - before, 10U * 33U);
}

TEST(Engine, AShortPromptDoesNotWaitForALongOne) {
  FakeModel model;
  Engine engine(model, options(1, 64, 64));
  engine.submit(request(random_ids(2000, 1), 5));
  bool done = false;
  Request brief = request(random_ids(30, 2), 1);
  brief.on_finished = [&](const FinishedEvent&) { done = true; };
  engine.submit(brief);
  engine.step();
  EXPECT_TRUE(done) << "half of the first step's rows were its";
}

TEST(Engine, ItsOwnThreadServesManyAndSleepsWhenIdle) {
  FakeModel model;
  std::vector<Completion> alone;
  std::vector<Request> requests;
  for (unsigned i = 0; i < 6; ++i) requests.push_back(request(random_ids(50 + i * 30, 300 + i), 40, i));
  for (const Request& one : requests) {
    Engine engine(model, options());
    alone.push_back(engine.generate(one));
  }
  Engine engine(model, options(2, 64));
  engine.start();
  EXPECT_THROW(engine.step(), Error);
  std::vector<Completion> results(requests.size());
  std::vector<std::thread> callers;
  for (std::size_t i = 0; i < requests.size(); ++i)
    callers.emplace_back([&, i] { results[i] = engine.generate(requests[i]); });
  for (std::thread& caller : callers) caller.join();
  for (std::size_t i = 0; i < requests.size(); ++i) EXPECT_EQ(results[i].ids(), alone[i].ids());
  std::this_thread::sleep_for(std::chrono::milliseconds(50));  // the team's threads go to sleep
  const double before = cpu_seconds();
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  EXPECT_LT(cpu_seconds() - before, 0.005) << "idle: no CPU";
}

TEST(Engine, IsDestroyedWithWorkInIt) {
  FakeModel model;
  std::atomic<int> cancelled{0};
  {
    Engine engine(model, options(2));
    engine.start();
    for (unsigned i = 0; i < 5; ++i) {
      Request asked = request(random_ids(500, i), 3000);
      asked.on_finished = [&](const FinishedEvent& event) { cancelled += event.reason == FinishReason::cancelled; };
      engine.submit(asked);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_EQ(cancelled, 5);
}

}  // namespace
}  // namespace limpid
