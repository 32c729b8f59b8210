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

}  // namespace limpid
