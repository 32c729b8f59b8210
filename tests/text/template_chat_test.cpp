// ChatTemplate: Hugging Face's text where nothing else is asked for, and the rules on BOS, thinking and messages where
// it is.
#include <gtest/gtest.h>

#include <atomic>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/error.h"
#include "tests/text/data_files.h"
#include "text/chat_template.h"

namespace limpid {
namespace {

using Json = nlohmann::ordered_json;

const ChatTemplate::Tokens deepseek_tokens = {{"bos_token", "<｜begin▁of▁sentence｜>"},
                                              {"eos_token", "<｜end▁of▁sentence｜>"}};

ChatTemplate load(const std::string& name, ChatTemplate::Tokens tokens = deepseek_tokens) {
  return ChatTemplate(read_data("templates/" + name + ".jinja"), std::move(tokens), name);
}

RenderOptions with(Thinking thinking) {
  RenderOptions options;
  options.thinking = thinking;
  return options;
}

Json conversation(const std::string& name) {
  return Json::parse(read_data("template_conversations.json"))[name]["messages"];
}

std::string after(const std::string& text, const std::string& mark) {
  return text.substr(text.rfind(mark) + mark.size());
}

std::size_t count(const std::string& text, const std::string& what) {
  std::size_t found = 0;
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += what.size()) ++found;
  return found;
}

TEST(ChatTemplate, AsTemplateIsHuggingFacesText) {
  const Json conversations = Json::parse(read_data("template_conversations.json")),
             goldens = Json::parse(read_data("template_goldens.json"));
  std::map<std::string, std::unique_ptr<ChatTemplate>> made;
  int rendered = 0;
  for (const Json& golden : goldens["goldens"]) {
    if (!golden.contains("text")) continue;
    const std::string name = golden["template"];
    auto& chat = made[name];
    if (!chat) chat = std::make_unique<ChatTemplate>(load(name, {}));
    RenderOptions options = with(Thinking::as_template);
    options.add_generation_prompt = golden["add_generation_prompt"];
    const Json& given = conversations[golden["conversation"].get<std::string>()];
    EXPECT_EQ(chat->render(given["messages"], given.contains("tools") ? goldens["tools"] : Json(), golden["variables"],
                           options)
                  .text,
              golden["text"].get<std::string>())
        << name << ": " << golden["conversation"];
    ++rendered;
  }
  EXPECT_GE(rendered, 200);
}

TEST(ChatTemplate, EveryThinkingModelEndsWithOneOpenThinkAndBeginsWithOneBos) {
  for (const char* name : {"deepseek-r1-2025-01", "deepseek-r1", "deepseek-r1-distill", "deepseek-r1-distill-llama-8b",
                           "deepseek-r1-0528", "deepseek-v3.1"}) {
    const ChatTemplate chat = load(name);
    EXPECT_TRUE(chat.thinks()) << name;
    for (const char* messages : {"single", "system", "turns", "thinking", "two_systems", "reasoning_field"}) {
      const Prompt prompt = chat.render(conversation(messages), nullptr, with(Thinking::on));
      EXPECT_TRUE(prompt.has_bos) << name;
      EXPECT_EQ(count(prompt.text, "<｜begin▁of▁sentence｜>"), 1u) << name;
      EXPECT_EQ(after(prompt.text, "<｜Assistant｜>"), "<think>\n") << name << ": " << messages;
      EXPECT_TRUE(prompt.thinking_open);
    }
  }
  for (const char* name : {"qwen3", "qwq-32b", "kimi-k2-thinking"}) {
    const Prompt prompt = load(name, {}).render(conversation("single"), nullptr, with(Thinking::on));
    EXPECT_TRUE(prompt.text.ends_with("<think>\n")) << name;
    EXPECT_FALSE(prompt.text.ends_with("<think>\n<think>\n")) << name;
    EXPECT_FALSE(prompt.has_bos);
  }
}

TEST(ChatTemplate, DeepseekThinksWithoutBeingAsked) {
  for (const char* name : {"deepseek-r1-2025-01", "deepseek-r1", "deepseek-r1-0528"}) {
    EXPECT_TRUE(load(name).render(conversation("single"), nullptr).text.ends_with("<｜Assistant｜><think>\n")) << name;
  }
  EXPECT_TRUE(load("qwen3").render(conversation("single"), nullptr).text.ends_with("<|im_start|>assistant\n"));
  EXPECT_TRUE(
      load("deepseek-v3.1").render(conversation("single"), nullptr).text.ends_with("<｜Assistant｜><think></think>"));
}

TEST(ChatTemplate, ThinkingOffIsClosedAndEmpty) {
  for (const char* name : {"deepseek-r1-2025-01", "deepseek-r1", "deepseek-r1-0528", "qwen3"}) {
    const Prompt prompt = load(name).render(conversation("single"), nullptr, with(Thinking::off));
    EXPECT_TRUE(prompt.text.ends_with("<think>\n\n</think>\n\n")) << name << prompt.text;
    EXPECT_EQ(count(prompt.text, "<think>"), 1u) << name;
    EXPECT_FALSE(prompt.thinking_open);
  }
  EXPECT_TRUE(load("deepseek-v3.1")
                  .render(conversation("single"), nullptr, with(Thinking::off))
                  .text.ends_with("<think></think>"));
}

TEST(ChatTemplate, ModelsThatDoNotThinkAreLeftAlone) {
  for (const char* name :
       {"deepseek-v3", "deepseek-v3-0324", "qwen2.5", "llama-3", "llama-3.1", "smollm2", "moonlight", "kimi-k2"}) {
    const ChatTemplate chat = load(name);
    EXPECT_FALSE(chat.thinks()) << name;
    for (const Thinking thinking : {Thinking::automatic, Thinking::on, Thinking::off}) {
      const Prompt prompt = chat.render(conversation("turns"), nullptr, with(thinking));
      EXPECT_EQ(prompt.text, chat.render(conversation("turns"), nullptr, with(Thinking::as_template)).text) << name;
      EXPECT_FALSE(prompt.thinking_open);
    }
  }
}

TEST(ChatTemplate, LeavesEarlierThinkingOut) {
  const Json closed = Json::parse(
      R"([{"role":"user","content":"a"},{"role":"assistant","content":"<think>\nsecret\n</think>\n\nshown"},{"role":"user","content":"b"}])");
  Json open = closed;
  open[1]["content"] = "<think>\nsecret, and cut off";
  for (const char* name : {"deepseek-r1-2025-01", "deepseek-r1", "deepseek-r1-distill", "deepseek-r1-0528",
                           "deepseek-v3.1", "qwen3", "qwq-32b", "kimi-k2-thinking"}) {
    const ChatTemplate chat = load(name);
    const std::string text = chat.render(closed, nullptr, with(Thinking::on)).text;
    EXPECT_EQ(count(text, "secret"), 0u) << name << text;
    EXPECT_EQ(count(text, "shown"), 1u) << name;
    EXPECT_EQ(count(chat.render(open, nullptr, with(Thinking::on)).text, "secret"), 0u) << name;
  }
}

// What Hugging Face renders from thinking turns, we render too, once the rules are on: only the end of the prompt
// differs.
TEST(ChatTemplate, RulesChangeNothingElse) {
  for (const char* name : {"deepseek-r1", "deepseek-r1-distill", "deepseek-r1-0528", "qwq-32b", "qwen3"}) {
    const ChatTemplate chat = load(name);
    for (const char* messages : {"single", "turns", "thinking", "unicode", "system"}) {
      EXPECT_EQ(chat.render(conversation(messages), nullptr)
                    .text.find(chat.render(conversation(messages), nullptr, with(Thinking::as_template)).text),
                0u)
          << name << ": " << messages;
    }
  }
}

TEST(ChatTemplate, OneBosWhateverTheTemplateGives) {
  const ChatTemplate::Tokens tokens = {{"bos_token", "<s>"}};
  const Json messages = conversation("single");
  EXPECT_EQ(ChatTemplate("{{ bos_token }}{{ bos_token }}{{ bos_token }}a", tokens).render(messages, nullptr).text,
            "<s>a");
  EXPECT_TRUE(ChatTemplate("{{ bos_token }}a", tokens).render(messages, nullptr).has_bos);
  EXPECT_FALSE(ChatTemplate("a", tokens).render(messages, nullptr).has_bos);
  EXPECT_FALSE(ChatTemplate("{{ bos_token }}a", {}).render(messages, nullptr).has_bos);
}

TEST(ChatTemplate, TakesCallsInEitherForm) {
  const Json goldens = Json::parse(read_data("template_goldens.json"));
  for (const char* name : {"deepseek-v3", "deepseek-r1", "deepseek-r1-0528", "deepseek-v3.1", "qwen2.5", "qwen3",
                           "llama-3.1", "kimi-k2", "kimi-k2-thinking"}) {
    const ChatTemplate chat = load(name);
    Json object = conversation("one_call"), text = object;
    object[1]["tool_calls"][0]["function"]["arguments"] = {{"city", "Köln"}, {"n", 1}};
    text[1]["tool_calls"][0]["function"]["arguments"] = R"({"city": "Köln", "n": 1})";
    Json empty = text, bare = text;
    empty[1]["content"] = "";
    bare[1].erase("content");
    const std::string expected = chat.render(object, goldens["tools"]).text;
    EXPECT_NE(expected.find(R"({"city": "Köln", "n": 1})"), std::string::npos) << name << expected;
    EXPECT_EQ(chat.render(text, goldens["tools"]).text, expected) << name;
    EXPECT_EQ(chat.render(empty, goldens["tools"]).text, expected) << name;
    EXPECT_EQ(chat.render(bare, goldens["tools"]).text, expected) << name;
  }
}

TEST(ChatTemplate, KnowsWhetherToolsAreShown) {
  for (const char* name : {"qwen2.5", "qwen3", "llama-3.1", "llama-3.2", "kimi-k2", "kimi-k2-thinking"})
    EXPECT_TRUE(load(name).takes_tools()) << name;
  for (const char* name : {"deepseek-v3", "deepseek-r1", "deepseek-v3.1", "smollm2", "moonlight", "llama-3"})
    EXPECT_FALSE(load(name).takes_tools()) << name;
  EXPECT_EQ(load("deepseek-r1").tool_format(), ToolFormat::deepseek);
  EXPECT_EQ(load("llama-3.2").tool_format(), ToolFormat::llama3);
  EXPECT_EQ(load("smollm2").tool_format(), ToolFormat::none);
}

TEST(ChatTemplate, RendersOnManyThreadsAtOnce) {
  const ChatTemplate chat = load("qwen3");
  const Json messages = conversation("thinking");
  const std::string expected = chat.render(messages, nullptr).text;
  std::vector<std::thread> threads;
  std::atomic<int> equal{0};
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) equal += chat.render(messages, nullptr).text == expected;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(equal, 150);
}

TEST(ChatTemplate, TakesContentInParts) {
  for (const char* name : {"deepseek-r1", "qwen2.5", "smollm2", "llama-3"}) {
    const std::string text = load(name).render(conversation("parts"), nullptr).text;
    EXPECT_NE(text.find("Part one. \nPart two."), std::string::npos) << name << text;
  }
  Json image = conversation("parts");
  image[0]["content"][1] = {{"type", "image_url"}, {"image_url", "x"}};
  try {
    load("qwen2.5").render(image, nullptr);
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "messages[0].content[1]: a part of type 'image_url'; this model's template takes text only");
    EXPECT_EQ(error.kind(), ErrorKind::unsupported);
  }
}

TEST(ChatTemplate, ProtectsWhatIsRendered) {
  RenderOptions options;
  options.protect = [](const Json& value) {
    Json out = value;
    for (Json& message : out) {
      if (message.contains("content")) message["content"] = "guarded";
    }
    return out;
  };
  const std::string text = load("deepseek-r1").render(conversation("thinking"), nullptr, options).text;
  EXPECT_EQ(count(text, "guarded"), 5u);
  EXPECT_TRUE(text.ends_with("<｜Assistant｜><think>\n"));
}

TEST(ChatTemplate, RefusesBadMessages) {
  const ChatTemplate chat = load("smollm2");
  const auto message_of = [&](const char* messages, const char* tools = "null") {
    try {
      chat.render(Json::parse(messages), Json::parse(tools));
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("rendered");
  };
  EXPECT_EQ(message_of("{}"), "messages: an array was expected, found object");
  EXPECT_EQ(message_of("[1]"), "messages[0]: an object with a role was expected");
  EXPECT_EQ(message_of(R"([{"role": "user", "content": "x"}, {"content": "x"}])"),
            "messages[1]: an object with a role was expected");
  EXPECT_EQ(message_of(R"([{"role": "user", "content": "x"}])", "{}"), "tools: an array was expected, found object");
  EXPECT_EQ(message_of(R"([{"role": "assistant", "tool_calls": {}}])"),
            "messages[0].tool_calls: an array was expected, found object");
  EXPECT_EQ(message_of(R"([{"role": "assistant", "tool_calls": [{}]}])"),
            "messages[0].tool_calls[0].function: an object with a name was expected");
}

TEST(ChatTemplate, StandardTemplateFollowsTheVocabulary) {
  const Json messages = Json::parse(
      R"([{"role":"system","content":"S"},{"role":"user","content":"U"},{"role":"assistant","content":"A"},{"role":"user","content":"V"}])");
  const auto text = [&](std::vector<std::string> tokens) {
    const auto known = [tokens](std::string_view token) {
      return std::find(tokens.begin(), tokens.end(), token) != tokens.end();
    };
    return ChatTemplate::standard(known, {{"bos_token", "<s>"}, {"eos_token", "</s>"}}).render(messages, nullptr).text;
  };
  EXPECT_EQ(text({"<|im_start|>", "<|im_end|>"}),
            "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU<|im_end|>\n<|im_start|>assistant\nA<|im_end|>\n<|im_"
            "start|>user\nV<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(text({"<｜User｜>", "<｜Assistant｜>", "<think>"}),
            "<s>S<｜User｜>U<｜Assistant｜>A</s><｜User｜>V<｜Assistant｜><think>\n");
  EXPECT_EQ(text({"<｜User｜>", "<｜Assistant｜>"}), "<s>S<｜User｜>U<｜Assistant｜>A</s><｜User｜>V<｜Assistant｜>");
  EXPECT_EQ(text({"<|im_user|>", "<|im_middle|>"}),
            "<|im_system|>system<|im_middle|>S<|im_end|><|im_user|>user<|im_middle|>U<|im_end|><|im_assistant|>"
            "assistant<|im_middle|>A<|im_end|>"
            "<|im_user|>user<|im_middle|>V<|im_end|><|im_assistant|>assistant<|im_middle|>");
  EXPECT_EQ(text({"<|start_header_id|>", "<|eot_id|>"}).substr(0, 61),
            "<s><|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|><|s");
  EXPECT_EQ(text({}), "<s>S\n\nUser: U\n\nAssistant: A\n\nUser: V\n\nAssistant:");
}

TEST(ChatTemplate, SourceIsReadFromTheConfig) {
  EXPECT_EQ(chat_template_source({{"chat_template", "x"}}), "x");
  EXPECT_EQ(chat_template_source(nlohmann::json::parse(
                R"({"chat_template":[{"name":"tool_use","template":"t"},{"name":"default","template":"d"}]})")),
            "d");
  EXPECT_EQ(chat_template_source({{"other", 1}}), std::nullopt);
}

}  // namespace
}  // namespace limpid
