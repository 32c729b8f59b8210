// Training examples: ids and how much each counts in the loss.
//   a reply     BOS <|User|> prompt <|Assistant|> reply EOS
//   a text      BOS text EOS
//   with a hole BOS <|fim begin|> before <|fim hole|> after <|fim end|> middle EOS      (prefix, suffix, middle)
// Marks in text that others wrote stay text, but for <think> and </think> in a reply.
#pragma once

#include <string_view>
#include <vector>

#include "text/tokenizer.h"
#include "train/data_draw.h"
#include "train/data_files.h"

namespace limpid {

struct TrainingExample {
  std::vector<TokenId> ids;
  std::vector<float> weights;  // (ids.size()); weights[i] is of predicting ids[i] from those before it; BOS has 0
};

// How documents become examples. Immutable; any thread.
class DocumentWriter {
 public:
  virtual ~DocumentWriter() = default;
  // What the document holds; everything but the assistant's messages has prompt_weight.
  virtual TrainingExample document(const Document& document, float prompt_weight) const = 0;
  // Cut at two characters that draw chooses. Throws Error(unsupported) where the tokenizer has no marks for it.
  virtual TrainingExample text_with_hole(std::string_view text, Draw& draw) const = 0;
  TrainingExample reply(std::string_view prompt, std::string_view reply, float prompt_weight) const;
};

// As models are trained from nothing here. Throws Error(input) naming the mark that it lacks.
class ExampleWriter final : public DocumentWriter {
 public:
  explicit ExampleWriter(const Tokenizer& tokenizer);  // which must outlive it

  // The prompt's ids, as generation starts from them: BOS <|User|> prompt <|Assistant|>.
  std::vector<TokenId> prompt(std::string_view prompt) const;
  TrainingExample text(std::string_view text) const;
  TrainingExample text_with_hole(std::string_view text, Draw& draw) const override;
  TrainingExample document(const Document& document, float prompt_weight) const override;

 private:
  void append(TrainingExample& example, std::string_view text, float weight) const;
  void append_reply(TrainingExample& example, std::string_view reply, float weight) const;
  static void append_id(TrainingExample& example, TokenId id, float weight);

  const Tokenizer& tokenizer_;
  TokenId bos_, eos_, user_, assistant_, think_, end_think_, hole_, begin_, end_;
};

}  // namespace limpid
