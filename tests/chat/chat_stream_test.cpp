// What comes out of an answer's tokens, one event after another, that no whole model is needed for.
#include "chat/chat_stream.h"

#include <gtest/gtest.h>

#include "tests/chat/chat_fixture.h"

namespace limpid {
namespace {

const std::vector<std::string> kKimi{"<|tool_calls_section_begin|>", "<|tool_calls_section_end|>",
                                     "<|tool_call_begin|>", "<|tool_call_end|>", "<|tool_call_argument_begin|>"};

std::vector<ChatEvent> said(const std::string& text, FinishReason reason) {
  const Tokenizer tokenizer = byte_tokenizer(kKimi, "");
  const std::vector<bool> shown(tokenizer.vocabulary_size(), true);
  std::vector<ChatEvent> events;
  StreamParser::Options options;
  options.tools = ToolFormat::kimi;
  ChatStream stream(tokenizer, shown, options, StopStrings(std::vector<std::string>()), false,
                    [&](const ChatEvent& event) {
                      events.push_back(event);
                      return true;
                    });
  EncodeOptions special;
  special.special = true;
  for (const TokenId id : tokenizer.encode(text, special)) {
    TokenEvent token;
    token.id = id;
    stream.token(token);
  }
  FinishedEvent finished;
  finished.reason = reason;
  stream.finished(finished);
  return events;
}

std::string call(const std::string& id) {
  return "<|tool_call_begin|>" + id + "<|tool_call_argument_begin|>{}<|tool_call_end|>";
}

TEST(ChatStream, NoTwoCallsOfAnAnswerHaveOneId) {
  std::string text = "<|tool_calls_section_begin|>";
  for (const char* id : {"functions.f:0", "functions.f:0", "functions.f:2", "functions.g:0", "functions.f:0"})
    text += call(id);
  std::vector<std::string> ids;
  for (const ChatEvent& event : said(text + "<|tool_calls_section_end|>", FinishReason::stop))
    if (event.kind == ChatEvent::Kind::tool_call) ids.push_back(event.call.id);
  EXPECT_EQ(ids, (std::vector<std::string>{"functions.f:0", "functions.f:1", "functions.f:2", "functions.g:0",
                                           "functions.f:4"}));
}

TEST(ChatStream, ACallThatIsCutOffIsNoText) {
  const std::string text = "Hm.<|tool_calls_section_begin|><|tool_call_begin|>";
  for (const FinishReason reason : {FinishReason::length, FinishReason::cancelled}) {
    std::string answer;
    for (const ChatEvent& event : said(text, reason)) answer += event.text;
    EXPECT_EQ(answer, "Hm.");
  }
  std::string answer;
  for (const ChatEvent& event : said(text, FinishReason::stop)) answer += event.text;
  EXPECT_EQ(answer, "Hm.<|tool_call_begin|>");
}

}  // namespace
}  // namespace limpid
