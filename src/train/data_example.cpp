#include "train/data_example.h"

#include <algorithm>

#include "base/error.h"

namespace limpid {

namespace {

constexpr std::string_view kThinkOpens = "<think>", kThinkCloses = "</think>";

TokenId mark(const Tokenizer& tokenizer, std::string_view text) {
  const std::optional<TokenId> id = tokenizer.special_id(text);
  if (!id) fail(ErrorKind::input, "training: the tokenizer has no token {}", text);
  return *id;
}

}  // namespace

ExampleWriter::ExampleWriter(const Tokenizer& tokenizer)
    : tokenizer_(tokenizer),
      bos_(mark(tokenizer, "<｜begin▁of▁sentence｜>")),
      eos_(mark(tokenizer, "<｜end▁of▁sentence｜>")),
      user_(mark(tokenizer, "<｜User｜>")),
      assistant_(mark(tokenizer, "<｜Assistant｜>")),
      think_(mark(tokenizer, kThinkOpens)),
      end_think_(mark(tokenizer, kThinkCloses)),
      hole_(mark(tokenizer, "<｜fim▁hole｜>")),
      begin_(mark(tokenizer, "<｜fim▁begin｜>")),
      end_(mark(tokenizer, "<｜fim▁end｜>")) {}

void ExampleWriter::append_id(TrainingExample& example, TokenId id, float weight) {
  example.ids.push_back(id);
  example.weights.push_back(weight);
}

void ExampleWriter::append(TrainingExample& example, std::string_view text, float weight) const {
  for (const TokenId id : tokenizer_.encode(text)) append_id(example, id, weight);
}

void ExampleWriter::append_reply(TrainingExample& example, std::string_view reply, float weight) const {
  while (!reply.empty()) {
    const std::size_t open = reply.find(kThinkOpens), close = reply.find(kThinkCloses), at = std::min(open, close);
    append(example, reply.substr(0, at), weight);
    if (at == std::string_view::npos) return;
    append_id(example, open < close ? think_ : end_think_, weight);
    reply.remove_prefix(at + (open < close ? kThinkOpens : kThinkCloses).size());
  }
}

std::vector<TokenId> ExampleWriter::prompt(std::string_view prompt) const {
  std::vector<TokenId> ids = {bos_, user_};
  const std::vector<TokenId> text = tokenizer_.encode(prompt);
  ids.insert(ids.end(), text.begin(), text.end());
  ids.push_back(assistant_);
  return ids;
}

TrainingExample DocumentWriter::reply(std::string_view prompt, std::string_view reply, float prompt_weight) const {
  return document({"", {{"user", std::string(prompt)}, {"assistant", std::string(reply)}}}, prompt_weight);
}

TrainingExample ExampleWriter::text(std::string_view text) const {
  TrainingExample example;
  append_id(example, bos_, 0);
  append(example, text, 1);
  append_id(example, eos_, 1);
  return example;
}

TrainingExample ExampleWriter::text_with_hole(std::string_view text, Draw& draw) const {
  const auto cut = [&] {
    std::size_t at = draw.below(static_cast<std::uint32_t>(std::min<std::size_t>(text.size(), 0xFFFFFFFE)) + 1);
    while (at < text.size() && (text[at] & 0xC0) == 0x80) ++at;
    return at;
  };
  const std::size_t a = cut(), b = cut(), first = std::min(a, b), last = std::max(a, b);
  TrainingExample example;
  append_id(example, bos_, 0);
  append_id(example, begin_, 1);
  append(example, text.substr(0, first), 1);
  append_id(example, hole_, 1);
  append(example, text.substr(last), 1);
  append_id(example, end_, 1);
  append(example, text.substr(first, last - first), 1);
  append_id(example, eos_, 1);
  return example;
}

TrainingExample ExampleWriter::document(const Document& document, float prompt_weight) const {
  if (document.messages.empty()) return text(document.text);
  TrainingExample example;
  append_id(example, bos_, 0);
  for (const Message& message : document.messages) {
    if (message.role == "assistant") {
      append_id(example, assistant_, prompt_weight);
      append_reply(example, message.content, 1);
      append_id(example, eos_, 1);
    } else {
      if (message.role == "user") append_id(example, user_, prompt_weight);
      append(example, message.content, prompt_weight);
    }
  }
  return example;
}

}  // namespace limpid
