// Every refusal: its status, its body in OpenAI's form, and what it does not tell.
#include "service_fixture.h"

namespace limpid {
namespace {

using ApiErrors = ServiceFixture;

// The answer's "error", after its status was what it should be.
Json error_in(const std::shared_ptr<FakeExchange>& exchange, int status) {
  EXPECT_TRUE(exchange->wait());
  EXPECT_EQ(exchange->status(), status) << exchange->body();
  EXPECT_EQ(exchange->header("Content-Type"), "application/json");
  EXPECT_TRUE(exchange->header("X-Request-Id").starts_with("req_"));
  const Json error = Json::parse(exchange->body())["error"];
  EXPECT_TRUE(error.contains("message") && error.contains("type") && error.contains("param") && error.contains("code"));
  return error;
}

struct Case {
  std::string body;
  int status;
  std::string param;
};

TEST_F(ApiErrors, ABodyOfAWrongFormIs400AndNamesTheField) {
  const std::vector<Case> cases{
      {"", 400, ""},
      {"{", 400, ""},
      {"[]", 400, ""},
      {R"({"messages": []})", 400, "messages"},
      {R"({"model": "script"})", 400, "messages"},
      {R"({"messages": "Hi"})", 400, "messages"},
      {R"({"messages": [{"content": "Hi"}]})", 400, "messages[0].role"},
      {R"({"messages": [{"role": "robot", "content": "Hi"}]})", 400, "messages[0].role"},
      {R"({"messages": [{"role": "user", "content": 5}]})", 400, "messages[0].content"},
      {R"({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]})", 400, "messages[0].content[0]"},
      {R"({"messages": [{"role": "user", "content": "Hi", "prefix": true}]})", 400, "messages[0].role"},
      {R"({"messages": [{"role": "user", "content": "Hi"},
          {"role": "assistant", "content": [{"type": "text", "text": "A"}, {"type": "refusal"}], "prefix": true}]})",
       400, "messages[1].content[1]"},
      {R"({"messages": [{"role": "user", "content": "Hi"}], "temperature": "hot"})", 400, "temperature"},
      {R"({"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1.5})", 400, "max_tokens"},
      {R"({"messages": [{"role": "user", "content": "Hi"}], "stream": "yes"})", 400, "stream"},
      {R"({"messages": [{"role": "user", "content": "Hi"}], "stop": [1]})", 400, "stop[0]"},
      {R"({"messages": [{"role": "user", "content": "Hi"}], "logit_bias": []})", 400, "logit_bias"},
      {R"({"messages": [{"role": "user", "content": "Hi"}], "thinking": true})", 400, "thinking"},
      {R"({"messages": [{"role": "user", "content": "Hi"}], "tools": [{"type": "function"}]})", 400, "tools[0]"},
      {R"({"messages": [{"role": "user", "content": "Hi"}], "response_format": {}})", 400, "response_format.type"},
      {R"({"messages": [{"role": "user", "content": "Hi"}], "response_format": {"type": "json_schema"}})", 400,
       "response_format.json_schema"},
  };
  for (const Case& one : cases) {
    const Json error = error_in(call("POST", kChatPath, one.body), one.status);
    EXPECT_EQ(error["type"], "invalid_request_error");
    if (one.param.empty())
      EXPECT_TRUE(error["param"].is_null()) << one.body << error;
    else
      EXPECT_EQ(error["param"], one.param) << one.body << error;
  }
}

TEST_F(ApiErrors, AWrongValueIs422AndNamesTheField) {
  const std::string head = R"({"messages": [{"role": "user", "content": "Hi"}], )";
  const std::vector<Case> cases{
      {R"("temperature": 2.1})", 422, "temperature"},
      {R"("temperature": -0.1})", 422, "temperature"},
      {R"("top_p": 1.01})", 422, "top_p"},
      {R"("n": 0})", 422, "n"},
      {R"("n": 17})", 422, "n"},
      {R"("n": 1e300})", 422, "n"},
      {R"("max_tokens": 0})", 422, "max_tokens"},
      {R"("max_tokens": -9223372036854775808})", 422, "max_tokens"},
      {R"("max_tokens": 18446744073709551615})", 422, "max_tokens"},
      {R"("frequency_penalty": 3})", 422, "frequency_penalty"},
      {R"("stop": [""]})", 422, "stop"},
      {R"("stop": ["1","2","3","4","5","6","7","8","9","10","11","12","13","14","15","16","17"]})", 422, "stop"},
      {R"("top_logprobs": 3})", 422, "top_logprobs"},
      {R"("logprobs": true, "top_logprobs": 21})", 422, "top_logprobs"},
      {R"("logit_bias": {"x": 1}})", 422, "logit_bias"},
      {R"("logit_bias": {"5": 101}})", 422, "logit_bias.5"},
      {R"("thinking": {"type": "maybe"}})", 422, "thinking.type"},
      {R"("thinking": {"budget_tokens": -1}})", 422, "thinking.budget_tokens"},
      {R"("reasoning_effort": "huge"})", 422, "reasoning_effort"},
      {R"("resumable": true})", 422, "resumable"},
      {R"("response_format": {"type": "xml"}})", 422, "response_format.type"},
      {R"("response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "string", "pattern": "("}}}})",
       422, "response_format.json_schema.schema"},
      {R"("tool_choice": "required"})", 422, "tool_choice"},
  };
  for (const Case& one : cases)
    EXPECT_EQ(error_in(call("POST", kChatPath, head + one.body), 422)["param"], one.param) << one.body;
}

TEST_F(ApiErrors, UnknownFieldsAndNullsAreIgnored) {
  Json body = asks("Hi");
  say(body, "x</think>y");
  body["no_such_field"] = {{"deep", true}};
  for (const char* name : {"temperature", "stop", "n", "tools", "thinking", "response_format", "max_tokens"})
    body[name] = nullptr;
  EXPECT_EQ(answer(kChatPath, body)["choices"][0]["message"]["content"], "y");
}

TEST_F(ApiErrors, DepthAndCountAreBounded) {
  std::string deep = R"({"messages": [{"role": "user", "content": "Hi"}], "x": )";
  deep += std::string(100'000, '[') + std::string(100'000, ']') + "}";
  EXPECT_NE(error_in(call("POST", kChatPath, deep), 400)["message"].get<std::string>().find("64"), std::string::npos);
  Json tools = asks("Hi");
  for (int i = 0; i < 129; ++i)
    tools["tools"].push_back({{"type", "function"}, {"function", {{"name", "f" + std::to_string(i)}}}});
  EXPECT_EQ(error_in(post(kChatPath, tools), 422)["param"], "tools");
}

TEST_F(ApiErrors, APromptLongerThanTheContextIs400) {
  const Json error = error_in(post(kChatPath, asks(std::string(3000, 'x'))), 400);
  EXPECT_EQ(error["code"], "context_length_exceeded");
  EXPECT_EQ(admission_->given_back, 0) << "refused before it was admitted";
}

TEST_F(ApiErrors, UnknownPathsMethodsAndModels) {
  EXPECT_EQ(error_in(call("GET", "/v2/nothing"), 404)["code"], "unknown_path");
  const auto wrong = call("GET", kChatPath);
  EXPECT_EQ(error_in(wrong, 405)["code"], "method_not_allowed");
  EXPECT_EQ(wrong->header("Allow"), "POST");
  Json body = asks("Hi");
  body["model"] = "/etc/passwd";
  const Json error = error_in(post(kChatPath, body), 404);
  EXPECT_EQ(error["type"], "not_found_error");
  EXPECT_EQ(error["message"].get<std::string>().find("/etc"), std::string::npos);
  EXPECT_EQ(error_in(call("GET", "/v1/models/none"), 404)["code"], "model_not_found");
}

TEST_F(ApiErrors, AKeyIsAskedForWhereOneIsSet) {
  build({"sk-right", 8}, {});
  const Json body = asks("Hi");
  say(body, "x</think>y");
  const auto with = [&](HttpFields headers) { return call("POST", kChatPath, body.dump(), std::move(headers)); };
  EXPECT_EQ(error_in(with({}), 401)["type"], "authentication_error");
  const auto wrong = with({{"Authorization", "Bearer sk-wrong"}});
  EXPECT_EQ(error_in(wrong, 401)["code"], "invalid_api_key");
  EXPECT_EQ(wrong->header("WWW-Authenticate"), "Bearer");
  EXPECT_EQ(error_in(with({{"Authorization", "Bearer sk-right2"}}), 401)["type"], "authentication_error");
  for (HttpFields headers : {HttpFields{{"Authorization", "Bearer sk-right"}}, HttpFields{{"x-api-key", "sk-right"}},
                             HttpFields{{"authorization", "bearer sk-right"}}}) {
    const auto right = with(headers);
    right->wait();
    EXPECT_EQ(right->status(), 200);
  }
  EXPECT_EQ(call("GET", "/health")->status(), 200) << "is no secret";
}

TEST_F(ApiErrors, WhatIsTooMuchIs503WithRetryAfter) {
  build({"", 1}, {});
  const Json body = asks("Hi");
  say(body, "x</think>" + std::string(500, 'y'));
  model_.microseconds = 2000;
  const auto first = post(kChatPath, body);
  const auto second = post(kChatPath, body);
  EXPECT_EQ(error_in(second, 503)["type"], "overloaded_error");
  EXPECT_FALSE(second->header("Retry-After").empty());
  first->leave();
}

TEST_F(ApiErrors, ForeignPagesAreTurnedAway) {
  ServiceOptions options;
  options.dispatcher.hosts = {"localhost", "127.0.0.1", "::1"};
  options.dispatcher.origins = {"https://app.example.org"};
  build({}, options);
  const auto status = [&](HttpFields headers) { return call("GET", "/v1/models", "", std::move(headers))->status(); };
  for (const char* host : {"localhost", "LOCALHOST:8080", "127.0.0.1:8080", "[::1]:8080"})
    EXPECT_EQ(status({{"Host", host}}), 200) << host;
  for (const char* host : {"evil.example", "localhost.evil.example", "[::2]:8080", ""})
    EXPECT_EQ(status({{"Host", host}}), 403) << host;
  EXPECT_EQ(status({{"Host", "localhost:8080"}, {"Origin", "http://localhost:8080"}}), 200);
  for (const char* origin : {"http://evil.example", "null", "http://localhost:9090", "https://localhost:8080"})
    EXPECT_EQ(status({{"Host", "localhost:8080"}, {"Origin", origin}}), 403) << origin;
  const auto allowed = call("GET", "/v1/models", "", {{"Host", "localhost"}, {"Origin", "https://app.example.org"}});
  EXPECT_EQ(allowed->status(), 200);
  EXPECT_EQ(allowed->header("Access-Control-Allow-Origin"), "https://app.example.org");
  const auto asked = call("OPTIONS", kChatPath, "", {{"Host", "localhost"}, {"Origin", "https://app.example.org"}});
  EXPECT_EQ(asked->status(), 204);
  EXPECT_EQ(asked->header("Access-Control-Allow-Methods"), "POST");
  // As the official clients' browser builds ask.
  for (const char* names :
       {"authorization,content-type,x-stainless-arch,x-stainless-lang,x-stainless-os,x-stainless-retry-count",
        "anthropic-dangerous-direct-browser-access,anthropic-version,content-type,x-api-key,x-stainless-timeout"}) {
    const auto named = call("OPTIONS", kChatPath, "",
                            {{"Host", "localhost"},
                             {"Origin", "https://app.example.org"},
                             {"Access-Control-Request-Method", "POST"},
                             {"Access-Control-Request-Headers", names}});
    EXPECT_EQ(named->status(), 204);
    EXPECT_EQ(named->header("Access-Control-Allow-Headers"), names);
    EXPECT_EQ(named->header("Access-Control-Allow-Origin"), "https://app.example.org");
    EXPECT_NE(named->header("Vary").find("Access-Control-Request-Headers"), std::string::npos);
    const auto foreign =
        call("OPTIONS", kChatPath, "",
             {{"Host", "localhost"}, {"Origin", "http://evil.example"}, {"Access-Control-Request-Headers", names}});
    EXPECT_EQ(foreign->status(), 403);
    EXPECT_EQ(foreign->header("Access-Control-Allow-Origin"), "");
  }
  const auto odd = call(
      "OPTIONS", kChatPath, "",
      {{"Host", "localhost"}, {"Origin", "https://app.example.org"}, {"Access-Control-Request-Headers", "a\"b; c"}});
  EXPECT_EQ(odd->header("Access-Control-Allow-Headers").find('"'), std::string::npos) << "names only";
  EXPECT_EQ(call("OPTIONS", kChatPath, "", {{"Host", "localhost"}, {"Origin", "http://evil.example"}})->status(), 403);
}

TEST_F(ApiErrors, DeepseeksRulesForThinking) {
  Json body = asks("Hi");
  body["model"] = "deepseek-reasoner";
  body["logprobs"] = true;
  EXPECT_EQ(error_in(post(kChatPath, body), 400)["param"], "logprobs");
  body.erase("logprobs");
  body["top_logprobs"] = 2;
  EXPECT_EQ(error_in(post(kChatPath, body), 400)["param"], "top_logprobs") << "without logprobs, too";
  body.erase("top_logprobs");
  body["tools"].push_back({{"type", "function"}, {"function", {{"name", "f"}}}});
  EXPECT_EQ(error_in(post(kChatPath, body), 400)["param"], "tools");
  body["tools"] = Json::array();
  for (const char* type : {"json_object", "json_schema"}) {
    body["response_format"]["type"] = type;
    EXPECT_EQ(error_in(post(kChatPath, body), 400)["param"], "response_format");
  }
  body["response_format"]["type"] = "text";
  body["logprobs"] = false;
  say(body, "Hm</think>Yes");
  EXPECT_EQ(answer(kChatPath, body)["choices"][0]["message"]["content"], "Yes") << "what asks for nothing is no error";
  for (const char* name : {"logprobs", "tools", "response_format"}) body.erase(name);
  const Json said{{"role", "assistant"}, {"content", "Yes"}, {"reasoning_content", "Hm"}};
  body["messages"].push_back(said);
  body["messages"].push_back({{"role", "user"}, {"content", "And?"}});
  EXPECT_EQ(error_in(post(kChatPath, body), 400)["param"], "messages[1].reasoning_content") << "of the R1 days";
  body["model"] = "deepseek-flash";
  say(body, "x</think>y");
  EXPECT_EQ(answer(kChatPath, body)["choices"][0]["message"]["content"], "y") << "today it is ignored";
  body["messages"][1] = {
      {"role", "assistant"},
      {"content", "Calling"},
      {"tool_calls",
       Json::array({{{"id", "c"}, {"type", "function"}, {"function", {{"name", "f"}, {"arguments", "{}"}}}}})}};
  EXPECT_EQ(error_in(post(kChatPath, body), 400)["param"], "messages[1].reasoning_content")
      << "with calls it must come back";
  EXPECT_EQ(error_in(post("/beta/completions", {{"model", "deepseek-reasoner"}, {"prompt", "x"}}), 400)["param"],
            "model");
}

TEST(PublicErrors, PathsLoseTheirDirectories) {
  EXPECT_EQ(without_directories("/home/ann/models/x.gguf: not enough memory"), "x.gguf: not enough memory");
  EXPECT_EQ(without_directories("open \"/etc/passwd\" and (/a/b)"), "open \"passwd\" and (b)");
  EXPECT_EQ(without_directories("1/2 of a/b"), "1/2 of a/b");
  EXPECT_EQ(public_error(Error(ErrorKind::system, "read /secret: I/O error"), "req_1").what(),
            std::string("the server failed to answer; its log says why, under the id req_1"));
  EXPECT_EQ(public_error(Error(ErrorKind::resources, "/a/b: full"), "req_1").status, 503);
}

}  // namespace
}  // namespace limpid
