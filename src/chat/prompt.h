// PromptBuilder: messages to the ids that a model reads, by the model's own chat template. Immutable; safe from any
// thread.
//
// What it adds to the template's own text: exactly one BOS, and for models that think, what the template has no switch
// for: with thinking on, the prompt of an answer ends inside the thinking; with thinking off, behind an empty one.
// Nothing that stands in a message becomes a control token (content_guard.h).
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "chat/content_guard.h"
#include "text/jinja.h"
#include "text/tokenizer.h"
#include "text/tool_calls.h"

namespace limpid {

enum class Think { automatic, on, off };  // automatic: the template's own default; on, where it has no switch

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
  Think think = Think::automatic;
  bool generation_prompt = true;  // end with the beginning of an answer
  std::optional<AnswerStart> start;
};

struct Prompt {
  std::string text;  // as rendered, for people: without BOS where the template writes none
  std::vector<TokenId> ids;
  bool inside_thinking = false;  // the text ends inside the thinking
};

class PromptBuilder {
 public:
  // The source of the model's chat template; empty: it has none, and build() refuses. The tokenizer must outlive the
  // builder. Throws Error(input) where the template is wrong.
  PromptBuilder(const Tokenizer& tokenizer, const std::string& chat_template);

  // Throws Error(input) naming the field, also for what the template itself refuses.
  Prompt build(const PromptRequest& request) const;
  // Text as it is, without a template. special: control tokens in it count. BOS as the model wants it.
  Prompt raw(std::string_view text, bool special) const;

  bool has_template() const { return template_.has_value(); }
  bool thinks() const { return thinks_; }  // the model knows <think>
  ToolFormat tool_format() const { return tool_format_; }

 private:
  std::string thinking_end(std::string_view rendered, const PromptRequest& request, bool& inside) const;

  const Tokenizer& tokenizer_;
  std::optional<jinja::Template> template_;
  ContentGuard guard_;
  ToolFormat tool_format_ = ToolFormat::none;
  bool thinks_ = false, has_switch_ = false;
  std::string bos_, eos_;  // their text
};

}  // namespace limpid
