// ModelConfig: what a forward needs to know about a model, in one form for every file format. A variation is a field here, never a guess from
// which tensors exist. Read from GGUF metadata or config.json by config.cpp.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ops/moe.h"

namespace limpid {

struct RopeConfig {
  float base = 10000.0F;
  int dim = 0;                // values of a head that rotate
  bool interleaved = false;   // pairs (2i, 2i + 1), else halves (i, i + dim / 2)
  std::string scaling;        // "", "linear", "llama3", "yarn"
  double factor = 1.0;
  double low_frequency = 1.0, high_frequency = 4.0;   // llama3
  int original_context = 0;                           // llama3, yarn
  double beta_fast = 32.0, beta_slow = 1.0;           // yarn
  double mscale = 1.0, mscale_all_dim = 0.0;          // yarn, DeepSeek's form
  double attention_factor = 0.0;                      // yarn: given by the file, else 0
};

struct ModelConfig {
  std::string architecture;   // "llama", "qwen2", "deepseek_v3" (DeepSeek-V2, V3, R1, Moonlight, Kimi K2)
  std::string name;           // as the file calls itself; may be empty
  int vocabulary = 0, width = 0, layers = 0, context = 0;
  int heads = 0, kv_heads = 0, head_dim = 0;   // grouped-query attention
  int feed_forward = 0;
  float norm_eps = 1e-6F;
  bool tied_embeddings = false;
  bool qkv_bias = false, output_bias = false, mlp_bias = false;
  RopeConfig rope;

  // deepseek_v3
  int q_rank = 0;             // 0: no compression of the query
  int kv_rank = 0, nope_dim = 0, rope_dim = 0, value_dim = 0;
  int dense_layers = 0;       // the first layers have a plain MLP
  int experts = 0, experts_chosen = 0, expert_width = 0, shared_experts = 0;
  int expert_groups = 1, expert_groups_kept = 1;
  Gate::Score score = Gate::Score::sigmoid;
  bool gate_bias = true, gate_group_top2 = true, gate_normalise = true;
  float routed_scale = 1.0F;
  int mtp_layers = 0;         // multi-token prediction layers in the file, after the main ones
};

}  // namespace limpid
