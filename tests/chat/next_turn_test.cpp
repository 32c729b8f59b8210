// The next turn of a model that thinks: what it begins with is there before it is asked for, whatever it asks.
#include "chat/next_turn.h"

#include <gtest/gtest.h>

#include "scripted_chat.h"

namespace limpid {
namespace {

using Json = nlohmann::ordered_json;

const char* const kTemplateWithCalls =
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{{ (message.content or '').split('</think>')[-1] | trim }}"
    "{% for call in message.tool_calls %}[{{ call.function.name }}]{% endfor %}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant\n{{ '<think>\n' }}";

struct WarmChat : ScriptedChat {
  WarmChat() : ScriptedChat(kTemplateWithCalls) {}

  // Asks, and the model says this.
  ChatAnswer ask(ChatRequest request, const std::string& text) {
    script(text);
    model.prompt = chat.prompt(request).ids.size();
    return chat.ask(request);
  }
  void rest() {
    chat.settle_next_turns();
    while (engine.step()) {
    }
  }
  static ChatRequest first() {
    ChatRequest request;
    request.prompt.messages = Json::array({{{"role", "user"}, {"content", "Tell me something that is long enough."}}});
    request.warm_next = true;
    request.account = "ada";
    return request;
  }
  static ChatRequest second(ChatRequest request, const std::string& answer, const std::string& question) {
    request.prompt.messages.push_back(Json({{"role", "assistant"}, {"content", answer}}));
    request.prompt.messages.push_back(Json({{"role", "user"}, {"content", question}}));
    return request;
  }
};

const std::string kThought = std::string(300, 't') + "</think>";
const std::string kAnswer = "It is " + std::string(100, 'a') + ".";

TEST(NextTurn, ComputesExactlyWhatIsNew) {
  for (const bool warm : {true, false}) {
    WarmChat f;
    ChatRequest asked = WarmChat::first();
    asked.warm_next = warm;
    const ChatAnswer answer = f.ask(asked, kThought + "\n\n" + kAnswer);
    ASSERT_EQ(answer.answer, kAnswer);
    f.rest();
    const ChatRequest next = WarmChat::second(asked, answer.answer, "And more?");
    const int prompt = static_cast<int>(f.chat.prompt(next).ids.size());
    const std::uint64_t before = f.engine.statistics().rows;
    const ChatAnswer again = f.ask(next, "x</think>y");
    // New are the question, the end of the turn, and how an answer begins: 21 bytes and 3 control tokens.
    const int fresh = static_cast<int>(std::string("And more?\n\n").size() + std::string("assistant\n").size()) + 3;
    if (warm) {
      EXPECT_EQ(again.result.usage.cached_tokens, prompt - fresh);
      EXPECT_EQ(f.engine.statistics().rows - before, static_cast<unsigned>(fresh) + 3);
    } else {
      EXPECT_LT(again.result.usage.cached_tokens, 64) << "or the test above shows nothing";
    }
  }
}

TEST(NextTurn, IsAsTheTemplateHasItForAnyQuestion) {
  WarmChat f;
  PromptRequest asked = WarmChat::first().prompt;
  const std::vector<TokenId> ids = next_turn_ids(f.chat.builder(), asked, kAnswer, {});
  for (const char* question : {"A", "1", "B?", "你好", "", "Azz"}) {
    ChatRequest next = WarmChat::second(WarmChat::first(), kAnswer, question);
    const std::vector<TokenId> whole = f.chat.prompt(next).ids;
    ASSERT_LE(ids.size(), whole.size());
    EXPECT_TRUE(std::equal(ids.begin(), ids.end(), whole.begin())) << question;
  }
  // An answer that was begun for the model is one answer.
  asked.start = AnswerStart{"hm", true, "It is "};
  EXPECT_EQ(next_turn_ids(f.chat.builder(), asked, kAnswer.substr(6), {}), ids);
  // After calls of tools their results come.
  const std::vector<TokenId> called =
      next_turn_ids(f.chat.builder(), WarmChat::first().prompt, "", {{"add", "{}", "", 0, true}});
  std::string text;
  for (const TokenId id : called) text += f.tokenizer.token_bytes(id);
  EXPECT_NE(text.find("[add]<|im_end|>\n<|im_start|>tool\n"), std::string::npos) << text;
}

TEST(NextTurn, OnlyAfterThinkingThatCameToAnEnd) {
  WarmChat f;
  f.ask(WarmChat::first(), "</think>no thinking but the mark");
  const auto rows = [&] {
    f.rest();
    return f.engine.statistics().background_rows;
  };
  const std::uint64_t before = rows();
  ChatRequest asked = WarmChat::first();
  asked.use_cache = false;
  f.ask(asked, kThought + kAnswer);
  EXPECT_EQ(rows(), before) << "who declines the cache";
  asked = WarmChat::first();
  asked.warm_next = false;
  f.ask(asked, kThought + kAnswer);
  EXPECT_EQ(rows(), before) << "who does not ask for it";
  EncodeOptions special;
  special.special = true;
  f.model.script = f.tokenizer.encode(kThought + kAnswer, special);
  asked.warm_next = true;
  f.model.prompt = f.chat.prompt(asked).ids.size();
  f.chat.ask(asked, [](const ChatEvent& event) { return event.kind != ChatEvent::Kind::answer; });
  EXPECT_EQ(rows(), before) << "who went away";
  f.ask(WarmChat::first(), kThought + kAnswer);
  EXPECT_GT(rows(), before);
}

TEST(NextTurn, OnTheEnginesOwnThreadAndEndedInTheMiddle) {
  WarmChat f;
  ChatRequest asked = WarmChat::first();
  EncodeOptions special;
  special.special = true;
  f.model.script = f.tokenizer.encode(kThought + kAnswer, special);
  f.model.script.push_back(257);
  f.model.prompt = f.chat.prompt(asked).ids.size();
  f.engine.start();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(f.chat.ask(asked).answer, kAnswer);
}

}  // namespace
}  // namespace limpid
