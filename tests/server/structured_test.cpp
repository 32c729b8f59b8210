// response_format and tools, from the request's fields to the answer's: the grammars themselves are chat/'s.
#include "service_fixture.h"

namespace limpid {
namespace {

const char* const kPath = "/v1/chat/completions";

// As Qwen's: tells the tools, calls between <tool_call> marks.
const char* const kToolTemplate =
    "{% if tools %}<|im_start|>system\n{% for tool in tools %}{{ tool | tojson }}\n{% endfor %}Call with "
    "<tool_call>{\"name\": NAME, \"arguments\": {}}</tool_call><|im_end|>\n{% endif %}"
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant\n";

class Structured : public ServiceFixture {
 protected:
  const char* chat_template() const override { return kToolTemplate; }
  void SetUp() override {
    ServiceFixture::SetUp();
    models_.info.thinks = false;
  }
  static Json with_tools(Json body) {
    for (const char* name : {"weather", "time"})
      body["tools"].push_back(
          {{"type", "function"},
           {"function",
            {{"name", name},
             {"parameters",
              {{"type", "object"}, {"properties", {{"city", {{"type", "string"}}}}}, {"required", {"city"}}}}}}});
    return body;
  }
  static std::string call_text(const std::string& name, const std::string& city) {
    return "<tool_call>\n{\"name\": \"" + name + "\", \"arguments\": {\"city\": \"" + city + "\"}}\n</tool_call>";
  }
};

TEST_F(Structured, ASchemaIsKeptWhateverTheModelWouldSay) {
  Json body = asks("Yes or no?");
  body["temperature"] = 0;
  body["response_format"] = {{"type", "json_schema"},
                             {"json_schema", {{"name", "a"}, {"schema", {{"enum", {"yes", "no"}}}}, {"strict", true}}}};
  say(body, "no way, I will not");
  const Json choice = answer(kPath, body)["choices"][0];
  const Json said = Json::parse(choice["message"]["content"].get<std::string>());
  EXPECT_TRUE(said == "yes" || said == "no") << said;
  EXPECT_EQ(choice["finish_reason"], "stop");
}

TEST_F(Structured, AnyObjectIsAnObject) {
  Json body = asks("JSON");
  body["temperature"] = 0;
  body["response_format"]["type"] = "json_object";
  say(body, "{\"a\": [1, null]}");
  EXPECT_EQ(answer(kPath, body)["choices"][0]["message"]["content"], "{\"a\": [1, null]}");
}

TEST_F(Structured, CallsComeAsCalls) {
  const Json body = with_tools(asks("Weather in Paris and Rome?"));
  say(body, call_text("weather", "Paris") + "\n" + call_text("weather", "Rome"));
  const Json choice = answer(kPath, body)["choices"][0];
  EXPECT_EQ(choice["finish_reason"], "tool_calls");
  EXPECT_TRUE(choice["message"]["content"].is_null());
  const Json& calls = choice["message"]["tool_calls"];
  ASSERT_EQ(calls.size(), 2U) << choice;
  EXPECT_EQ(calls[0]["type"], "function");
  EXPECT_EQ(calls[0]["function"]["name"], "weather");
  EXPECT_EQ(Json::parse(calls[1]["function"]["arguments"].get<std::string>())["city"], "Rome");
  EXPECT_NE(calls[0]["id"], calls[1]["id"]);

  std::vector<Json> streamed;
  std::string finish;
  for (const Json& chunk : stream(kPath, body))
    for (const Json& one : chunk["choices"]) {
      if (one["delta"].contains("tool_calls"))
        for (const Json& call : one["delta"]["tool_calls"]) streamed.push_back(call);
      if (one["finish_reason"].is_string()) finish = one["finish_reason"];
    }
  ASSERT_EQ(streamed.size(), 2U);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(streamed[i]["index"], i);
    EXPECT_EQ(streamed[i]["function"], calls[i]["function"]);
  }
  EXPECT_EQ(finish, "tool_calls");
}

TEST_F(Structured, TheChoiceOfToolsIsKept) {
  Json body = with_tools(asks("Hi"));
  body["temperature"] = 0;
  body["tool_choice"] = "required";
  say(body, call_text("weather", "Oslo"));
  EXPECT_EQ(answer(kPath, body)["choices"][0]["message"]["tool_calls"].size(), 1U);
  say(body, "I would rather talk");
  body["max_tokens"] = 10;
  EXPECT_EQ(answer(kPath, body)["choices"][0]["message"]["content"].dump().find("talk"), std::string::npos);
  body.erase("max_tokens");
  body["tool_choice"] = {{"type", "function"}, {"function", {{"name", "time"}}}};
  body["parallel_tool_calls"] = false;
  say(body, call_text("weather", "Paris"));
  const Json named = answer(kPath, body)["choices"][0]["message"]["tool_calls"];
  ASSERT_EQ(named.size(), 1U);
  EXPECT_EQ(named[0]["function"]["name"], "time");
  body["tool_choice"] = "none";
  say(body, "Hello.");
  EXPECT_EQ(answer(kPath, body)["choices"][0]["message"]["content"], "Hello.");
  EXPECT_EQ(Json::parse(post("/apply-template", body)->body())["prompt"].get<std::string>().find("weather"),
            std::string::npos);
}

TEST_F(Structured, WhatCannotBeKeptIsRefused) {
  Json body = with_tools(asks("Hi"));
  body["tool_choice"] = {{"type", "function"}, {"function", {{"name", "none"}}}};
  EXPECT_EQ(answer(kPath, body, 422)["error"]["param"], "tool_choice.function.name");
  body["tool_choice"] = "auto";
  body["response_format"]["type"] = "json_object";
  EXPECT_EQ(answer(kPath, body, 422)["error"]["param"], "response_format");
}

class WithoutTools : public ServiceFixture {};

TEST_F(WithoutTools, AModelWithoutToolCallsSaysSo) {
  Json body = asks("Hi");
  body["tools"].push_back({{"type", "function"}, {"function", {{"name", "f"}}}});
  say(body, "x</think>Plain.");
  EXPECT_EQ(answer(kPath, body)["choices"][0]["message"]["content"], "Plain.") << "auto: it just answers";
  body["tool_choice"] = "required";
  EXPECT_EQ(answer(kPath, body, 400)["error"]["param"], "tool_choice");
}

}  // namespace
}  // namespace limpid
