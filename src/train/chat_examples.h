// ChatWriter: documents as the model's own chat template renders them (chat/prompt.h), so that a model is trained on what
// it reads and writes when it is used: the prompt's ids are those that generation starts from, then the reply's, then the
// token that ends a turn. <think> and </think> in a reply are the model's tokens of these names, where it has them.
//
// Of a conversation every reply counts, as long as the template renders what stands before it as it was then; where it
// renders it otherwise (it leaves out the thinking of earlier turns), the example begins again there and only later
// replies count. A template that opens <think> by itself: the reply begins behind it; a reply without thinking then
// stands behind a closed, empty one.
//
// Plain text: BOS where the model's prompts have it, the text, EOS.
#pragma once

#include "chat/prompt.h"
#include "train/data_example.h"

namespace limpid {

class ChatWriter final : public DocumentWriter {
 public:
  // The source of the template; empty: the standard one for the tokenizer. The tokenizer must outlive it. Throws
  // Error(input) for a wrong template, Error(unsupported) where no token ends a turn.
  ChatWriter(const Tokenizer& tokenizer, const std::string& chat_template);

  TrainingExample document(const Document& document, float prompt_weight) const override;
  // Not supported: a published model's marks for holes, if it has any, are its own.
  TrainingExample text_with_hole(std::string_view text, Draw& draw) const override;

  TokenId end_of_turn() const { return end_; }

 private:
  TrainingExample text(std::string_view text) const;
  ChatPrompt prompt_of(const Document& document, std::size_t messages, std::string_view reply) const;
  void append_reply(TrainingExample& example, std::string_view reply) const;
  void append(TrainingExample& example, std::string_view text) const;

  const Tokenizer& tokenizer_;
  const PromptBuilder builder_;
  TokenId end_ = 0;
};

}  // namespace limpid
