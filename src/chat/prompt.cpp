#include "chat/prompt.h"

#include "base/error.h"
#include "chat/messages.h"

namespace limpid {

namespace {

using Json = nlohmann::ordered_json;

std::string without(std::string text, std::string_view what) {
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at)) text.erase(at, what.size());
  return text;
}

std::string token_text(const Tokenizer& tokenizer, std::optional<TokenId> id) {
  return id ? std::string(tokenizer.token_bytes(*id)) : std::string();
}

ChatTemplate make_template(const Tokenizer& tokenizer, const std::string& source) {
  ChatTemplate::Tokens tokens;
  if (tokenizer.bos()) tokens["bos_token"] = token_text(tokenizer, tokenizer.bos());
  if (tokenizer.eos()) tokens["eos_token"] = token_text(tokenizer, tokenizer.eos());
  if (!source.empty()) return ChatTemplate(source, std::move(tokens));
  return ChatTemplate::standard([&](std::string_view text) { return tokenizer.special_id(text).has_value(); },
                                std::move(tokens));
}

}  // namespace

PromptBuilder::PromptBuilder(const Tokenizer& tokenizer, const std::string& chat_template)
    : tokenizer_(tokenizer), template_(make_template(tokenizer, chat_template)), guard_(tokenizer) {}

ChatPrompt PromptBuilder::build(const PromptRequest& request) const {
  const Json messages = check_messages(request.messages);
  const Json tools = check_tools(request.tools);
  const AnswerStart start = request.start.value_or(AnswerStart{});
  const std::string guard =
      ContentGuard::choose(Json::array({messages, tools, request.template_variables, start.thinking, start.answer}));

  RenderOptions options;
  options.add_generation_prompt = request.generation_prompt;
  options.thinking = request.thinking;
  if (!start.thinking.empty()) options.thinking = Thinking::on;
  options.protect = [&](const Json& value) { return guard_.protect(value, guard); };
  Prompt rendered = template_.render(messages, tools, guard_.protect(request.template_variables, guard), options);

  ChatPrompt prompt;
  prompt.inside_thinking = rendered.thinking_open;
  rendered.text += guard_.protect_text(start.thinking, guard);
  if (prompt.inside_thinking && start.thinking_done) {
    rendered.text += "\n</think>\n\n";
    prompt.inside_thinking = false;
  }
  if (!prompt.inside_thinking) rendered.text += guard_.protect_text(start.answer, guard);

  EncodeOptions encoding;
  encoding.special = true;
  encoding.bos = tokenizer_.add_bos() && !rendered.has_bos;
  encoding.guard = guard;
  encoding.most = request.most_tokens;
  prompt.ids = tokenizer_.encode(rendered.text, encoding);
  prompt.text = without(std::move(rendered.text), guard);
  return prompt;
}

ChatPrompt PromptBuilder::raw(std::string_view text, bool special, std::size_t most_tokens) const {
  const std::string bos = token_text(tokenizer_, tokenizer_.bos());
  ChatPrompt prompt;
  prompt.text = text;
  EncodeOptions options;
  options.special = special;
  options.most = most_tokens;
  options.bos = tokenizer_.add_bos() && !(special && !bos.empty() && text.starts_with(bos));
  prompt.ids = tokenizer_.encode(text, options);
  return prompt;
}

}  // namespace limpid
