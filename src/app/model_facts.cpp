#include "app/model_facts.h"

#include <algorithm>
#include <charconv>
#include <map>

namespace limpid {

namespace {

// N of "blk.N." or "model.layers.N."; -1 for what belongs to no layer.
int layer_of(std::string_view name) {
  for (const std::string_view prefix : {"blk.", "model.layers."}) {
    if (!name.starts_with(prefix)) continue;
    int layer = -1;
    std::from_chars(name.data() + prefix.size(), name.data() + name.size(), layer);
    return layer;
  }
  return -1;
}

bool is_expert(std::string_view name) {
  return name.find("_exps.") != std::string_view::npos || name.find(".mlp.experts.") != std::string_view::npos;
}

bool is_embedding(std::string_view name) { return name == "token_embd.weight" || name == "model.embed_tokens.weight"; }

bool is_table(std::string_view name) {
  return name == "rope_freqs.weight" || name.find(".rotary_emb.") != std::string_view::npos;
}

}  // namespace

ModelFacts count_model(const ModelFiles& files) {
  const ModelConfig& config = files.config();
  ModelFacts facts;
  std::map<DType, TypeFacts> types;
  for (const Weight& weight : files.weights().weights()) {
    const std::uint64_t bytes = weight.data.size() + weight.scales.size() * sizeof(float);
    TypeFacts& type = types[weight.type];
    type.type = weight.type;
    ++type.tensors;
    type.values += weight.values();
    type.bytes += bytes;
    facts.bytes += bytes;
    if (is_table(weight.name)) continue;
    if (config.tied_embeddings && weight.name == "lm_head.weight") continue;  // a copy
    if (layer_of(weight.name) >= config.layers) {
      facts.mtp_parameters += weight.values();
      continue;
    }
    facts.parameters += weight.values();
    const bool routed = config.experts > 0 && is_expert(weight.name);
    const auto of_token = [&](std::uint64_t n) {
      return routed ? n * static_cast<std::uint64_t>(config.experts_chosen) / static_cast<std::uint64_t>(config.experts)
                    : n;
    };
    const std::uint64_t active = of_token(static_cast<std::uint64_t>(weight.values()));
    facts.active_parameters += static_cast<std::int64_t>(active);
    if (is_embedding(weight.name) && !config.tied_embeddings) continue;
    facts.file_bytes_ += of_token(bytes);
    facts.exact_bytes_ += active * sizeof(float);
  }
  for (const auto& [key, type] : types) facts.types.push_back(type);
  std::stable_sort(facts.types.begin(), facts.types.end(),
                   [](const TypeFacts& a, const TypeFacts& b) { return a.bytes > b.bytes; });
  return facts;
}

DType main_type(const ModelFacts& facts) { return facts.types.empty() ? DType::f32 : facts.types.front().type; }

}  // namespace limpid
