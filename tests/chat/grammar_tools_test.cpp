// Tool calls of a random model: what the stream parser reads out of them is always a call of a tool that there is, with
// arguments of its schema.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "grammar_fixture.h"
#include "text/stream_parser.h"

namespace limpid {
namespace {

using Json = nlohmann::ordered_json;

const Json kTools = Json::parse(R"([
  {"type":"function","function":{"name":"book_room","strict":true,"parameters":{"type":"object","properties":{
    "city":{"enum":["Zürich","東京"]},"nights":{"type":"integer","minimum":1,"maximum":9},"note":{"type":"string","maxLength":12}},
    "required":["city","nights","note"],"additionalProperties":false}}},
  {"type":"function","function":{"name":"now"}},
  {"type":"function","function":{"name":"loose","parameters":{"type":"object","patternProperties":{"a":true}}}}])");

std::vector<std::string> control_tokens(ToolFormat format) {
  std::vector<std::string> out{"<think>", "</think>"};
  if (format == ToolFormat::hermes) out.insert(out.end(), {"<tool_call>", "</tool_call>"});
  if (format == ToolFormat::llama3) out.emplace_back("<|python_tag|>");
  const ToolMarks m = tool_marks(format);
  for (const std::string_view mark : {m.section_begin, m.section_end, m.call_begin, m.call_end, m.separator})
    if (!mark.empty()) out.emplace_back(mark);
  return out;
}

struct Read {
  std::string answer;
  std::vector<ToolCall> calls;
};
Read read(const std::string& text, ToolFormat format) {
  StreamParser::Options options;
  options.tools = format;
  StreamParser parser(options);
  Read out;
  for (auto events : {parser.push(text), parser.finish()})
    for (const StreamEvent& event : events) {
      if (event.kind == StreamEvent::Kind::tool_call) out.calls.push_back(event.call);
      out.answer += event.text;
    }
  return out;
}

void expect_valid(const ToolCall& call, const std::string& text) {
  const Json arguments = Json::parse(call.arguments, nullptr, false);
  ASSERT_TRUE(arguments.is_object()) << text;
  EXPECT_TRUE(call.complete) << text;
  if (call.name == "now") {
    EXPECT_TRUE(arguments.empty()) << text;
  } else if (call.name == "book_room") {
    ASSERT_EQ(arguments.size(), 3U) << text;
    EXPECT_TRUE(arguments["city"] == "Zürich" || arguments["city"] == "東京") << text;
    EXPECT_TRUE(arguments["nights"].is_number_integer()) << text;
    EXPECT_GE(arguments["nights"], 1) << text;
    EXPECT_LE(arguments["nights"], 9) << text;
    EXPECT_TRUE(arguments["note"].is_string()) << text;
  } else {
    EXPECT_EQ(call.name, "loose") << text;
  }
}

class GrammarTools : public testing::TestWithParam<ToolFormat> {
 protected:
  std::optional<std::string> say(const std::shared_ptr<const Grammar>& grammar, unsigned seed, bool marks = true) {
    const Tokenizer tokenizer =
        odd_tokenizer(static_cast<int>(seed % 3), marks ? control_tokens(GetParam()) : std::vector<std::string>{});
    // A call of Llama's begins like any text.
    const char* liked = GetParam() == ToolFormat::llama3 ? "\"]},{" : "\"]},";
    return random_answer(grammar, std::make_shared<const GrammarVocabulary>(tokenizer), tokenizer, seed, 500, liked);
  }
};

TEST_P(GrammarTools, RequiredGivesCallsAndNothingElse) {
  const auto grammar = tool_grammar(kTools, {ToolUse::required, {}, true}, GetParam());
  std::size_t answers = 0, several = 0;
  std::set<std::string> names;
  for (unsigned seed = 0; seed < 120; ++seed) {
    const auto text = say(grammar, seed);
    if (!text) continue;
    ++answers;
    const Read found = read(*text, GetParam());
    EXPECT_EQ(found.answer, "") << *text;
    EXPECT_FALSE(found.calls.empty()) << *text;
    several += found.calls.size() > 1;
    for (const ToolCall& call : found.calls) {
      expect_valid(call, *text);
      names.insert(call.name);
    }
  }
  EXPECT_GT(answers, 60U);
  EXPECT_GT(several, 0U);
  EXPECT_EQ(names.size(), 3U);
}

TEST_P(GrammarTools, OneCallOfOneToolWhereThatIsAsked) {
  const auto grammar = tool_grammar(kTools, {ToolUse::required, "book_room", false}, GetParam());
  for (unsigned seed = 0; seed < 40; ++seed) {
    const auto text = say(grammar, seed);
    if (!text) continue;
    const Read found = read(*text, GetParam());
    ASSERT_EQ(found.calls.size(), 1U) << *text;
    EXPECT_EQ(found.calls[0].name, "book_room");
    expect_valid(found.calls[0], *text);
  }
}

TEST_P(GrammarTools, AutomaticIsTextUntilACallBegins) {
  const auto grammar = tool_grammar(kTools, {}, GetParam());
  std::size_t with_calls = 0, texts = 0;
  for (unsigned seed = 0; seed < 150; ++seed) {
    const auto text = say(grammar, seed);
    if (!text) continue;
    ++texts;
    const Read found = read(*text, GetParam());
    with_calls += !found.calls.empty();
    for (const ToolCall& call : found.calls) expect_valid(call, *text);
  }
  EXPECT_GT(texts, 20U);
  EXPECT_GT(with_calls, 0U);
}

TEST_P(GrammarTools, WhatTheModelWouldSayIsTaken) {
  const Tokenizer tokenizer = odd_tokenizer(1, control_tokens(GetParam()));
  const GrammarVocabulary vocabulary(tokenizer);
  const auto grammar = tool_grammar(kTools, {}, GetParam());
  const std::string book = "{\"city\": \"東京\", \"nights\": 2, \"note\": \"a < b\"}";
  std::vector<std::string> good{"Just text, {with} <marks>.", ""}, bad;
  switch (GetParam()) {
    case ToolFormat::deepseek: {
      const std::string fenced =
          "<｜tool▁call▁begin｜>function<｜tool▁sep｜>book_room\n```json\n" + book + "\n```<｜tool▁call▁end｜>";
      const std::string plain = "<｜tool▁call▁begin｜>now<｜tool▁sep｜>{}<｜tool▁call▁end｜>";
      good.push_back("Let me see.<｜tool▁calls▁begin｜>" + fenced + "\n" + fenced + "<｜tool▁calls▁end｜>");
      good.push_back("<｜tool▁calls▁begin｜>" + plain + plain + "<｜tool▁calls▁end｜>");
      bad.push_back("<｜tool▁calls▁begin｜>" + plain);
      bad.push_back("<｜tool▁calls▁begin｜>" + plain + "<｜tool▁calls▁end｜>!");
      bad.push_back(
          "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>none<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>");
      bad.push_back(plain);
      break;
    }
    case ToolFormat::kimi:
      good.push_back(
          "Hm.<|tool_calls_section_begin|><|tool_call_begin|>functions.book_room:0<|tool_call_argument_begin|>" + book +
          "<|tool_call_end|><|tool_call_begin|>functions.now:1<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_"
          "calls_section_end|>");
      bad.push_back(
          "<|tool_calls_section_begin|><|tool_call_begin|>functions.now:01<|tool_call_argument_begin|>{}<|tool_call_"
          "end|><|tool_calls_section_end|>");
      break;
    case ToolFormat::hermes:
      good.push_back("Ok.\n<tool_call>\n{\"name\": \"book_room\", \"arguments\": " + book +
                     "}\n</tool_call>\n<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>");
      bad.push_back("<tool_call>\n{\"name\": \"now\", \"arguments\": {\"a\":1}}\n</tool_call>");
      bad.push_back("<tool_call>text");
      break;
    case ToolFormat::llama3:
      good.push_back("{\"name\": \"book_room\", \"parameters\": " + book +
                     "}; {\"name\": \"now\", \"parameters\": {}}");
      good.push_back("<|python_tag|>{\"name\": \"now\", \"parameters\": {}}");
      bad.push_back("{\"name\": \"none\", \"parameters\": {}}");
      bad.push_back("<|python_tag|>print(1)");
      break;
    case ToolFormat::none:
      break;
  }
  EncodeOptions special;
  special.special = true;
  for (const auto* list : {&good, &bad})
    for (const std::string& text : *list) {
      GrammarMatcher matcher(grammar->net(), vocabulary);
      bool taken = true;
      for (const TokenId id : tokenizer.encode(text, special)) taken = taken && matcher.accept(id);
      EXPECT_EQ(taken && matcher.complete(), list == &good) << text;
    }
}

TEST_P(GrammarTools, WithASchemaAnAnswerIsCallsOrAValue) {
  const Json schema = {{"type", "object"}, {"properties", {{"sum", {{"type", "integer"}}}}}, {"required", {"sum"}}};
  const auto grammar = tool_grammar(kTools, {}, GetParam(), &schema);
  EXPECT_TRUE(grammar->writes_calls() && grammar->writes_value());
  std::size_t calls = 0, values = 0;
  for (unsigned seed = 0; seed < 200; ++seed) {
    const auto text = say(grammar, seed);
    if (!text) continue;
    const Read found = read(*text, GetParam());
    for (const ToolCall& call : found.calls) expect_valid(call, *text);
    calls += !found.calls.empty();
    if (!found.calls.empty()) {
      EXPECT_EQ(found.answer, "") << *text;
      continue;
    }
    ++values;
    const Json value = Json::parse(found.answer, nullptr, false);
    EXPECT_TRUE(value.is_object() && value["sum"].is_number_integer()) << *text;
  }
  EXPECT_GT(calls, 0U);
  EXPECT_GT(values, 0U);
  const auto required = tool_grammar(kTools, {ToolUse::required, {}, true}, GetParam(), &schema);
  EXPECT_FALSE(required->writes_value());
  EXPECT_THROW(tool_grammar(kTools, {}, GetParam(), std::make_unique<const Json>(Json{{"pattern", "("}}).get()), Error);
}

TEST_P(GrammarTools, MarksThatAreNoTokens) {
  const auto grammar = tool_grammar(kTools, {ToolUse::required, {}, true}, GetParam());
  if (GetParam() == ToolFormat::deepseek || GetParam() == ToolFormat::kimi) {
    EXPECT_THROW(say(grammar, 1, false), Error) << "they could not be told from the text of an argument";
    return;
  }
  for (unsigned seed = 0; seed < 30; ++seed) {
    const auto text = say(grammar, seed, false);
    if (!text) continue;
    const Read found = read(*text, GetParam());
    EXPECT_FALSE(found.calls.empty()) << *text;
    EXPECT_EQ(found.answer, "") << *text;
    for (const ToolCall& call : found.calls) expect_valid(call, *text);
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, GrammarTools,
                         testing::Values(ToolFormat::deepseek, ToolFormat::kimi, ToolFormat::hermes,
                                         ToolFormat::llama3));

TEST(GrammarToolErrors, NameWhatIsWrong) {
  const auto message = [](const Json& tools, const ToolRules& rules, ToolFormat format) {
    try {
      tool_grammar(tools, rules, format);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const ToolRules required{ToolUse::required, {}, true};
  EXPECT_EQ(message(kTools, required, ToolFormat::none),
            "tools: this model's chat template has no format for tool calls");
  EXPECT_EQ(message(kTools, {ToolUse::required, "nobody", true}, ToolFormat::hermes),
            "tool_choice: no tool is called \"nobody\"");
  EXPECT_NE(message(Json::array(), required, ToolFormat::hermes), "");
  Json strict = kTools;
  strict[2]["function"]["strict"] = true;
  EXPECT_EQ(message(strict, required, ToolFormat::hermes),
            "tools[2].function.parameters/patternProperties: this keyword is not supported");
  Json named = kTools;
  named[1]["function"]["name"] = "a\nb";
  EXPECT_NE(message(named, required, ToolFormat::deepseek).find("tools[1].function.name"), std::string::npos);
}

}  // namespace
}  // namespace limpid
