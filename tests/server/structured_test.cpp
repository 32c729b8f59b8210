// response_format and tools, from the request's fields to the answer's: the grammars themselves are chat/'s.
#include "service_fixture.h"

namespace limpid {
namespace {

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
  const Json choice = answer(kChatPath, body)["choices"][0];
  const Json said = Json::parse(choice["message"]["content"].get<std::string>());
  EXPECT_TRUE(said == "yes" || said == "no") << said;
  EXPECT_EQ(choice["finish_reason"], "stop");
}

TEST_F(Structured, AnyObjectIsAnObject) {
  Json body = asks("JSON");
  body["temperature"] = 0;
  body["response_format"]["type"] = "json_object";
  say(body, "{\"a\": [1, null]}");
  EXPECT_EQ(answer(kChatPath, body)["choices"][0]["message"]["content"], "{\"a\": [1, null]}");
}

TEST_F(Structured, CallsComeAsCalls) {
  const Json body = with_tools(asks("Weather in Paris and Rome?"));
  say(body, call_text("weather", "Paris") + "\n" + call_text("weather", "Rome"));
  const Json choice = answer(kChatPath, body)["choices"][0];
  EXPECT_EQ(choice["finish_reason"], "tool_calls");
  EXPECT_TRUE(choice["message"]["content"].is_null());
  const Json& calls = choice["message"]["tool_calls"];
  ASSERT_EQ(calls.size(), 2U) << choice;
  EXPECT_EQ(calls[0]["type"], "function");
  EXPECT_EQ(calls[0]["function"]["name"], "weather");
  EXPECT_EQ(Json::parse(calls[1]["function"]["arguments"].get<std::string>())["city"], "Rome");
  EXPECT_NE(calls[0]["id"], calls[1]["id"]);

  // In a stream: what it is called first, then the arguments as they are written.
  std::vector<Json> streamed;
  std::vector<int> pieces(2);
  std::string finish;
  for (const Json& chunk : stream(kChatPath, body))
    for (const Json& one : chunk["choices"]) {
      if (one["finish_reason"].is_string()) finish = one["finish_reason"];
      if (!one["delta"].contains("tool_calls")) continue;
      ASSERT_EQ(one["delta"]["tool_calls"].size(), 1U);
      const Json& delta = one["delta"]["tool_calls"][0];
      const auto index = delta["index"].get<std::size_t>();
      if (delta.contains("id")) {
        EXPECT_EQ(index, streamed.size());
        EXPECT_EQ(delta["type"], "function");
        EXPECT_EQ(delta["function"]["arguments"], "");
        streamed.push_back(delta);
        continue;
      }
      ASSERT_EQ(index + 1, streamed.size());
      EXPECT_EQ(delta["function"].size(), 1U) << delta;
      Json& arguments = streamed[index]["function"]["arguments"];
      arguments = arguments.get<std::string>() + delta["function"]["arguments"].get<std::string>();
      ++pieces[index];
    }
  ASSERT_EQ(streamed.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(streamed[i]["function"], calls[i]["function"]);
    EXPECT_GT(pieces[i], 5) << "a token is a byte here";
  }
  EXPECT_EQ(streamed[0]["function"]["arguments"], R"({"city": "Paris"})");
  EXPECT_EQ(finish, "tool_calls");
}

TEST_F(Structured, TheChoiceOfToolsIsKept) {
  Json body = with_tools(asks("Hi"));
  body["temperature"] = 0;
  body["tool_choice"] = "required";
  say(body, call_text("weather", "Oslo"));
  EXPECT_EQ(answer(kChatPath, body)["choices"][0]["message"]["tool_calls"].size(), 1U);
  say(body, "I would rather talk");
  body["max_tokens"] = 10;
  EXPECT_EQ(answer(kChatPath, body)["choices"][0]["message"]["content"].dump().find("talk"), std::string::npos);
  body.erase("max_tokens");
  body["tool_choice"] = {{"type", "function"}, {"function", {{"name", "time"}}}};
  body["parallel_tool_calls"] = false;
  say(body, call_text("weather", "Paris"));
  const Json named = answer(kChatPath, body)["choices"][0]["message"]["tool_calls"];
  ASSERT_EQ(named.size(), 1U);
  EXPECT_EQ(named[0]["function"]["name"], "time");
  body["tool_choice"] = "none";
  say(body, "Hello.");
  EXPECT_EQ(answer(kChatPath, body)["choices"][0]["message"]["content"], "Hello.");
  EXPECT_EQ(Json::parse(post("/apply-template", body)->body())["prompt"].get<std::string>().find("weather"),
            std::string::npos);
}

TEST_F(Structured, WhatCannotBeKeptIsRefused) {
  Json body = with_tools(asks("Hi"));
  body["tool_choice"] = {{"type", "function"}, {"function", {{"name", "none"}}}};
  EXPECT_EQ(answer(kChatPath, body, 422)["error"]["param"], "tool_choice.function.name");
  body["tool_choice"] = "auto";
  body["response_format"] = {{"type", "json_schema"},
                             {"json_schema", {{"schema", {{"type", "string"}, {"pattern", "("}}}}}};
  EXPECT_EQ(answer(kChatPath, body, 422)["error"]["param"], "response_format.json_schema.schema") << "with tools, too";
}

// OpenAI's rule: an answer that is no call has the format.
TEST_F(Structured, WithToolsAndAFormatAnAnswerIsCallsOrOfTheFormat) {
  Json body = with_tools(asks("Weather?"));
  body["temperature"] = 0;
  body["response_format"] = {{"type", "json_schema"},
                             {"json_schema",
                              {{"name", "a"},
                               {"schema",
                                {{"type", "object"},
                                 {"properties", {{"city", {{"type", "string"}}}}},
                                 {"required", {"city"}},
                                 {"additionalProperties", false}}}}}};
  const auto message = [&] { return answer(kChatPath, body)["choices"][0]["message"]; };
  say(body, call_text("weather", "Paris"));
  Json said = message();
  ASSERT_EQ(said["tool_calls"].size(), 1U) << said;
  EXPECT_TRUE(said["content"].is_null());
  // A mark inside the format begins no call; as this one is a token of the model, it cannot be spelled there either.
  const std::string city = R"({"city": "<tool_call>{}</tool_call>"})";
  say(body, city);
  model_.script = tokenizer_->encode(city);
  model_.script.push_back(kEnd);
  said = message();
  EXPECT_TRUE(Json::parse(said["content"].get<std::string>())["city"].get<std::string>().starts_with("<tool_call"));
  EXPECT_FALSE(said.contains("tool_calls"));
  // Free text is neither.
  say(body, "Well, it is sunny.");
  body["max_tokens"] = 40;
  said = message();
  EXPECT_EQ(said["content"].dump().find("Well"), std::string::npos) << said;
  EXPECT_TRUE(said.contains("tool_calls") || said["content"].get<std::string>().starts_with("{")) << said;
  body["tool_choice"] = "none";
  say(body, call_text("weather", "Paris"));
  EXPECT_TRUE(message()["content"].get<std::string>().starts_with("{"));
  body["tool_choice"] = "required";
  say(body, R"({"city": "Rome"})");
  EXPECT_FALSE(message()["content"].dump().starts_with(R"("{)"));
  body["tool_choice"] = "auto";
  body.erase("max_tokens");
  body["response_format"] = {{"type", "json_object"}};
  say(body, R"({"sunny": [true]})");
  EXPECT_EQ(message()["content"], R"({"sunny": [true]})");
  say(body, call_text("time", "Rome") + "\n" + call_text("weather", "Rome"));
  EXPECT_EQ(message()["tool_calls"].size(), 2U);
}

class WithoutTools : public ServiceFixture {};

TEST_F(WithoutTools, AModelWithoutToolCallsSaysSo) {
  Json body = asks("Hi");
  body["tools"].push_back({{"type", "function"}, {"function", {{"name", "f"}}}});
  say(body, "x</think>Plain.");
  EXPECT_EQ(answer(kChatPath, body)["choices"][0]["message"]["content"], "Plain.") << "auto: it just answers";
  body["response_format"]["type"] = "json_object";
  say(body, "x</think>{\"a\": 1}");
  EXPECT_EQ(answer(kChatPath, body)["choices"][0]["message"]["content"], "{\"a\": 1}")
      << "in the form that is asked for";
  body["tool_choice"] = "required";
  EXPECT_EQ(answer(kChatPath, body, 400)["error"]["param"], "tool_choice");
}

}  // namespace
}  // namespace limpid
