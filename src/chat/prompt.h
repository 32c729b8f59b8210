// PromptBuilder: messages to the ids that a model reads, by the model's own chat template (text/chat_template.h, which
// also sees to one BOS, to the thinking that a prompt ends in, and to earlier thinking). Immutable; safe from any
// thread.
//
// Nothing that stands in a message becomes a control token (content_guard.h).
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "chat/content_guard.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace limpid {

// The beginning of an answer that is to be continued, edited by a person perhaps.
struct AnswerStart {
  std::string thinking;
  bool thinking_done = false;  // closed; the answer goes on
  std::string answer;          // only where thinking_done, or where the model does not think
};

struct PromptRequest {
  nlohmann::ordered_json messages;            // the OpenAI form (messages.h)
  nlohmann::ordered_json tools;               // likewise; null: none
  nlohmann::ordered_json template_variables;  // more variables for the template; an object or null
  Thinking thinking = Thinking::automatic;
  bool generation_prompt = true;  // end with the beginning of an answer
  std::optional<AnswerStart> start;
  std::size_t most_tokens = SIZE_MAX;  // of use to whoever asks; a longer prompt is not tokenized to its end
};

struct ChatPrompt {
  std::string text;              // as rendered, for people
  std::vector<TokenId> ids;      // with BOS where the model wants one; more than most_tokens: not all, and not right
  bool inside_thinking = false;  // it ends inside the thinking
};

class PromptBuilder {
 public:
  // The source of the model's chat template; empty: the standard one for its control tokens. The tokenizer must outlive
  // the builder. Throws Error(input) where the template is wrong.
  PromptBuilder(const Tokenizer& tokenizer, const std::string& chat_template);

  // Throws Error(input) naming the field, also for what the template itself refuses.
  ChatPrompt build(const PromptRequest& request) const;
  // Text as it is, without a template. special: control tokens in it count.
  ChatPrompt raw(std::string_view text, bool special, std::size_t most_tokens = SIZE_MAX) const;

  const ChatTemplate& chat_template() const { return template_; }
  bool thinks() const { return template_.thinks(); }  // the model knows <think>

 private:
  const Tokenizer& tokenizer_;
  ChatTemplate template_;
  ContentGuard guard_;
};

}  // namespace limpid
