// ModelConfig from config.json of transformers (formats/checkpoint.h brings its forms into one), and the checks that hold for every file.
#include <fmt/format.h>

#include <cmath>

#include "base/error.h"
#include "models/config.h"

namespace limpid {

namespace {

void read_scaling(const ConfigJson& j, const ModelConfig& c, RopeConfig& rope) {
  rope.base = j.get_or<double>("rope_theta", 10000.0);
  rope.original_context = c.context;
  if (!j.has("rope_scaling")) return;
  const std::string kind = j.get_or<std::string>("rope_scaling.rope_type", "default");
  if (kind == "default") return;
  rope.scaling = kind;
  rope.factor = j.get_or<double>("rope_scaling.factor", 1.0);
  rope.low_frequency = j.get_or<double>("rope_scaling.low_freq_factor", 1.0);
  rope.high_frequency = j.get_or<double>("rope_scaling.high_freq_factor", 4.0);
  rope.original_context = j.get_or<std::int32_t>("rope_scaling.original_max_position_embeddings", c.context);
  rope.beta_fast = j.get_or<double>("rope_scaling.beta_fast", 32.0);
  rope.beta_slow = j.get_or<double>("rope_scaling.beta_slow", 1.0);
  rope.mscale = j.get_or<double>("rope_scaling.mscale", 0.0);
  rope.mscale_all_dim = j.get_or<double>("rope_scaling.mscale_all_dim", 0.0);
  rope.attention_factor = j.get_or<double>("rope_scaling.attention_factor", 0.0);
}

void read_latent(const ConfigJson& j, ModelConfig& c) {
  const bool v2 = j.get<std::string>("model_type") == "deepseek_v2";
  c.q_rank = j.get_or<std::int32_t>("q_lora_rank", 0);
  c.kv_rank = j.get<std::int32_t>("kv_lora_rank");
  c.nope_dim = j.get<std::int32_t>("qk_nope_head_dim");
  c.rope_dim = j.get<std::int32_t>("qk_rope_head_dim");
  c.value_dim = j.get<std::int32_t>("v_head_dim");
  c.rope.dim = c.rope_dim;
  c.rope.interleaved = j.get_or<bool>("rope_interleave", true);
  c.dense_layers = j.get_or<std::int32_t>("first_k_dense_replace", 0);
  if (j.get_or<std::int32_t>("moe_layer_freq", 1) != 1)
    fail(ErrorKind::unsupported, "{}: moe_layer_freq is {}, expected 1", j.name(), j.get<std::int32_t>("moe_layer_freq"));
  c.experts = j.get_or<std::int32_t>("n_routed_experts", 0);
  c.experts_chosen = j.get_or<std::int32_t>("num_experts_per_tok", 0);
  c.expert_width = j.get_or<std::int32_t>("moe_intermediate_size", 0);
  c.shared_experts = j.get_or<std::int32_t>("n_shared_experts", 0);
  c.expert_groups = j.get_or<std::int32_t>("n_group", 1);
  c.expert_groups_kept = j.get_or<std::int32_t>("topk_group", c.expert_groups);
  const std::string method = j.get_or<std::string>("topk_method", v2 ? "greedy" : "noaux_tc");
  if (method == "greedy") c.expert_groups = c.expert_groups_kept = 1;
  const std::string score = j.get_or<std::string>("scoring_func", v2 ? "softmax" : "sigmoid");
  if (score != "sigmoid" && score != "softmax") fail(ErrorKind::unsupported, "{}: scoring_func is '{}', expected sigmoid or softmax", j.name(), score);
  c.score = score == "sigmoid" ? Gate::Score::sigmoid : Gate::Score::softmax;
  c.gate_bias = method == "noaux_tc";
  c.gate_group_top2 = method == "noaux_tc";
  c.gate_normalise = j.get_or<bool>("norm_topk_prob", !v2);
  c.routed_scale = j.get_or<float>("routed_scaling_factor", 1.0F);
  c.mtp_layers = j.get_or<std::int32_t>("num_nextn_predict_layers", 0);
}

}  // namespace

ModelConfig config_from_checkpoint(const Checkpoint& checkpoint) {
  const ConfigJson& j = checkpoint.config();
  const std::string type = j.get<std::string>("model_type");
  const bool latent = type == "deepseek_v3" || type == "deepseek_v2" || type == "kimi_k2";
  if (!latent && type != "llama" && type != "qwen2")
    fail(ErrorKind::unsupported, "{}: model_type is '{}', expected llama, qwen2, deepseek_v2, deepseek_v3 or kimi_k2", j.name(), type);
  if (const std::string act = j.get_or<std::string>("hidden_act", "silu"); act != "silu")
    fail(ErrorKind::unsupported, "{}: hidden_act is '{}', expected silu", j.name(), act);
  ModelConfig c;
  c.architecture = latent ? "deepseek_v3" : type;
  c.name = j.get_or<std::string>("_name_or_path", "");
  c.vocabulary = j.get<std::int32_t>("vocab_size");
  c.width = j.get<std::int32_t>("hidden_size");
  c.layers = j.get<std::int32_t>("num_hidden_layers");
  c.context = j.get_or<std::int32_t>("max_position_embeddings", 2048);
  c.heads = j.get<std::int32_t>("num_attention_heads");
  c.feed_forward = j.get<std::int32_t>("intermediate_size");
  c.norm_eps = j.get_or<float>("rms_norm_eps", 1e-6F);
  c.tied_embeddings = j.get_or<bool>("tie_word_embeddings", false);
  if (j.get_or<bool>("use_sliding_window", false)) fail(ErrorKind::unsupported, "{}: use_sliding_window is true, expected false", j.name());
  if (latent) {
    read_latent(j, c);
  } else {
    c.kv_heads = j.get_or<std::int32_t>("num_key_value_heads", c.heads);
    c.head_dim = j.get_or<std::int32_t>("head_dim", c.heads > 0 ? c.width / c.heads : 0);
    c.rope.dim = c.head_dim;
    c.qkv_bias = type == "qwen2" || j.get_or<bool>("attention_bias", false);
    c.output_bias = type == "llama" && j.get_or<bool>("attention_bias", false);
    c.mlp_bias = j.get_or<bool>("mlp_bias", false);
  }
  read_scaling(j, c, c.rope);
  check(c, j.name());
  return c;
}

namespace {

struct Range {
  std::string_view field;
  std::int64_t value, least, most;
};

}  // namespace

void check(const ModelConfig& c, const std::string& file) {
  constexpr std::int64_t kMost = 1 << 24;
  std::vector<Range> ranges = {{"vocabulary", c.vocabulary, 1, kMost}, {"width", c.width, 1, kMost},          {"layers", c.layers, 1, 4096},
                               {"context", c.context, 1, kMost * 8},   {"heads", c.heads, 1, 65536},         {"feed-forward width", c.feed_forward, 1, kMost},
                               {"RoPE dimensions", c.rope.dim, 2, 65536}};
  if (c.kv_rank > 0 || c.architecture == "deepseek_v3") {
    const std::vector<Range> latent = {{"query rank", c.q_rank, 0, kMost},
                                       {"key and value rank", c.kv_rank, 1, kMost},
                                       {"key dimensions without position", c.nope_dim, 1, 65536},
                                       {"RoPE key dimensions", c.rope_dim, 2, 65536},
                                       {"value dimensions", c.value_dim, 1, 65536},
                                       {"experts", c.experts, 0, 65536},
                                       {"dense layers", c.dense_layers, 0, c.layers},
                                       {"MTP layers", c.mtp_layers, 0, 64}};
    ranges.insert(ranges.end(), latent.begin(), latent.end());
    if (c.experts > 0) {
      const std::vector<Range> moe = {{"experts chosen", c.experts_chosen, 1, c.experts},
                                      {"expert width", c.expert_width, 1, kMost},
                                      {"shared experts", c.shared_experts, 0, 1024},
                                      {"expert groups", c.expert_groups, 1, c.experts},
                                      {"expert groups kept", c.expert_groups_kept, 1, c.expert_groups}};
      ranges.insert(ranges.end(), moe.begin(), moe.end());
    }
  } else {
    ranges.push_back({"key and value heads", c.kv_heads, 1, c.heads});
    ranges.push_back({"head dimensions", c.head_dim, 1, 65536});
  }
  for (const Range& r : ranges)
    if (r.value < r.least || r.value > r.most) fail(ErrorKind::input, "{}: {} is {}, expected {} to {}", file, r.field, r.value, r.least, r.most);
  if (c.kv_rank == 0 && c.heads % c.kv_heads != 0)
    fail(ErrorKind::input, "{}: {} heads cannot share {} key and value heads evenly", file, c.heads, c.kv_heads);
  if (c.experts > 0 && c.experts % c.expert_groups != 0)
    fail(ErrorKind::input, "{}: {} experts cannot be cut into {} groups", file, c.experts, c.expert_groups);
  if (c.rope.dim % 2 != 0) fail(ErrorKind::input, "{}: {} RoPE dimensions, expected an even number", file, c.rope.dim);
  if (!(c.norm_eps >= 0) || !std::isfinite(c.rope.base) || c.rope.base <= 0 || !(c.rope.factor > 0))
    fail(ErrorKind::input, "{}: norm epsilon {}, RoPE base {} and factor {}: expected positive numbers", file, c.norm_eps, c.rope.base, c.rope.factor);
}

}  // namespace limpid
