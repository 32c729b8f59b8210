// ModelConfig from config.json of transformers (formats/checkpoint.h brings its forms into one).
#include <fmt/format.h>

#include "base/error.h"
#include "models/config.h"
#include "models/config_limits.h"

namespace limpid {

namespace {

int integer(const ConfigJson& j, std::string_view key, const IntegerRange& range) {
  const auto value = j.get<std::int64_t>(key);
  if (value >= range.least && value <= range.most) return static_cast<int>(value);
  fail(ErrorKind::input, "{}: key '{}': expected an integer from {} to {}, found {}", j.name(), key, range.least,
       range.most, value);
}

int integer_or(const ConfigJson& j, std::string_view key, int otherwise, const IntegerRange& range) {
  return j.has(key) ? integer(j, key, range) : otherwise;
}

double real_or(const ConfigJson& j, std::string_view key, double otherwise, const RealRange& range) {
  const double value = j.get_or<double>(key, otherwise);
  if (value >= range.least && value <= range.most) return value;
  fail(ErrorKind::input, "{}: key '{}': expected a number from {} to {}, found {}", j.name(), key, range.least,
       range.most, value);
}

void read_scaling(const ConfigJson& j, const ModelConfig& c, RopeConfig& rope) {
  rope.base = real_or(j, "rope_theta", 10000.0, limits::kRopeBase);
  rope.original_context = c.context;
  if (!j.has("rope_scaling")) return;
  const std::string kind = j.get_or<std::string>("rope_scaling.rope_type", "default");
  if (kind == "default") return;
  rope.scaling = kind;
  rope.factor = real_or(j, "rope_scaling.factor", 1.0, limits::kFactor);
  rope.low_frequency = real_or(j, "rope_scaling.low_freq_factor", 1.0, limits::kFactor);
  rope.high_frequency = real_or(j, "rope_scaling.high_freq_factor", 4.0, limits::kFactor);
  rope.original_context = integer_or(j, "rope_scaling.original_max_position_embeddings", c.context, limits::kContext);
  rope.beta_fast = real_or(j, "rope_scaling.beta_fast", 32.0, limits::kFactor);
  rope.beta_slow = real_or(j, "rope_scaling.beta_slow", 1.0, limits::kFactor);
  rope.mscale = real_or(j, "rope_scaling.mscale", 0.0, limits::kTemperature);
  rope.mscale_all_dim = real_or(j, "rope_scaling.mscale_all_dim", 0.0, limits::kTemperature);
  rope.attention_factor = real_or(j, "rope_scaling.attention_factor", 0.0, limits::kTemperature);
}

void read_latent(const ConfigJson& j, ModelConfig& c) {
  const bool v2 = j.get<std::string>("model_type") == "deepseek_v2";
  c.q_rank = integer_or(j, "q_lora_rank", 0, limits::kOptionalWidth);
  c.kv_rank = integer(j, "kv_lora_rank", limits::kWidth);
  c.nope_dim = integer(j, "qk_nope_head_dim", limits::kHeadDim);
  c.rope_dim = integer(j, "qk_rope_head_dim", limits::kRopeDim);
  c.value_dim = integer(j, "v_head_dim", limits::kHeadDim);
  c.rope.dim = c.rope_dim;
  c.rope.interleaved = j.get_or<bool>("rope_interleave", true);
  c.dense_layers = integer_or(j, "first_k_dense_replace", 0, limits::kSomeLayers);
  if (j.get_or<std::int64_t>("moe_layer_freq", 1) != 1)
    fail(ErrorKind::unsupported, "{}: key 'moe_layer_freq': expected 1, found {}", j.name(),
         j.get<std::int64_t>("moe_layer_freq"));
  c.experts = integer_or(j, "n_routed_experts", 0, limits::kExperts);
  c.experts_chosen = integer_or(j, "num_experts_per_tok", 0, limits::kExperts);
  c.expert_width = integer_or(j, "moe_intermediate_size", 0, limits::kOptionalWidth);
  c.shared_experts = integer_or(j, "n_shared_experts", 0, limits::kSharedExperts);
  c.expert_groups = integer_or(j, "n_group", 1, limits::kExperts);
  c.expert_groups_kept = integer_or(j, "topk_group", c.expert_groups, limits::kExperts);
  const std::string method = j.get_or<std::string>("topk_method", v2 ? "greedy" : "noaux_tc");
  if (method == "greedy") c.expert_groups = c.expert_groups_kept = 1;
  const std::string score = j.get_or<std::string>("scoring_func", v2 ? "softmax" : "sigmoid");
  if (score != "sigmoid" && score != "softmax")
    fail(ErrorKind::unsupported, "{}: scoring_func is '{}', expected sigmoid or softmax", j.name(), score);
  c.score = score == "sigmoid" ? Gate::Score::sigmoid : Gate::Score::softmax;
  c.gate_bias = method == "noaux_tc";
  c.gate_group_top2 = method == "noaux_tc";
  c.gate_normalise = j.get_or<bool>("norm_topk_prob", !v2);
  c.routed_scale = static_cast<float>(real_or(j, "routed_scaling_factor", 1.0, limits::kFactor));
  c.mtp_layers = integer_or(j, "num_nextn_predict_layers", 0, limits::kMtpLayers);
}

}  // namespace

ModelConfig config_from_checkpoint(const Checkpoint& checkpoint) {
  const ConfigJson& j = checkpoint.config();
  const std::string type = j.get<std::string>("model_type");
  const bool latent = type == "deepseek_v3" || type == "deepseek_v2" || type == "kimi_k2";
  if (!latent && type != "llama" && type != "qwen2")
    fail(ErrorKind::unsupported, "{}: model_type is '{}', expected llama, qwen2, deepseek_v2, deepseek_v3 or kimi_k2",
         j.name(), type);
  if (const std::string act = j.get_or<std::string>("hidden_act", "silu"); act != "silu")
    fail(ErrorKind::unsupported, "{}: hidden_act is '{}', expected silu", j.name(), act);
  ModelConfig c;
  c.architecture = latent ? "deepseek_v3" : type;
  c.name = j.get_or<std::string>("_name_or_path", "");
  c.vocabulary = integer(j, "vocab_size", limits::kWidth);
  c.width = integer(j, "hidden_size", limits::kWidth);
  c.layers = integer(j, "num_hidden_layers", limits::kLayers);
  c.context = integer_or(j, "max_position_embeddings", 2048, limits::kContext);
  c.heads = integer(j, "num_attention_heads", limits::kHeads);
  c.feed_forward = integer(j, "intermediate_size", limits::kWidth);
  c.norm_eps = static_cast<float>(real_or(j, "rms_norm_eps", 1e-6, limits::kEpsilon));
  c.tied_embeddings = j.get_or<bool>("tie_word_embeddings", false);
  if (j.get_or<bool>("use_sliding_window", false))
    fail(ErrorKind::unsupported, "{}: use_sliding_window is true, expected false", j.name());
  if (latent) {
    if (j.get_or<bool>("attention_bias", false))
      fail(ErrorKind::unsupported, "{}: attention_bias is true, expected false for {}", j.name(), type);
    read_latent(j, c);
  } else {
    c.kv_heads = integer_or(j, "num_key_value_heads", c.heads, limits::kHeads);
    c.head_dim = integer_or(j, "head_dim", c.width / c.heads, limits::kHeadDim);
    c.rope.dim = c.head_dim;
    c.qkv_bias = type == "qwen2" || j.get_or<bool>("attention_bias", false);
    c.output_bias = type == "llama" && j.get_or<bool>("attention_bias", false);
    c.mlp_bias = j.get_or<bool>("mlp_bias", false);
  }
  read_scaling(j, c, c.rope);
  check(c, j.name(), "");
  return c;
}

}  // namespace limpid
