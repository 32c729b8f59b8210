// A ChatEngine on one thread, over a model that says what the test wants it to.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "chat/chat.h"
#include "chat_fixture.h"

namespace limpid {

// Ids of the control tokens <|im_end|>, <think> and </think>.
inline constexpr std::int32_t kEnd = 257, kOpen = 258, kClose = 259;

struct ScriptedChat {
  explicit ScriptedChat(const std::string& chat_template, const std::vector<std::string>& more_control = {})
      : tokenizer(byte_tokenizer(control(more_control), "<|im_end|>")),
        engine(model, options()),
        chat(engine, tokenizer, chat_template) {}

  // The model will answer with these bytes, control tokens by their text, then end its turn.
  void script(const std::string& text, bool ends = true) {
    EncodeOptions special;
    special.special = true;
    model.script = tokenizer.encode(text, special);
    if (ends) model.script.push_back(kEnd);
  }

  ScriptModel model;
  Tokenizer tokenizer;
  Engine engine;
  ChatEngine chat;

 private:
  static std::vector<std::string> control(const std::vector<std::string>& more) {
    std::vector<std::string> all = {"<|im_start|>", "<|im_end|>", "<think>", "</think>"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  static EngineOptions options() {
    EngineOptions result;
    result.threads = 1;
    return result;
  }
};

}  // namespace limpid
