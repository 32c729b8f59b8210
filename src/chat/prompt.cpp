#include "chat/prompt.h"

#include <ctime>

#include "base/error.h"
#include "chat/messages.h"

namespace limpid {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kOpen = "<think>", kClose = "</think>";

std::string without(std::string text, std::string_view what) {
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at)) text.erase(at, what.size());
  return text;
}

std::string token_text(const Tokenizer& tokenizer, std::optional<TokenId> id) {
  return id ? std::string(tokenizer.token_bytes(*id)) : std::string();
}

bool last_role_is(const Json& messages, std::string_view role) { return messages.back()["role"] == role; }

}  // namespace

PromptBuilder::PromptBuilder(const Tokenizer& tokenizer, const std::string& chat_template)
    : tokenizer_(tokenizer),
      guard_(tokenizer),
      tool_format_(tool_format_of(chat_template)),
      bos_(token_text(tokenizer, tokenizer.bos())),
      eos_(token_text(tokenizer, tokenizer.eos())) {
  if (!chat_template.empty()) template_.emplace(chat_template);
  // A template that only cuts "</think>" out of earlier answers is enough: R1's first one never writes "<think>".
  thinks_ = chat_template.find(kOpen) != std::string::npos || chat_template.find(kClose) != std::string::npos;
  has_switch_ = chat_template.find("thinking") != std::string::npos;  // of Qwen3 (enable_thinking), V3.1 (thinking)
}

Prompt PromptBuilder::build(const PromptRequest& request) const {
  if (!template_)
    fail(ErrorKind::unsupported, "this model has no chat template: it continues text, it does not hold conversations");
  const Json messages = normalise_messages(request.messages, tool_format_);
  Json variables = {{"messages", messages}, {"tools", normalise_tools(request.tools)}};
  if (request.template_variables.is_object())
    for (const auto& [key, value] : request.template_variables.items()) variables[key] = value;
  if (request.start)
    variables["start"] = {request.start->thinking, request.start->answer};  // for the choice of the guard
  const std::string guard = ContentGuard::choose(variables);
  variables.erase("start");
  variables = guard_.protect(variables, guard);
  variables["add_generation_prompt"] = request.generation_prompt;
  variables["bos_token"] = bos_;
  variables["eos_token"] = eos_;
  if (thinks_ && request.think != Think::automatic)
    variables["enable_thinking"] = variables["thinking"] = request.think == Think::on;

  std::string rendered = template_->render(variables, std::time(nullptr));
  Prompt prompt;
  if (request.generation_prompt) rendered += thinking_end(rendered, request, prompt.inside_thinking);
  if (request.start) {
    const AnswerStart& start = *request.start;
    rendered += guard_.protect_text(start.thinking, guard);
    if (prompt.inside_thinking && start.thinking_done) {
      rendered += "\n</think>\n\n";
      prompt.inside_thinking = false;
    }
    if (!prompt.inside_thinking) rendered += guard_.protect_text(start.answer, guard);
  }
  EncodeOptions options;
  options.special = true;
  options.bos = tokenizer_.add_bos() && !bos_.empty() && !rendered.starts_with(bos_);
  options.guard = guard;
  prompt.ids = tokenizer_.encode(rendered, options);
  prompt.text = without(std::move(rendered), guard);
  return prompt;
}

// What the prompt of an answer needs behind the template's text, and whether it then ends inside the thinking.
std::string PromptBuilder::thinking_end(std::string_view rendered, const PromptRequest& request, bool& inside) const {
  inside = false;
  if (!thinks_) return {};
  const std::size_t open = rendered.rfind(kOpen), last = rendered.find_last_not_of(" \t\r\n");
  const bool open_at_end = open != std::string_view::npos && last + 1 == open + kOpen.size();
  const bool closed_at_end = rendered.substr(0, last + 1).ends_with(kClose);
  const bool thinking_given = request.start && !request.start->thinking.empty();
  inside = open_at_end;
  if (open_at_end && request.think == Think::off) {
    inside = false;
    return rendered.ends_with('\n') ? "\n</think>\n\n" : "</think>";
  }
  if (open_at_end || closed_at_end) return {};
  // The template leaves it to the model: after a question, not after the result of a tool, where the model goes on in
  // its own way.
  if (!last_role_is(request.messages, "user")) return {};
  if (request.think == Think::off) return "<think>\n\n</think>\n\n";
  inside = request.think == Think::on || !has_switch_ || thinking_given;
  return inside ? "<think>\n" : "";
}

Prompt PromptBuilder::raw(std::string_view text, bool special) const {
  Prompt prompt;
  prompt.text = text;
  EncodeOptions options;
  options.special = special;
  options.bos = tokenizer_.add_bos() && !bos_.empty() && !(special && text.starts_with(bos_));
  prompt.ids = tokenizer_.encode(text, options);
  return prompt;
}

}  // namespace limpid
