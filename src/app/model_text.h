// The tokenizer and the chat template of a MODEL, without its weights and whatever its architecture: what `tokenize`,
// `detokenize` and `render` need.
#pragma once

#include <string>

#include "text/tokenizer.h"

namespace limpid {

struct ModelText {
  Tokenizer tokenizer;
  std::string chat_template;  // "" when the files have none
};

// MODEL as every command takes it, or a tokenizer.json, or a directory that holds one. Throws Error(not_found | input |
// unsupported).
ModelText find_model_text(const std::string& model);

// Without a template of its own a model gets the one that its special tokens suggest (ChatTemplate::standard); standard
// error says so, since the answers may be bad for it.
void say_if_no_template(const std::string& chat_template);

}  // namespace limpid
