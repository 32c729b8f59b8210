// From messages to events and back, with an engine whose model says what the test wants it to.
#include "chat/chat.h"

#include <gtest/gtest.h>

#include "scripted_chat.h"

namespace limpid {
namespace {

using Json = nlohmann::ordered_json;

const char* const kThinkingTemplate =
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{{ message.content.split('</think>')[-1] | trim }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n{{ '<think>\n' "
    "}}";

struct ThinkingChat : ScriptedChat {
  explicit ThinkingChat(const std::string& chat_template = kThinkingTemplate) : ScriptedChat(chat_template) {}

  static ChatRequest asks(const std::string& text) {
    ChatRequest request;
    request.prompt.messages = Json::array({{{"role", "user"}, {"content", text}}});
    request.max_tokens = 200;
    return request;
  }
  // The model will answer with these bytes, control tokens by their text, then end its turn.
  ChatRequest scripted(ChatRequest request, const std::string& text, bool ends = true) {
    script(text, ends);
    model.prompt = chat.prompt(request).ids.size();
    return request;
  }
};

TEST(Chat, ThinkingAndAnswerComeApart) {
  ThinkingChat f;
  const ChatAnswer answer = f.chat.ask(f.scripted(ThinkingChat::asks("Hi"), "Hmm, 你好.\n</think>\n\nHello 🌍!"));
  EXPECT_EQ(answer.thinking, "Hmm, 你好.");
  EXPECT_EQ(answer.answer, "Hello 🌍!");
  EXPECT_EQ(answer.result.finish, ChatFinish::stop);
  EXPECT_EQ(answer.ids(), f.model.script);
  EXPECT_EQ(answer.result.usage.completion_tokens, static_cast<int>(f.model.script.size()));
  EXPECT_EQ(answer.result.usage.thinking_tokens, 14) << "12 bytes, the end of the line, the mark";
  EXPECT_NE(answer.result.logits_hash, 0U);
}

TEST(Chat, EveryDeltaIsWholeCharacters) {
  ThinkingChat f;
  std::string text;
  f.chat.ask(f.scripted(ThinkingChat::asks("Hi"), "</think>né 🌍\xF0\x9F"), [&](const ChatEvent& event) {
    if (event.kind == ChatEvent::Kind::answer) {
      EXPECT_EQ(to_valid_utf8(event.text), event.text);
      text += event.text;
    }
    return true;
  });
  EXPECT_EQ(text, "né 🌍\xEF\xBF\xBD");
}

TEST(Chat, StopStringsReachAcrossTokensAndEndTheAnswerAtOnce) {
  ThinkingChat f;
  ChatRequest request = ThinkingChat::asks("Hi");
  request.stop = {"STOP", "never"};
  request = f.scripted(request, "I will STOP thinking</think>one STOP two");
  const ChatAnswer answer = f.chat.ask(request);
  EXPECT_EQ(answer.thinking, "I will STOP thinking") << "the thinking is not searched";
  EXPECT_EQ(answer.answer, "one ");
  EXPECT_EQ(answer.result.finish, ChatFinish::stop);
  EXPECT_EQ(answer.result.stop_string, "STOP");
  EXPECT_EQ(answer.tokens.size(), std::string("I will STOP thinkingone STOP").size() + 1) << "no token more";
}

TEST(Chat, WhatLooksLikeAStopStringIsShownAtTheEnd) {
  ThinkingChat f;
  ChatRequest request = ThinkingChat::asks("Hi");
  request.stop = {"STOP"};
  const ChatAnswer answer = f.chat.ask(f.scripted(request, "</think>one STO"));
  EXPECT_EQ(answer.answer, "one STO");
  EXPECT_EQ(answer.result.stop_string, "");
}

TEST(Chat, LengthCancelAndHandler) {
  ThinkingChat f;
  ChatRequest request = ThinkingChat::asks("Hi");
  request.max_tokens = 5;
  EXPECT_EQ(f.chat.ask(f.scripted(request, "</think>a long answer")).result.finish, ChatFinish::length);
  int seen = 0;
  const ChatAnswer cancelled =
      f.chat.ask(f.scripted(ThinkingChat::asks("Hi"), "</think>a long answer"),
                 [&](const ChatEvent& event) { return event.kind != ChatEvent::Kind::answer || ++seen < 3; });
  EXPECT_EQ(cancelled.result.finish, ChatFinish::cancelled);
  EXPECT_EQ(seen, 3) << "nothing after the handler declined";
  EXPECT_THROW(f.chat.ask(f.scripted(ThinkingChat::asks("Hi"), "abc"),
                          [](const ChatEvent&) -> bool { throw std::runtime_error("full"); }),
               std::runtime_error);
}

TEST(Chat, BudgetAndStopThinkingCloseTheThinking) {
  ThinkingChat f;
  ChatRequest request = ThinkingChat::asks("Hi");
  request.thinking_budget = 4;
  request.max_tokens = 12;
  request = f.scripted(request, "0123456789abcdef", false);
  ChatAnswer answer = f.chat.ask(request);
  EXPECT_EQ(answer.thinking, "0123");
  // Four thoughts, "\n", the mark and "\n\n" are forced: the script goes on behind them.
  EXPECT_EQ(answer.answer, "89ab");
  request.thinking_budget.reset();
  int thoughts = 0;
  answer = f.chat.ask(request, [&](const ChatEvent& event) {
    if (event.kind == ChatEvent::Kind::thinking && ++thoughts == 2) f.chat.stop_thinking(event.request);
    return true;
  });
  EXPECT_EQ(answer.thinking, "01");
  EXPECT_EQ(answer.answer, "6789ab");
}

TEST(Chat, TokensHaveBytesAndAlternatives) {
  ThinkingChat f;
  ChatRequest request = ThinkingChat::asks("Hi");
  request.sampling.logprobs = 2;
  request = f.scripted(request, "x</think>é");
  std::vector<ChatTokenInfo> tokens;
  f.chat.ask(request, [&](const ChatEvent& event) {
    if (event.kind == ChatEvent::Kind::token) tokens.push_back(event.token);
    return true;
  });
  ASSERT_EQ(tokens.size(), 5U);
  EXPECT_EQ(tokens[0].token.bytes, "x");
  EXPECT_TRUE(tokens[0].thinking && tokens[1].thinking && !tokens[2].thinking);
  EXPECT_EQ(tokens[1].token.bytes, "</think>");
  EXPECT_EQ(tokens[2].token.bytes + tokens[3].token.bytes, "é");
  EXPECT_TRUE(tokens[4].end);
  for (const ChatTokenInfo& token : tokens) {
    ASSERT_EQ(token.alternatives.size(), 2U);
    EXPECT_EQ(token.alternatives[0].id, token.token.id);
    EXPECT_LT(token.token.logprob, 1e-6F);
    EXPECT_LT(token.alternatives[1].logprob, -50.0F);
  }
}

TEST(Chat, ControlTokensThatMeanNothingHereAreNotShown) {
  ThinkingChat f;
  EXPECT_EQ(f.chat.ask(f.scripted(ThinkingChat::asks("Hi"), "</think>a<|im_start|>b")).answer, "ab");
  f.model.script = {kClose, 'a', 399, 'b', kEnd};  // an id beyond the tokenizer's
  EXPECT_EQ(f.chat.ask(ThinkingChat::asks("Hi")).answer, "ab");
}

TEST(Chat, ToolCalls) {
  const std::string hermes = "{% if tools %}<tool_call></tool_call>{% endif %}" + std::string(kThinkingTemplate);
  ThinkingChat f(hermes);
  ChatRequest request = ThinkingChat::asks("Weather?");
  request.prompt.tools = Json::array({{{"type", "function"}, {"function", {{"name", "get_weather"}}}}});
  const std::string said =
      "</think>Let me see.\n<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Ulm\"}}\n</tool_call>";
  ChatAnswer answer = f.chat.ask(f.scripted(request, said));
  ASSERT_EQ(answer.calls.size(), 1U);
  EXPECT_EQ(answer.calls[0].name, "get_weather");
  EXPECT_EQ(Json::parse(answer.calls[0].arguments), Json({{"city", "Ulm"}}));
  EXPECT_EQ(answer.answer, "Let me see.");
  EXPECT_EQ(answer.result.finish, ChatFinish::tool_calls);
  request.prompt.tools = nullptr;
  answer = f.chat.ask(f.scripted(request, said));
  EXPECT_TRUE(answer.calls.empty()) << "nobody offered tools: it is text";
}

TEST(Chat, RawTextIsNeitherTemplatedNorParsed) {
  ThinkingChat f("");
  ChatRequest request;
  request.raw = "Once upon";
  request.max_tokens = 50;
  request = f.scripted(request, " a <think> time</think><|im_start|>");
  EXPECT_EQ(f.chat.ask(request).answer, " a <think> time</think>");
}

TEST(Chat, TheSecondTurnComesFromTheCache) {
  ThinkingChat f(
      "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor "
      "%}<|im_start|>assistant{{ '\n' }}");
  const std::string question(150, 'q'), said(100, 'a');
  ChatRequest request = ThinkingChat::asks(question);
  const ChatAnswer first = f.chat.ask(f.scripted(request, said));
  ASSERT_EQ(first.answer, said);
  request.prompt.messages.push_back(Json({{"role", "assistant"}, {"content", first.answer}}));
  request.prompt.messages.push_back(Json({{"role", "user"}, {"content", "more"}}));
  const ChatAnswer second = f.chat.ask(f.scripted(request, "yes"));
  EXPECT_EQ(second.answer, "yes");
  EXPECT_EQ(second.result.usage.cached_tokens, first.result.usage.prompt_tokens + 100)
      << "all but the end of the turn and what is new";
}

TEST(Chat, OnItsOwnThread) {
  ThinkingChat f;
  const ChatRequest request = f.scripted(ThinkingChat::asks("Hi"), "a</think>b");
  f.engine.start();
  const ChatAnswer answer = f.chat.ask(request);
  EXPECT_EQ(answer.thinking, "a");
  EXPECT_EQ(answer.answer, "b");
}

}  // namespace
}  // namespace limpid
