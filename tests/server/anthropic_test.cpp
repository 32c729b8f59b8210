// Anthropic's format: what is read of a request, and how an answer is worded, whole and streamed.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "server/anthropic_encoder.h"
#include "server/anthropic_request.h"

namespace limpid {
namespace {

using Json = nlohmann::ordered_json;

Json body(const std::string& changes = "{}") {
  Json json = Json::parse(R"({"model":"m","max_tokens":50,"messages":[{"role":"user","content":"Hello"}]})");
  json.merge_patch(Json::parse(changes));
  return json;
}

AnthropicRequest parse(const Json& json, bool counting = false) {
  return parse_anthropic(json.dump(), counting, {"m"});
}

// The message of the 400 that a body earns.
std::string refused(const Json& json) {
  try {
    parse(json);
  } catch (const ApiError& error) {
    EXPECT_EQ(error.status, 400);
    return error.what();
  }
  ADD_FAILURE() << "was accepted: " << json.dump();
  return {};
}

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST(AnthropicRequest, FieldsGoWhereTheyBelong) {
  const AnthropicRequest request = parse(body(
      R"({"system":"Be brief.","temperature":0.5,"top_p":0.9,"top_k":7,"seed":3,"stop_sequences":["END"],"stream":true,
          "metadata":{"user_id":"u"},"thinking":{"type":"enabled","budget_tokens":2000}})"));
  const AnswerRequest& answer = request.answer;
  EXPECT_EQ(answer.model, "m");
  EXPECT_EQ(answer.max_tokens, 50);
  EXPECT_EQ(request.options.max_tokens, 50);
  EXPECT_FLOAT_EQ(*answer.sampling.temperature, 0.5F);
  EXPECT_FLOAT_EQ(*answer.sampling.top_p, 0.9F);
  EXPECT_EQ(answer.sampling.top_k, 7);
  EXPECT_EQ(answer.sampling.seed, 3U);
  EXPECT_EQ(answer.chat.stop, std::vector<std::string>{"END"});
  EXPECT_TRUE(answer.stream);
  EXPECT_EQ(answer.user, "u");
  EXPECT_EQ(answer.chat.thinking_budget, 2000);
  EXPECT_EQ(answer.chat.prompt.thinking, Thinking::on);
  EXPECT_EQ(answer.chat.prompt.messages,
            Json::parse(R"([{"role":"system","content":"Be brief."},{"role":"user","content":"Hello"}])"));
}

TEST(AnthropicRequest, ThinkingIsOffUnlessAskedFor) {
  EXPECT_EQ(parse(body()).answer.chat.prompt.thinking, Thinking::off);
  EXPECT_EQ(parse(body(R"({"model":"deepseek-reasoner"})")).answer.chat.prompt.thinking, Thinking::on);
  const AnthropicRequest hidden = parse(body(R"({"thinking":{"type":"adaptive","display":"omitted"}})"));
  EXPECT_EQ(hidden.answer.chat.prompt.thinking, Thinking::on);
  EXPECT_FALSE(hidden.options.show_thinking);
}

TEST(AnthropicRequest, BlocksBecomeMessages) {
  Json json = body();
  json["messages"] = Json::parse(R"([
    {"role":"user","content":[{"type":"text","text":"What"},{"type":"text","text":"time?"}]},
    {"role":"assistant","content":[{"type":"thinking","thinking":"a clock","signature":"x"},{"type":"text","text":"Let me see"},
      {"type":"tool_use","id":"toolu_1","name":"clock","input":{"hour":true}}]},
    {"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":[{"type":"text","text":"12:30"}]},
      {"type":"text","text":"So?"}]},
    {"role":"user","content":"Well?"}])");
  EXPECT_EQ(parse(json).answer.chat.prompt.messages, Json::parse(R"([
    {"role":"user","content":"What\ntime?"},
    {"role":"assistant","content":"Let me see","reasoning_content":"a clock","tool_calls":[
      {"id":"toolu_1","type":"function","function":{"name":"clock","arguments":"{\"hour\":true}"}}]},
    {"role":"tool","tool_call_id":"toolu_1","content":"12:30"},
    {"role":"user","content":"So?\nWell?"}])"));
}

TEST(AnthropicRequest, AnAssistantsMessageAtTheEndBeginsTheAnswer) {
  Json json = body();
  json["messages"].push_back({{"role", "assistant"}, {"content", "The time is"}});
  const std::optional<AnswerStart> start = parse(json).answer.chat.prompt.start;
  ASSERT_TRUE(start.has_value());
  EXPECT_EQ(start->answer, "The time is");
  EXPECT_TRUE(start->thinking_done);

  json["thinking"] = Json::parse(R"({"type":"adaptive"})");
  EXPECT_TRUE(contains(refused(json), "messages[1].content"));
  json["messages"][1]["content"] = Json::parse(R"([{"type":"thinking","thinking":"so far","signature":""}])");
  const std::optional<AnswerStart> thought = parse(json).answer.chat.prompt.start;
  ASSERT_TRUE(thought.has_value());
  EXPECT_EQ(thought->thinking, "so far");
  EXPECT_FALSE(thought->thinking_done);
}

TEST(AnthropicRequest, ToolsTakeOpenaisForm) {
  const AnthropicRequest request = parse(
      body(R"({"tools":[{"name":"clock","description":"The time","input_schema":{"type":"object"},"strict":true}]})"));
  EXPECT_EQ(request.answer.chat.prompt.tools,
            Json::parse(R"([{"type":"function","function":{"name":"clock","description":"The time",
                             "parameters":{"type":"object"},"strict":true}}])"));
  EXPECT_TRUE(parse(body(R"({"tools":[{"name":"clock","input_schema":{}}],"tool_choice":{"type":"none"}})"))
                  .answer.chat.prompt.tools.is_null());
}

TEST(AnthropicRequest, RefusalsNameThePlace) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {R"({"messages":"hello"})", "messages: expected a list"},
      {R"({"messages":[]})", "messages: there is no message of the user"},
      {R"({"messages":[{"role":"wizard","content":"x"}]})", "messages[0].role"},
      {R"({"messages":[{"role":"user"}]})", "messages[0].content: is missing"},
      {R"({"messages":[{"role":"user","content":[{"type":"image","source":{}}]}]})", "messages[0].content[0]: a block"},
      {R"({"messages":[{"role":"user","content":[{"type":"tool_result","content":"x"}]}]})",
       "messages[0].content[0].tool_use_id"},
      {R"({"max_tokens":null})", "max_tokens: is missing"},
      {R"({"max_tokens":0})", "max_tokens: 0 is not between"},
      {R"({"temperature":9})", "temperature"},
      {R"({"thinking":{"type":"enabled"}})", "thinking.budget_tokens: is missing"},
      {R"({"thinking":{"type":"sometimes"}})", "thinking.type"},
      {R"({"tools":[{"type":"bash_20250124","name":"bash"}]})", "tools[0].type"},
      {R"({"tools":[{"name":"a","input_schema":{}}],"tool_choice":{"type":"tool","name":"b"}})", "tool_choice.name"},
      {R"({"tool_choice":{"type":"any"}})", "tool_choice: there are no tools"},
      {R"({"system":[{"type":"image"}]})", "system[0]"},
      {R"({"stop_sequences":[""]})", "stop_sequences"},
  };
  for (const auto& [changes, expected] : cases) {
    const std::string found = refused(body(changes));
    EXPECT_TRUE(contains(found, expected)) << changes << ": " << found;
  }
}

TEST(AnthropicRequest, CountingNeedsNoMaxTokens) {
  EXPECT_EQ(parse(body(R"({"max_tokens":null})"), true).answer.chat.prompt.messages.size(), 1U);
}

// ---- the answer

AnswerFacts facts() {
  AnswerFacts facts;
  facts.id = "msg_1";
  facts.model = "m";
  facts.thinks = true;
  facts.prompt_tokens = 100;
  return facts;
}

ChatEvent text_event(ChatEvent::Kind kind, const std::string& text) {
  ChatEvent event;
  event.kind = kind;
  event.text = text;
  return event;
}

std::vector<ChatEvent> events() {
  std::vector<ChatEvent> out{text_event(ChatEvent::Kind::thinking, "It is \"half\""),
                             text_event(ChatEvent::Kind::thinking, " past"), text_event(ChatEvent::Kind::answer, "12"),
                             text_event(ChatEvent::Kind::answer, ":30")};
  ChatEvent call;
  call.call.name = "clock";
  call.call.id = "toolu_1";
  call.kind = ChatEvent::Kind::call_begin;
  out.push_back(call);
  for (const char* piece : {R"({"ho)", R"(ur": true})"}) {
    ChatEvent arguments;
    arguments.kind = ChatEvent::Kind::call_arguments;
    arguments.call.arguments = piece;
    out.push_back(arguments);
  }
  call.kind = ChatEvent::Kind::tool_call;
  call.call.arguments = R"({"hour": true})";
  out.push_back(call);
  ChatEvent finished;
  finished.kind = ChatEvent::Kind::finished;
  finished.result.finish = ChatFinish::tool_calls;
  finished.result.usage.prompt_tokens = 100;
  finished.result.usage.cached_tokens = 64;
  finished.result.usage.completion_tokens = 9;
  finished.result.usage.thinking_tokens = 5;
  out.push_back(finished);
  return out;
}

Json whole(const std::vector<ChatEvent>& events, AnthropicOptions options = {}) {
  AnthropicEncoder encoder(options);
  encoder.facts(facts());
  ChatAnswer answer;
  for (const ChatEvent& event : events) answer.add(event);
  return Json::parse(encoder.whole({answer}));
}

// What a client makes of the stream: the message, block by block. Checks the order of the events.
Json gathered(const std::vector<ChatEvent>& events, AnthropicOptions options = {}) {
  AnthropicEncoder encoder(options);
  encoder.facts(facts());
  SentEvents sent;
  encoder.begin(sent);
  for (const ChatEvent& event : events) encoder.event(0, event, sent);
  encoder.end({events.back().result}, sent);
  Json message;
  bool open = false;
  std::string json;
  for (const ServerSentEvent& one : sent) {
    const Json event = Json::parse(one.data);
    EXPECT_EQ(event["type"], one.name);
    if (one.name == "message_start") {
      message = event["message"];
    } else if (one.name == "content_block_start") {
      EXPECT_FALSE(open);
      EXPECT_EQ(event["index"], message["content"].size());
      message["content"].push_back(event["content_block"]);
      json.clear();
      open = true;
    } else if (one.name == "content_block_delta") {
      EXPECT_TRUE(open);
      EXPECT_EQ(event["index"].get<std::size_t>() + 1, message["content"].size());
      Json& block = message["content"].back();
      for (const char* field : {"text", "thinking", "signature"})
        if (event["delta"].contains(field))
          block[field] = block[field].get<std::string>() + event["delta"][field].get<std::string>();
      if (event["delta"].contains("partial_json")) json += event["delta"]["partial_json"].get<std::string>();
    } else if (one.name == "content_block_stop") {
      EXPECT_TRUE(open);
      if (!json.empty()) message["content"].back()["input"] = Json::parse(json);
      open = false;
    } else if (one.name == "message_delta") {
      EXPECT_FALSE(open);
      message.update(event["delta"]);
      message["usage"] = event["usage"];
    }
  }
  EXPECT_EQ(sent.back().name, "message_stop");
  return message;
}

TEST(AnthropicEncoder, AWholeMessage) {
  EXPECT_EQ(whole(events()), Json::parse(R"({"id":"msg_1","type":"message","role":"assistant","model":"m","content":[
      {"type":"thinking","thinking":"It is \"half\" past","signature":"unsigned"},{"type":"text","text":"12:30"},
      {"type":"tool_use","id":"toolu_1","name":"clock","input":{"hour":true}}],
    "stop_reason":"tool_use","stop_sequence":null,
    "usage":{"input_tokens":36,"cache_creation_input_tokens":0,"cache_read_input_tokens":64,"output_tokens":9,
             "output_tokens_details":{"thinking_tokens":5}}})"));
}

TEST(AnthropicEncoder, AStreamGathersToTheSame) { EXPECT_EQ(gathered(events()), whole(events())); }

TEST(AnthropicEncoder, ThinkingCanBeLeftOut) {
  AnthropicOptions options;
  options.show_thinking = false;
  const Json message = whole(events(), options);
  EXPECT_EQ(message["content"][0], Json::parse(R"({"type":"thinking","thinking":"","signature":"unsigned"})"));
  EXPECT_EQ(gathered(events(), options), message);
}

TEST(AnthropicEncoder, WhyItStopped) {
  const auto reason = [](ChatFinish finish, const std::string& stop, std::int64_t completion) {
    ChatEvent finished;
    finished.kind = ChatEvent::Kind::finished;
    finished.result.finish = finish;
    finished.result.stop_string = stop;
    finished.result.usage.completion_tokens = completion;
    AnthropicOptions options;
    options.max_tokens = 10;
    const Json message = whole({finished}, options);
    EXPECT_EQ(gathered({finished}, options), message);
    return message["stop_reason"].get<std::string>() + " " + message["stop_sequence"].dump();
  };
  EXPECT_EQ(reason(ChatFinish::stop, "", 3), "end_turn null");
  EXPECT_EQ(reason(ChatFinish::stop, "END", 3), "stop_sequence \"END\"");
  EXPECT_EQ(reason(ChatFinish::length, "", 10), "max_tokens null");
  EXPECT_EQ(reason(ChatFinish::length, "", 4), "model_context_window_exceeded null");
}

TEST(AnthropicEncoder, ArgumentsThatAreNoObjectAreNotLost) {
  ChatEvent call;
  call.kind = ChatEvent::Kind::tool_call;
  call.call.name = "clock";
  call.call.id = "toolu_1";
  call.call.arguments = "{\"hour\": tr";
  const Json message = whole({call});
  EXPECT_EQ(message["content"][0]["input"], Json::parse(R"({"malformed_arguments":"{\"hour\": tr"})"));
}

TEST(AnthropicEncoder, Errors) {
  EXPECT_EQ(
      Json::parse(anthropic_error_body(no_balance("used up"), "req_1")),
      Json::parse(R"({"type":"error","error":{"type":"billing_error","message":"used up"},"request_id":"req_1"})"));
  const std::vector<std::pair<ApiError, std::string>> types{
      {bad_request("x"), "invalid_request_error"}, {bad_parameter("x", "y"), "invalid_request_error"},
      {unauthorized("x"), "authentication_error"}, {forbidden("x"), "permission_error"},
      {not_found("x"), "not_found_error"},         {too_many_requests("x", 1), "rate_limit_error"},
      {overloaded("x", 1), "overloaded_error"}};
  for (const auto& [error, type] : types)
    EXPECT_EQ(Json::parse(anthropic_error_body(error, ""))["error"]["type"], type);
  AnthropicEncoder encoder({});
  SentEvents sent;
  encoder.failed(overloaded("x", 1), sent);
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].name, "error");
}

}  // namespace
}  // namespace limpid
