// A tokenizer in the other format: tokenizer.json into GGUF's keys and back. Byte-level BPE by the published splitting
// rules (GPT-2, Llama 3, Qwen2, DeepSeek, SmolLM2, Kimi-K2); SentencePiece is refused.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "formats/gguf_writer.h"
#include "text/tokenizer_spec.h"

namespace limpid {

// tokenizer.ggml.*, with `vocabulary` entries: those of the model's rows that are no token are unused ones. Digits cut
// one by one count as DeepSeek-V3's rule where no token holds two of them: the ids are the same. Throws Error(input |
// unsupported) naming what GGUF cannot say.
void set_tokenizer_keys(GgufWriter& out, const TokenizerSpec& spec, int vocabulary, const std::string& chat_template);

// tokenizer.json and tokenizer_config.json of a GGUF's tokenizer (tokenizer.ggml.pre is `pre`), with the same ids in
// Hugging Face's tokenizers.
nlohmann::ordered_json tokenizer_json_of(const TokenizerSpec& spec, const std::string& pre);
nlohmann::ordered_json tokenizer_config_json_of(const TokenizerSpec& spec, const std::string& chat_template);

}  // namespace limpid
