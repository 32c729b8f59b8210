// A model's configuration as each format says it: config.json as transformers has it, or GGUF's keys as llama.cpp reads
// them. Both come from ModelConfig, whatever the model was read from.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <vector>

#include "formats/gguf_writer.h"
#include "models/load.h"

namespace limpid {

// What configuration files say about tokens and sampling.
struct ExportAdvice {
  std::optional<std::int32_t> bos, pad;
  std::vector<std::int32_t> ends;  // ids that end a reply; the first is "the" end
  std::optional<float> temperature, top_p, repetition_penalty;
  std::optional<std::int32_t> top_k;
};

// bos and pad: the tokenizer's, where there is one.
ExportAdvice export_advice(const ModelFiles& files, std::optional<std::int32_t> bos, std::optional<std::int32_t> pad);

// config.json and generation_config.json. mtp: the layers of multi-token prediction are exported too. Throws
// Error(unsupported) naming the field that the format cannot say.
nlohmann::ordered_json config_json(const ModelFiles& files, const ExportAdvice& advice, DType type, bool mtp);
nlohmann::ordered_json generation_config_json(const ExportAdvice& advice);

// "general.*" and "<architecture>.*", but not the tokenizer's. Throws Error(unsupported) likewise.
void set_config_keys(GgufWriter& out, const ModelFiles& files, const ExportAdvice& advice, DType type, bool mtp);

// Llama 3's scaling as GGUF has it: rope_freqs.weight, one divisor for each pair; empty where the model has none.
std::vector<float> rope_divisors(const ModelConfig& config);

}  // namespace limpid
