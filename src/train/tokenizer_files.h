// A trained tokenizer as files: tokenizer.json and tokenizer_config.json as Hugging Face reads them, and the keys of a
// GGUF with the rule that llama.cpp calls deepseek-v3.
#pragma once

#include <string>

#include "train/tokenizer_trainer.h"

namespace limpid {

class GgufWriter;

// Byte-identical for equal tokenizers. Pieces are cut by V3's expressions, digits one by one instead of up to three.
std::string tokenizer_json(const TrainedTokenizer& tokenizer);

// BOS, EOS, padding, and a chat template in R1's form: <|User|>, the message, <|Assistant|>, the reply, end of sentence;
// thinking of earlier turns left out. enable_thinking = true opens <think>, false gives a closed, empty one; not given,
// the model decides for itself.
std::string tokenizer_config_json(const TrainedTokenizer& tokenizer);

// Writes both into a directory, which is made. Each file appears whole. Throws as AtomicFile does.
void write_tokenizer(const TrainedTokenizer& tokenizer, const std::string& directory);

// Sets tokenizer.ggml.* and tokenizer.chat_template.
void set_tokenizer_keys(GgufWriter& out, const TrainedTokenizer& tokenizer);

}  // namespace limpid
