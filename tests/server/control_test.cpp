// Steering an answer under way: stop thinking, cancel; taking up a broken stream; keep-alives.
#include "service_fixture.h"

namespace limpid {
namespace {

class Control : public ServiceFixture {
 protected:
  // A stream that has begun, and the id of its answer.
  std::shared_ptr<FakeExchange> begin(Json body, const std::string& until) {
    body["stream"] = true;
    model_.microseconds = 3000;
    const auto exchange = post(kChatPath, body);
    EXPECT_EQ(exchange->status(), 200) << exchange->body();
    EXPECT_TRUE(exchange->wait_for_text(until));
    const std::string said = exchange->body();
    const std::size_t at = said.find("\"id\":\"") + 6;
    id_ = said.substr(at, said.find('"', at) - at);
    return exchange;
  }
  std::shared_ptr<FakeExchange> steer(const std::string& action) {
    return post(std::string(kChatPath) + "/" + id_ + "/control", {{"action", action}});
  }
  static std::string content(const std::string& stream, const char* field = "content") {
    std::string out;
    for (const Json& chunk : events(stream))
      for (const Json& choice : chunk["choices"])
        if (choice["delta"].contains(field) && choice["delta"][field].is_string())
          out += choice["delta"][field].get<std::string>();
    return out;
  }
  // "id: N" of every event.
  static std::vector<int> ids(const std::string& stream) {
    std::vector<int> out;
    for (std::size_t at = stream.find("id: "); at != std::string::npos; at = stream.find("\nid: ", at + 1))
      out.push_back(std::stoi(stream.substr(stream.find("id: ", at) + 4)));
    return out;
  }
  std::string id_;
};

TEST_F(Control, StopThinkingMakesItAnswer) {
  const Json body = asks("Think");
  say(body, std::string(400, 't'), false);
  model_.then = '!';
  Json limited = body;
  limited["max_tokens"] = 450;
  const auto exchange = begin(limited, R"("reasoning_content":"t")");
  const auto steered = steer("stop_thinking");
  EXPECT_EQ(steered->status(), 200);
  EXPECT_EQ(Json::parse(steered->body())["id"], id_);
  model_.microseconds = 0;
  ASSERT_TRUE(exchange->wait());
  const std::string thought = content(exchange->body(), "reasoning_content");
  EXPECT_LT(thought.size(), 400U);
  EXPECT_TRUE(content(exchange->body()).starts_with("ttt")) << "the script goes on, now as the answer";
}

TEST_F(Control, CancelEndsIt) {
  const Json body = asks("Talk");
  say(body, "x</think>" + std::string(1500, 'y'));
  const auto exchange = begin(body, R"("content":"y")");
  EXPECT_EQ(steer("cancel")->status(), 200);
  ASSERT_TRUE(exchange->wait());
  EXPECT_EQ(events(exchange->body()).back()["choices"][0]["finish_reason"], "cancelled");
  EXPECT_LT(content(exchange->body()).size(), 1000U);
}

TEST_F(Control, AnAccountThatIsStoppedHasNoAnswerThatGoesOn) {
  const Json body = asks("Talk");
  say(body, "x</think>" + std::string(1500, 'y'));
  auto exchange = begin(body, R"("content":"y")");
  service_->generations().cancel_account("somebody else");
  service_->generations().cancel_account("local");
  ASSERT_TRUE(exchange->wait());
  EXPECT_EQ(events(exchange->body()).back()["choices"][0]["finish_reason"], "cancelled");
  // By another process: who may not go on is found within a second.
  std::atomic<bool> banned{false};
  std::atomic<int> asked{0};
  service_->generations().watch([&](const std::string& account) {
    EXPECT_EQ(account, "local");
    if (++asked == 1) throw std::runtime_error("the database is busy");
    return !banned.load();
  });
  Json lengthy = body;
  lengthy["max_tokens"] = 2000;
  exchange = begin(lengthy, R"("content":"y")");
  const auto begun = std::chrono::steady_clock::now();
  banned = true;
  ASSERT_TRUE(exchange->wait());
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(4));
  EXPECT_EQ(events(exchange->body()).back()["choices"][0]["finish_reason"], "cancelled");
  wait_until_over();
  service_->generations().watch({});
}

TEST_F(Control, OnlyWhatIsThereAndOnesOwn) {
  const Json body = asks("Talk");
  say(body, "x</think>" + std::string(300, 'y'));
  const auto exchange = begin(body, R"("content":"y")");
  const std::string right = id_;
  EXPECT_EQ(steer("explode")->status(), 422);
  EXPECT_EQ(post(std::string(kChatPath) + "/" + id_ + "/control", Json::object())->status(), 400);
  id_ = "chatcmpl-unknown";
  EXPECT_EQ(steer("cancel")->status(), 404);
  Identity other;
  other.account = "somebody else";
  EXPECT_EQ(service_->generations().find(right, other), nullptr);
  id_ = right;
  model_.microseconds = 0;
  ASSERT_TRUE(exchange->wait());
  wait_until_over();
  EXPECT_EQ(steer("cancel")->status(), 404) << "it has ended and cannot be resumed";
}

TEST_F(Control, ABrokenStreamIsTakenUpFromTheLastEvent) {
  Json body = asks("Tell");
  body["resumable"] = body["stream"] = true;
  body["stream_options"]["include_usage"] = true;
  const std::string text(200, 'y');
  say(body, "thinking</think>" + text);
  const auto first = begin(body, R"("content":"y")");
  first->leave();
  const std::string before = first->body();
  const std::vector<int> seen = ids(before);
  ASSERT_FALSE(seen.empty());
  const int last = seen[seen.size() / 2];
  const auto second =
      call("GET", std::string(kChatPath) + "/" + id_ + "/stream", "", {{"Last-Event-ID", std::to_string(last)}});
  EXPECT_EQ(second->status(), 200);
  model_.microseconds = 0;
  ASSERT_TRUE(second->wait());
  const std::vector<int> rest = ids(second->body());
  for (std::size_t i = 0; i < rest.size(); ++i) ASSERT_EQ(rest[i], last + 1 + static_cast<int>(i));
  const auto third = call("GET", std::string(kChatPath) + "/" + id_ + "/stream?last_event_id=0");
  ASSERT_TRUE(third->wait());
  EXPECT_EQ(content(third->body()), text) << "all of it, after its end too";
  EXPECT_TRUE(third->body().ends_with(second->body()));
  wait_until_over();
  std::lock_guard lock(admission_->mutex);
  EXPECT_EQ(admission_->settled.size(), 1U);
}

TEST_F(Control, ResumingIsRefusedWhereItCannotBe) {
  Json body = asks("Tell");
  say(body, "x</think>" + std::string(400, 'y'));
  const auto plain = begin(body, R"("content":"y")");
  EXPECT_EQ(ids(plain->body()).size(), 0U);
  const auto resume = [&](const std::string& last) {
    return call("GET", std::string(kChatPath) + "/" + id_ + "/stream", "", {{"Last-Event-ID", last}})->status();
  };
  EXPECT_EQ(resume("1"), 404);
  plain->leave();
  body["resumable"] = true;
  const auto exchange = begin(body, R"("content":"y")");
  EXPECT_EQ(resume("100000"), 422);
  EXPECT_EQ(resume("one"), 422);
  exchange->leave();
}

TEST_F(Control, AnAnswerThatNobodyTakesUpEnds) {
  ServiceOptions options;
  options.generations.grace_seconds = 0.2;
  options.generations.keep_alive_seconds = 0.4;
  build({}, options);
  Json body = asks("Tell");
  body["resumable"] = body["stream"] = true;
  say(body, "x</think>" + std::string(1900, 'y'));
  const auto exchange = begin(body, R"("content":"y")");
  exchange->leave();
  EXPECT_EQ(service_->generations().running(), 1);
  for (int i = 0; i < 3000 && service_->generations().size() > 0; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_EQ(service_->generations().size(), 0);
  EXPECT_EQ(engine_->statistics().running, 0);
}

TEST_F(Control, TheLogIsBounded) {
  ServiceOptions options;
  options.generations.log_bytes = 2000;
  build({}, options);
  Json body = asks("Tell");
  body["resumable"] = true;
  body["stream"] = true;
  say(body, "x</think>" + std::string(100, 'y'));
  const auto exchange = post(kChatPath, body);
  ASSERT_TRUE(exchange->wait());
  const std::string said = exchange->body();
  const std::size_t at = said.find("\"id\":\"") + 6;
  const std::string path = std::string(kChatPath) + "/" + said.substr(at, said.find('"', at) - at) + "/stream";
  EXPECT_EQ(call("GET", path, "", {{"Last-Event-ID", "1"}})->status(), 410);
  const auto late = call("GET", path, "", {{"Last-Event-ID", std::to_string(ids(said).back() - 2)}});
  ASSERT_TRUE(late->wait());
  EXPECT_EQ(ids(late->body()).size(), 2U);
}

TEST_F(Control, SilenceIsFilledWithKeepAlives) {
  ServiceOptions options;
  options.generations.keep_alive_seconds = 0.1;
  build({}, options);
  Json body = asks("Tell");
  say(body, "x</think>yes");
  model_.microseconds = 400'000;
  body["max_tokens"] = 4;
  body["stream"] = true;
  const auto streamed = post(kChatPath, body);
  body["stream"] = false;
  const auto whole = post(kChatPath, body);
  ASSERT_TRUE(streamed->wait());
  ASSERT_TRUE(whole->wait());
  EXPECT_NE(streamed->body().find(": keep-alive\n\n"), std::string::npos);
  EXPECT_EQ(events(streamed->body()).back()["choices"][0]["finish_reason"], "length");
  EXPECT_TRUE(whole->body().starts_with("\n"));
  EXPECT_EQ(whole->header("Content-Type"), "application/json");
  EXPECT_EQ(Json::parse(whole->body())["usage"]["completion_tokens"], 4) << "blank lines before JSON are JSON";
}

}  // namespace
}  // namespace limpid
