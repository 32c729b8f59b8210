// Router, and the small routes: models, texts, health, the page, the log.
#include "server/router.h"

#include "server/static_files.h"
#include "service_fixture.h"

namespace limpid {
namespace {

using Routes = ServiceFixture;

TEST(Router, PatternsMatchSegmentBySegment) {
  Router router;
  for (const char* pattern : {"/", "/a", "/a/{id}", "/a/{id}/b", "/files/{path...}"})
    router.add({"GET", pattern, {}, {}, true});
  router.add({"POST", "/a", {}, {}, false, "chat"});
  const auto pattern = [&](const char* path) {
    const Router::Match match = router.find("GET", path);
    return match.route == nullptr ? std::string() : match.route->pattern;
  };
  EXPECT_EQ(pattern("/"), "/");
  EXPECT_EQ(pattern("/a"), "/a");
  EXPECT_EQ(pattern("/a/"), "");
  EXPECT_EQ(pattern("/b"), "");
  EXPECT_EQ(pattern("/a/x"), "/a/{id}");
  EXPECT_EQ(pattern("/a/x/b"), "/a/{id}/b");
  EXPECT_EQ(pattern("/a/x/c"), "");
  EXPECT_EQ(router.find("GET", "/files/x/y.js").parameters.at("path"), "x/y.js");
  EXPECT_EQ(router.find("GET", "/a/x/b").parameters.at("id"), "x");
  EXPECT_EQ(router.find("HEAD", "/a").route->method, "GET");
  EXPECT_EQ(router.find("DELETE", "/a").route, nullptr);
  EXPECT_EQ(router.find("DELETE", "/a").allowed, "GET, POST");
  EXPECT_EQ(router.find("GET", "/none").allowed, "");
}

TEST(Router, ARouteSaysWhoMayCallIt) {
  Router router;
  EXPECT_THROW(router.add({"GET", "/x"}), std::logic_error);
  Route browsers{"GET", "/x"};
  browsers.session = true;
  router.add(browsers);
  EXPECT_NE(router.find("GET", "/x").route, nullptr);
}

// Before a model is loaded, and wherever one is: nobody makes the server load what his tier may not use.
TEST_F(Routes, AModelThatTheTierMayNotUseIsNotEvenLoaded) {
  const Json messages = asks("Hi");
  Json anthropic = messages, prompt = {{"prompt", "x"}, {"model", "script"}};
  anthropic["max_tokens"] = 5;
  const std::pair<const char*, Json> calls[] = {
      {"/v1/chat/completions", messages}, {"/v1/completions", prompt},
      {"/v1/messages", anthropic},        {"/v1/messages/count_tokens", anthropic},
      {"/tokenize", {{"content", "x"}}},  {"/detokenize", {{"tokens", {65}}}},
      {"/apply-template", messages}};
  const int before = models_.leases;
  admission_->forbidden_model = "script";
  for (const auto& [path, body] : calls) EXPECT_EQ(post(path, body)->status(), 403) << path;
  EXPECT_EQ(models_.leases, before);
  admission_->forbidden_model.clear();
  for (const auto& [path, body] : calls) {
    const auto exchange = post(path, body);
    EXPECT_TRUE(exchange->wait());
    EXPECT_EQ(exchange->status(), 200) << path << exchange->body();
  }
}

TEST_F(Routes, ModelsAreListedUnderEveryPrefix) {
  for (const char* path : {"/v1/models", "/models", "/beta/models"}) {
    const Json list = Json::parse(call("GET", path)->body());
    EXPECT_EQ(list["object"], "list");
    EXPECT_EQ(list["data"][0]["id"], "script");
    EXPECT_EQ(list["data"][0]["limpid"]["thinks"], true);
    EXPECT_EQ(list["data"][1]["id"], "deepseek-chat");
    EXPECT_EQ(list["data"][1]["limpid"]["stands_for"], "script");
  }
  EXPECT_EQ(Json::parse(call("GET", "/v1/models/deepseek-reasoner")->body())["object"], "model");
}

TEST_F(Routes, BalanceIsAvailableWhereNothingIsCharged) {
  const Json json = Json::parse(call("GET", "/user/balance")->body());
  EXPECT_EQ(json["is_available"], true);
  EXPECT_TRUE(json["balance_infos"][0]["total_balance"].is_string());
}

TEST_F(Routes, TokenizeAndDetokenizeAreInverse) {
  const Json tokens = answer("/tokenize", {{"content", "Aé<|im_end|>"}});
  EXPECT_EQ(tokens["count"], 13);
  EXPECT_EQ(tokens["tokens"][0], 'A');
  EXPECT_EQ(answer("/detokenize", {{"tokens", tokens["tokens"]}})["content"], "Aé<|im_end|>");
  EXPECT_EQ(answer("/tokenize", {{"content", "<|im_end|>"}, {"parse_special", true}})["tokens"], Json::array({kEnd}));
  EXPECT_EQ(answer("/tokenize", {{"content", "ab"}, {"with_pieces", true}})["tokens"][1]["piece"], "b");
  EXPECT_EQ(answer("/detokenize", {{"tokens", {5000}}}, 422)["error"]["param"], "tokens[0]");
  EXPECT_EQ(answer("/tokenize", Json::object(), 400)["error"]["param"], "content");
}

TEST_F(Routes, ATemplateIsAppliedAndControlTokensOfMessagesStayText) {
  const Json body = asks("Hi <|im_end|>");
  const Json json = answer("/apply-template", body);
  EXPECT_EQ(json["prompt"], "<|im_start|>user\nHi <|im_end|><|im_end|>\n<|im_start|>assistant\n<think>\n");
  EXPECT_EQ(answer("/tokenize", body)["count"], json["tokens"]);
  const Json ids = answer("/tokenize", body)["tokens"];
  EXPECT_EQ(std::count(ids.begin(), ids.end(), Json(kEnd)), 1) << "the template's own, not the message's";
}

TEST_F(Routes, HealthAndThePageNeedNoKey) {
  build({"sk", 8}, {});
  const StaticFiles none;
  add_static_routes(service_->routes(), none, "test");
  EXPECT_EQ(Json::parse(call("GET", "/health")->body())["status"], "ok");
  const auto page = call("GET", "/", "", {{"Host", "localhost:8080\"><script>"}});
  EXPECT_EQ(page->header("Content-Type"), "text/html; charset=utf-8");
  EXPECT_NE(page->body().find("http://localhost:8080"), std::string::npos);
  EXPECT_EQ(page->body().find("<script>"), std::string::npos);
  EXPECT_FALSE(page->header("Content-Security-Policy").empty());
}

TEST_F(Routes, TheLogHoldsNoWordOfARequest) {
  Json body = asks("secret-prompt");
  say(body, "x</think>secret-answer");
  answer("/v1/chat/completions", body);
  call("GET", "/v1/models?token=secret-query", "", {{"X-Secret", "secret-header"}});
  call("GET", "/secret-path");
  wait_until_over();
  std::lock_guard lock(mutex_);
  ASSERT_EQ(log_.size(), 3U);
  for (const AccessRecord& record : log_) {
    for (const std::string& text : {record.peer, record.method, record.route, record.account})
      EXPECT_EQ(text.find("secret"), std::string::npos) << text;
    EXPECT_TRUE(record.request_id.starts_with("req_"));
    EXPECT_EQ(record.time.size(), 20U);
  }
  EXPECT_EQ(log_[0].status + log_[1].status + log_[2].status, 200 + 200 + 404);
  EXPECT_TRUE(errors_.empty());
}

TEST_F(Routes, PromptsAreLoggedWhereThatIsAskedFor) {
  std::vector<std::pair<std::string, std::string>> prompts;
  ServiceOptions options;
  options.log_prompt = [&](const std::string& id, const std::string& text) {
    std::lock_guard lock(mutex_);
    prompts.emplace_back(id, text);
  };
  build({}, options);
  Json body = asks("secret-prompt");
  say(body, "x</think>secret-answer");
  answer("/v1/chat/completions", body);
  answer("/v1/completions", {{"prompt", "once"}, {"max_tokens", 1}});
  answer("/v1/chat/completions", asks(std::string(3000, 'x')), 400);
  wait_until_over();
  std::lock_guard lock(mutex_);
  ASSERT_EQ(prompts.size(), 2U) << "of what is answered";
  EXPECT_NE(prompts[0].second.find("user\nsecret-prompt<|im_end|>"), std::string::npos) << prompts[0].second;
  EXPECT_EQ(prompts[0].first, log_[0].request_id);
  EXPECT_EQ(prompts[1].second, "once");
}

// DeepSeek's address takes Claude's names; the plain one does not know them.
TEST_F(Routes, ClaudesNamesStandForTheDefaultModelUnderAnthropic) {
  Json body = asks("Hi");
  body["model"] = "claude-sonnet-5";
  body["max_tokens"] = 9;
  Json plain = body;
  plain["model"] = "script";
  plain["thinking"]["type"] = "disabled";
  say(plain, "Yes.");
  const Json message = answer("/anthropic/v1/messages", body);
  EXPECT_EQ(message["content"][0]["text"], "Yes.");
  EXPECT_EQ(message["model"], "claude-sonnet-5");
  EXPECT_EQ(answer("/anthropic/v1/messages/count_tokens", body)["input_tokens"], model_.prompt);
  for (const char* path : {"/v1/messages", "/v1/messages/count_tokens"})
    EXPECT_EQ(answer(path, body, 404)["error"]["type"], "not_found_error");
  body["model"] = "gpt-9";
  answer("/anthropic/v1/messages", body, 404);
}

}  // namespace
}  // namespace limpid
