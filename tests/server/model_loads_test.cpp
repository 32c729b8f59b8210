// Requests for a model that is not loaded yet: they hold no worker, their peers get keep-alives, others are served.
#include "service_fixture.h"

namespace limpid {
namespace {

class Loading : public ServiceFixture {
 protected:
  void SetUp() override {
    ServiceFixture::SetUp();
    ServiceOptions options;
    options.generations.keep_alive_seconds = 0.05;
    build({}, options);
    models_.loading = true;
  }
  void TearDown() override {
    models_.end_loading();
    ServiceFixture::TearDown();
  }
  std::size_t waiting() { return service_->answering().loads.waiting(); }
};

TEST_F(Loading, WhoWaitsGetsKeepAlivesAndThenTheAnswer) {
  Json body = asks("Hi");
  say(body, "x</think>yes");
  const auto whole = post(kChatPath, body);  // this thread is the worker: it is not held
  body["stream"] = true;
  const auto streamed = post(kChatPath, body);
  const auto text = post("/v1/completions", {{"prompt", "Hi"}, {"max_tokens", 1}, {"stream", true}});
  const auto message =
      post("/v1/messages", {{"model", "script"}, {"max_tokens", 9}, {"messages", body["messages"]}, {"stream", true}});
  const auto tokens = post("/tokenize", {{"content", "abc"}});
  EXPECT_EQ(waiting(), 5U);
  EXPECT_EQ(call("GET", "/v1/models")->status(), 200) << "others are served";
  EXPECT_NE(call("GET", "/metrics")->body().find("limpid_waiting_for_models 5"), std::string::npos);
  ASSERT_TRUE(streamed->wait_for_text(": keep-alive\n\n: keep-alive\n\n"));
  ASSERT_TRUE(text->wait_for_text(": keep-alive\n\n"));
  ASSERT_TRUE(message->wait_for_text("event: ping\n"));
  ASSERT_TRUE(whole->wait_for_text("\n"));
  EXPECT_EQ(streamed->header("Content-Type"), "text/event-stream; charset=utf-8");
  EXPECT_EQ(whole->header("Content-Type"), "application/json");
  EXPECT_EQ(admission_->admitted, 0) << "nothing is reserved before the prompt is known";
  models_.end_loading();
  for (const auto& exchange : {whole, streamed, text, message, tokens}) {
    ASSERT_TRUE(exchange->wait());
    EXPECT_EQ(exchange->status(), 200);
  }
  EXPECT_EQ(models_.leases, 1) << "they waited for one load";
  EXPECT_EQ(Json::parse(whole->body())["choices"][0]["message"]["content"], "yes")
      << "blank lines before JSON are JSON";
  EXPECT_TRUE(whole->body().starts_with("\n"));
  std::string content;
  for (const Json& chunk : events(streamed->body()))
    for (const Json& choice : chunk["choices"])
      if (choice["delta"]["content"].is_string()) content += choice["delta"]["content"].get<std::string>();
  EXPECT_EQ(content, "yes");
  EXPECT_NE(message->body().find("event: message_stop"), std::string::npos);
  EXPECT_EQ(Json::parse(tokens->body())["count"], 3);
  wait_until_over();
  EXPECT_EQ(waiting(), 0U);
}

TEST_F(Loading, WhoGoesAwayGivesItsPlaceUp) {
  Json body = asks("Hi");
  body["stream"] = true;
  say(body, "x</think>yes");
  const auto leaves = post(kChatPath, body), stays = post(kChatPath, body),
             asked = post("/tokenize", {{"content", "abc"}});
  ASSERT_TRUE(leaves->wait_for_text(": keep-alive"));
  EXPECT_EQ(waiting(), 3U);
  leaves->leave();
  asked->leave();
  EXPECT_EQ(waiting(), 1U);
  for (int i = 0; i < 2; ++i) service_->generations().flush();  // its last holder ends behind the first
  EXPECT_EQ(leaves.use_count(), 1) << "nothing holds it any longer";
  models_.end_loading();
  ASSERT_TRUE(stays->wait());
  wait_until_over();
  EXPECT_EQ(admission_->admitted, 1);
  std::lock_guard lock(mutex_);
  EXPECT_EQ(std::ranges::count(log_, true, &AccessRecord::cut), 2);
}

TEST_F(Loading, AFailureIsToldInTheFormThatWasBegun) {
  models_.load_failure = "it needs 9 MiB of memory";
  const Json body = asks("Hi");
  Json streams = body;
  streams["stream"] = true;
  const auto whole = post(kChatPath, body), streamed = post(kChatPath, streams);
  const auto message =
      post("/v1/messages", {{"model", "script"}, {"max_tokens", 9}, {"messages", body["messages"]}, {"stream", true}});
  ASSERT_TRUE(whole->wait_for_text("\n"));
  ASSERT_TRUE(streamed->wait_for_text(": keep-alive"));
  ASSERT_TRUE(message->wait_for_text("ping"));
  models_.end_loading();
  for (const auto& exchange : {whole, streamed, message}) ASSERT_TRUE(exchange->wait());
  EXPECT_EQ(Json::parse(whole->body())["error"]["type"], "overloaded_error");
  const std::string said = streamed->body();
  const Json event = Json::parse(said.substr(said.find("data: ") + 6));
  EXPECT_EQ(event["error"]["message"], models_.load_failure);
  EXPECT_NE(message->body().find("event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\""),
            std::string::npos)
      << message->body();
}

TEST_F(Loading, AFailureBeforeAnythingWasSaidHasItsStatus) {
  ServiceOptions options;
  options.generations.keep_alive_seconds = 60;
  build({}, options);
  models_.load_failure = "it needs 9 MiB of memory";
  const auto whole = post(kChatPath, asks("Hi")), tokens = post("/tokenize", {{"content", "abc"}});
  models_.end_loading();
  for (const auto& exchange : {whole, tokens}) {
    ASSERT_TRUE(exchange->wait());
    EXPECT_EQ(exchange->status(), 503) << exchange->body();
    EXPECT_EQ(exchange->header("Retry-After"), "5");
  }
  // What the admission refuses afterwards, too.
  models_.load_failure.clear();
  models_.loading = true;
  const auto longer = post(kChatPath, asks(std::string(3000, 'x')));
  models_.end_loading();
  ASSERT_TRUE(longer->wait());
  EXPECT_EQ(longer->status(), 400);
  EXPECT_EQ(Json::parse(longer->body())["error"]["code"], "context_length_exceeded");
}

TEST_F(Loading, NotMoreThanSoManyWait) {
  std::vector<std::shared_ptr<FakeExchange>> all;
  for (std::size_t i = 0; i < ModelLoads::kMostOfAccount; ++i) all.push_back(post("/tokenize", {{"content", "a"}}));
  EXPECT_EQ(waiting(), ModelLoads::kMostOfAccount);
  const auto refused = post("/tokenize", {{"content", "a"}});
  EXPECT_EQ(refused->status(), 503);
  EXPECT_NE(refused->header("Retry-After"), "");
  all.front()->leave();
  EXPECT_EQ(post("/tokenize", {{"content", "a"}})->status(), 0) << "there is a place again";
}

TEST_F(Loading, TheEndDoesNotWaitForThoseWhoWait) {
  const auto exchange = post(kChatPath, asks("Hi"));
  std::thread later([this] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    models_.end_loading();
  });
  service_.reset();
  later.join();
  EXPECT_FALSE(exchange->ended());
  EXPECT_EQ(exchange.use_count(), 1);
}

}  // namespace
}  // namespace limpid
