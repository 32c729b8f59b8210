// ModelConfig: what a forward needs to know about a model, in one form for every file format. A variation is a field here, never a guess from
// which tensors exist. Read from GGUF metadata or config.json by config_gguf.cpp and config_json.cpp.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "formats/checkpoint.h"
#include "formats/gguf.h"
#include "nn/rope.h"
#include "ops/moe.h"

namespace limpid {

struct ModelConfig {
  std::string architecture;  // "llama", "qwen2", "deepseek_v3" (DeepSeek-V2, V3, R1, Moonlight, Kimi K2)
  std::string name;          // as the file calls itself; may be empty
  int vocabulary = 0, width = 0, layers = 0, context = 0;
  int heads = 0, kv_heads = 0, head_dim = 0;  // grouped-query attention
  int feed_forward = 0;
  float norm_eps = 1e-6F;
  bool tied_embeddings = false;
  bool qkv_bias = false, output_bias = false, mlp_bias = false;
  RopeConfig rope;

  // deepseek_v3
  int q_rank = 0;  // 0: no compression of the query
  int kv_rank = 0, nope_dim = 0, rope_dim = 0, value_dim = 0;
  int dense_layers = 0;  // the first layers have a plain MLP
  int experts = 0, experts_chosen = 0, expert_width = 0, shared_experts = 0;
  int expert_groups = 1, expert_groups_kept = 1;
  Gate::Score score = Gate::Score::sigmoid;
  bool gate_bias = true, gate_group_top2 = true, gate_normalise = true;
  float routed_scale = 1.0F;
  int mtp_layers = 0;  // multi-token prediction layers, after the main ones
  // The file repeats the embedding and the vocabulary matrix for them (published files do). Set by the tensors that are there (models/load.cpp).
  bool mtp_own_embedding = false, mtp_own_head = false;
};

// Both throw Error(input | unsupported) naming the file, the key, what was expected and what was found.
ModelConfig config_from_gguf(const GgufFile& file);
ModelConfig config_from_checkpoint(const Checkpoint& checkpoint);
// Refuses numbers that do not fit together, before anything is multiplied or divided by them. Called by both. gguf_prefix: of the keys that errors name;
// "" for config.json's.
void check(const ModelConfig& config, const std::string& file, std::string_view gguf_prefix);
// Of all that the answers depend on.
std::uint64_t hash_of(const ModelConfig& config);

}  // namespace limpid
