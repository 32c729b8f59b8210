#include "server/grammar_cache.h"

#include <utility>

#include "tests/server/service_fixture.h"

namespace limpid {
namespace {

TEST(GrammarCache, CompilesOnceWhatIsRightAndWhatIsWrong) {
  GrammarCache cache;
  int made = 0;
  const auto right = [&] { return ++made, json_object_grammar(); };
  const auto first = cache.get("a", right);
  EXPECT_EQ(cache.get("a", right), first);
  EXPECT_EQ(made, 1);
  EXPECT_TRUE(cache.has("a"));
  EXPECT_FALSE(cache.has("b"));
  const auto wrong = [&]() -> GrammarCache::Made {
    ++made;
    throw bad_parameter("no", "schema");
  };
  for (int i = 0; i < 2; ++i) {
    try {
      cache.get("b", wrong);
      ADD_FAILURE();
    } catch (const ApiError& error) {
      EXPECT_EQ(error.status, 422);
      EXPECT_EQ(error.param, "schema");
    }
  }
  EXPECT_EQ(made, 2);
  EXPECT_EQ(cache.get("none", [&] { return ++made, GrammarCache::Made(); }), nullptr);
  cache.get("none", right);
  EXPECT_EQ(made, 3);
  for (int i = 0; i < 2; ++i)  // memory, perhaps: the next one may have more luck
    EXPECT_THROW(cache.get("c",
                           [&]() -> GrammarCache::Made {
                             ++made;
                             throw std::bad_alloc();
                           }),
                 std::bad_alloc);
  EXPECT_EQ(made, 5);
}

TEST(GrammarCache, IsBounded) {
  GrammarCache few(1 << 20, 2), small(20'000, 1000);
  few.get("a", json_object_grammar);
  few.get("b", json_object_grammar);
  few.get("a", json_object_grammar);
  few.get("c", json_object_grammar);
  EXPECT_TRUE(few.has("a") && few.has("c"));
  EXPECT_FALSE(few.has("b"));
  for (int i = 0; i < 100; ++i) {
    small.get(std::to_string(i), json_object_grammar);
    EXPECT_LE(small.bytes(), 20'000u);
  }
}

// Where what takes long is put off until the test lets it run.
class PuttingOff : public FakeExchange {
 public:
  using FakeExchange::FakeExchange;
  bool defer(std::function<void()> job) override {
    if (full) return false;
    jobs.push_back(std::move(job));
    return true;
  }
  void run() {  // a job holds the exchange, so none is kept
    for (const auto& job : std::exchange(jobs, {})) job();
  }
  std::vector<std::function<void()>> jobs;
  bool full = false;
};

class Deferring : public ServiceFixture {
 protected:
  std::shared_ptr<PuttingOff> put(const std::string& path, const Json& body, bool full = false) {
    ServedRequest request;
    request.method = "POST";
    request.path = path;
    request.body = body.dump();
    request.headers = {{"Content-Type", "application/json"}};
    auto exchange = std::make_shared<PuttingOff>(std::move(request));
    exchange->full = full;
    service_->handler()(exchange);
    return exchange;
  }
  static Json with_schema(Json schema) {
    Json body = asks("Hi");
    body["response_format"] = {{"type", "json_schema"},
                               {"json_schema", {{"name", "x"}, {"schema", std::move(schema)}}}};
    return body;
  }
};

TEST_F(Deferring, AGrammarIsCompiledOnTheThreadsForThatAndOnce) {
  const Json body = with_schema({{"enum", {"yes"}}});
  say(body, "hm</think>\"yes\"");
  const auto first = put("/v1/chat/completions", body);
  ASSERT_EQ(first->jobs.size(), 1u);
  EXPECT_EQ(first->status(), 0);
  EXPECT_EQ(admission_->admitted, 0);
  first->run();
  ASSERT_TRUE(first->wait());
  EXPECT_EQ(first->status(), 200);
  const auto again = put("/v1/chat/completions", body);
  EXPECT_TRUE(again->jobs.empty()) << "it is known by now";
  ASSERT_TRUE(again->wait());
  EXPECT_EQ(again->status(), 200);
  wait_until_over();
  EXPECT_TRUE(put("/v1/chat/completions", asks("Hi"))->jobs.empty()) << "no grammar, nothing to wait for";
}

TEST_F(Deferring, WhatIsWrongIsToldFromThereInTheRoutesOwnFormat) {
  const Json wrong = {{"type", "string"}, {"pattern", "(?=a)"}};
  const auto chat = put("/v1/chat/completions", with_schema(wrong));
  ASSERT_EQ(chat->jobs.size(), 1u);
  chat->run();
  EXPECT_EQ(chat->status(), 422);
  EXPECT_EQ(Json::parse(chat->body())["error"]["param"], "response_format.json_schema.schema");
  Json body = asks("Hi");
  body["max_tokens"] = 4;
  body["output_config"] = {{"format", {{"type", "json_schema"}, {"schema", wrong}}}};
  const auto message = put("/v1/messages", body);
  ASSERT_EQ(message->jobs.size(), 1u);
  message->run();
  EXPECT_EQ(message->status(), 400);
  EXPECT_EQ(Json::parse(message->body())["type"], "error");
  const auto full = put("/v1/chat/completions", with_schema({{"enum", {"no"}}}), true);
  EXPECT_EQ(full->status(), 503);
  EXPECT_FALSE(full->header("Retry-After").empty());
  EXPECT_EQ(admission_->admitted, 0);
  service_->generations().flush();
  EXPECT_TRUE(errors_.empty());
}

// What is left of a prompt that is found in the cache costs less, also where the answer is cut off.
class CutOff : public ServiceFixture {};

TEST_F(CutOff, ThePromptsCacheDiscountStays) {
  const Json body = asks(std::string(300, 'x'));
  say(body, "hm</think>yes");
  answer("/v1/chat/completions", body);
  wait_until_over();
  say(body, std::string(1000, 'a'), false);
  model_.microseconds = 2000;
  Json streamed = body;
  streamed["stream"] = true;
  const auto cut = post("/v1/chat/completions", streamed);
  ASSERT_TRUE(cut->wait_for_text("aaa"));
  Consumption told;
  {
    std::lock_guard lock(admission_->mutex);
    told = admission_->last_progress;
  }
  EXPECT_GE(told.cached_tokens, 256);
  EXPECT_GT(told.prompt_tokens, told.cached_tokens);
  EXPECT_GT(told.completion_tokens, 0);
  cut->leave();
  wait_until_over();
  EXPECT_EQ(admission_->settled.back().cached_tokens, told.cached_tokens) << "as it is at the end";
}

}  // namespace
}  // namespace limpid
