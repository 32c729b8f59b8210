#include "train/chat_examples.h"

#include <algorithm>

#include "base/error.h"

namespace limpid {

namespace {

constexpr std::string_view kThink = "<think>", kEndThink = "</think>";

using OrderedJson = nlohmann::ordered_json;

OrderedJson message(std::string_view role, std::string_view content) { return {{"role", role}, {"content", content}}; }

bool begins_with(const std::vector<TokenId>& ids, const std::vector<TokenId>& start) {
  return ids.size() >= start.size() && std::equal(start.begin(), start.end(), ids.begin());
}

}  // namespace

ChatWriter::ChatWriter(const Tokenizer& tokenizer, const std::string& chat_template)
    : tokenizer_(tokenizer), builder_(tokenizer, chat_template) {
  PromptRequest request;
  request.messages = OrderedJson::array({message("user", "a"), message("assistant", "b")});
  request.generation_prompt = false;
  const std::vector<TokenId> ids = builder_.build(request).ids;
  const std::span<const TokenId> ends = tokenizer.end_ids();
  const auto last =
      std::find_if(ids.rbegin(), ids.rend(), [&](TokenId id) { return std::ranges::find(ends, id) != ends.end(); });
  if (last != ids.rend())
    end_ = *last;
  else if (tokenizer.eos())
    end_ = *tokenizer.eos();
  else
    fail(ErrorKind::unsupported, "training: neither the chat template nor the tokenizer has a token that ends a turn");
}

void ChatWriter::append(TrainingExample& example, std::string_view text) const {
  const std::vector<TokenId> ids = tokenizer_.encode(text);
  example.ids.insert(example.ids.end(), ids.begin(), ids.end());
  example.weights.insert(example.weights.end(), ids.size(), 1.0F);
}

void ChatWriter::append_reply(TrainingExample& example, std::string_view reply) const {
  const std::optional<TokenId> think = tokenizer_.special_id(kThink), end_think = tokenizer_.special_id(kEndThink);
  while (think && end_think && !reply.empty()) {
    const std::size_t open = reply.find(kThink), close = reply.find(kEndThink), at = std::min(open, close);
    if (at == std::string_view::npos) break;
    append(example, reply.substr(0, at));
    example.ids.push_back(open < close ? *think : *end_think);
    example.weights.push_back(1);
    reply.remove_prefix(at + (open < close ? kThink : kEndThink).size());
  }
  append(example, reply);
  example.ids.push_back(end_);
  example.weights.push_back(1);
}

TrainingExample ChatWriter::text(std::string_view text) const {
  TrainingExample example;
  if (tokenizer_.add_bos() && tokenizer_.bos()) example = {{*tokenizer_.bos()}, {0}};
  append(example, text);
  const std::optional<TokenId> end = tokenizer_.eos();
  example.ids.push_back(end ? *end : end_);
  example.weights.push_back(1);
  return example;
}

ChatPrompt ChatWriter::prompt_of(const Document& document, std::size_t messages, std::string_view reply) const {
  PromptRequest request;
  request.messages = OrderedJson::array();
  for (std::size_t i = 0; i < messages; ++i)
    request.messages.push_back(message(document.messages[i].role, document.messages[i].content));
  ChatPrompt prompt = builder_.build(request);
  if (!prompt.inside_thinking || reply.find(kEndThink) != std::string_view::npos) return prompt;
  request.thinking = Thinking::off;
  return builder_.build(request);
}

TrainingExample ChatWriter::document(const Document& document, float prompt_weight) const {
  if (document.messages.empty()) return text(document.text);
  TrainingExample example;
  for (std::size_t i = 0; i < document.messages.size(); ++i) {
    if (document.messages[i].role != "assistant") continue;
    std::string_view reply = document.messages[i].content;
    const ChatPrompt prompt = prompt_of(document, i, reply);
    if (!begins_with(prompt.ids, example.ids)) example = {};  // the template renders earlier turns otherwise now
    if (example.ids.empty()) example.weights.push_back(0);    // nothing stands before the first id
    example.ids = prompt.ids;
    example.weights.resize(prompt.ids.size(), prompt_weight);
    if (prompt.inside_thinking && reply.starts_with(kThink)) {
      reply.remove_prefix(kThink.size());
      if (reply.starts_with('\n')) reply.remove_prefix(1);
    }
    append_reply(example, reply);
  }
  return example;
}

TrainingExample ChatWriter::text_with_hole(std::string_view, Draw&) const {
  fail(ErrorKind::unsupported, "training: fim: text with holes is for models that are trained from nothing here");
}

}  // namespace limpid
