// Grammars through the ChatEngine: a model that would say something else is held to them.
#include <gtest/gtest.h>

#include "base/error.h"
#include "grammar_fixture.h"
#include "scripted_chat.h"

namespace limpid {
namespace {

using Json = nlohmann::ordered_json;

const char* const kPlainTemplate =
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant\n";

struct BoundChat : ScriptedChat {
  explicit BoundChat(const std::string& chat_template) : ScriptedChat(chat_template, {"<tool_call>", "</tool_call>"}) {}

  // The model would say `text` and then end its turn; each time it may not, the likeliest id that it may say is the
  // lowest.
  ChatAnswer ask(const std::string& text, std::shared_ptr<const Grammar> grammar, ChatRequest request = {}) {
    request.prompt.messages = Json::array({{{"role", "user"}, {"content", "Hi"}}});
    request.sampling.temperature = 0;
    request.max_tokens = 300;
    request.grammar = std::move(grammar);
    script(text);
    model.then = kEnd;
    model.prompt = chat.prompt(request).ids.size();
    return chat.ask(std::move(request));
  }
};

const std::string kThinks = std::string(kPlainTemplate) + "{{ '<think>\n' }}";
const std::string kMayThink = std::string(kPlainTemplate) + "{# <think> #}";

TEST(GrammarChat, AnAnswerThatFitsIsLeftAsItIs) {
  BoundChat f(kPlainTemplate);
  const ChatAnswer answer = f.ask("{\"a\": [1, \"ä\"]}", json_object_grammar());
  EXPECT_EQ(answer.answer, "{\"a\": [1, \"ä\"]}");
  EXPECT_EQ(answer.result.finish, ChatFinish::stop);
}

TEST(GrammarChat, TheEndIsPossibleOnlyWhenTheTextIsComplete) {
  BoundChat f(kPlainTemplate);
  // The model wants to stop inside the object; the lowest byte that may stand there is a space, then '!' in a string
  // that never ends, up to the limit.
  const ChatAnswer cut = f.ask("{\"a\":", json_object_grammar());
  EXPECT_NE(cut.result.finish, ChatFinish::error);
  for (const ChatTokenInfo& token : cut.tokens)
    EXPECT_EQ(token.end, token.position == cut.tokens.back().position && cut.result.finish == ChatFinish::stop);
  const ChatAnswer more = f.ask("{}, and that is all", json_object_grammar());
  EXPECT_EQ(more.answer, "{}") << "nothing may come behind a whole object";
  EXPECT_EQ(more.result.finish, ChatFinish::stop);
}

TEST(GrammarChat, ThinkingIsFreeAndThenTheGrammarBinds) {
  BoundChat f(kThinks);
  const ChatAnswer answer = f.ask("No {JSON} here.\n</think>\n\n{\"a\":1}", json_object_grammar());
  EXPECT_EQ(answer.thinking, "No {JSON} here.");
  EXPECT_EQ(answer.answer, "{\"a\":1}");
  EXPECT_EQ(answer.result.finish, ChatFinish::stop);
}

TEST(GrammarChat, ThinkingCannotEndTheAnswerNorSpellItsMarks) {
  BoundChat f(kThinks);
  f.model.then = kEnd;
  const ChatAnswer answer = f.ask("x", json_object_grammar());  // then wants to end, inside the thinking
  EXPECT_EQ(answer.result.finish, ChatFinish::length);
  // The mark in single bytes: not its token. Its last byte cannot come.
  ChatRequest request;
  const std::string spelled = "</think>{}";
  f.model.script.assign(spelled.begin(), spelled.end());
  const auto rule =
      grammar_rule(json_object_grammar(), f.chat.grammar_vocabulary(), {true, false, {kOpen}, {kClose}, "", {kEnd}});
  for (const char c : std::string_view("</think")) rule->accept(c);
  std::vector<float> logits(400);
  rule->apply(logits);
  EXPECT_EQ(logits['>'], -std::numeric_limits<float>::infinity());
  EXPECT_EQ(logits['x'], 0);
  EXPECT_EQ(logits[kClose], 0);
  EXPECT_EQ(logits[kEnd], -std::numeric_limits<float>::infinity());
  EXPECT_EQ(logits[399], -std::numeric_limits<float>::infinity()) << "beyond the tokenizer";
}

TEST(GrammarChat, AModelMayOpenItsThinkingItself) {
  BoundChat f(kMayThink);
  const ChatAnswer thought = f.ask("<think>hm</think>{}", json_object_grammar());
  EXPECT_EQ(thought.thinking, "hm");
  EXPECT_EQ(thought.answer, "{}");
  const ChatAnswer direct = f.ask("{\"a\":\"x\"}", json_object_grammar());
  EXPECT_EQ(direct.answer, "{\"a\":\"x\"}");
  EXPECT_EQ(direct.thinking, "");
}

TEST(GrammarChat, ABudgetOfThinkingFitsTheGrammar) {
  BoundChat f(kThinks);
  ChatRequest request;
  request.thinking_budget = 3;
  const ChatAnswer answer = f.ask("abcdefgh\n\n{\"k\":true}", json_object_grammar(), std::move(request));
  EXPECT_EQ(answer.thinking, "abc");
  EXPECT_NE(answer.result.finish, ChatFinish::error);
}

TEST(GrammarChat, ABegunAnswerGoesOn) {
  BoundChat f(kPlainTemplate);
  ChatRequest request;
  request.prompt.start = AnswerStart{"", true, "{\"a\":"};
  EXPECT_EQ(f.ask("12}", json_object_grammar(), request).answer, "12}");
  request.prompt.start = AnswerStart{"", true, "Well, "};
  EXPECT_THROW(f.ask("12}", json_object_grammar(), request), Error);
}

TEST(GrammarChat, ASchemaThatIsHeld) {
  BoundChat f(kPlainTemplate);
  const auto grammar = json_schema_grammar(Json::parse(
      R"({"type":"object","properties":{"n":{"type":"integer","minimum":5,"maximum":7}},"required":["n"]})"));
  EXPECT_EQ(f.ask("{\"n\": 9}", grammar).answer, "{\"n\": 5}") << "9 is not possible; 5 is the lowest byte that is";
}

}  // namespace
}  // namespace limpid
