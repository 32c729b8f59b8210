// Sources: transformers' configurations of llama, qwen2, deepseek_v2 and deepseek_v3; gguf-py's constants and what
// llama.cpp's loaders of the same architectures ask for.
#include "convert/export_config.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace limpid {

namespace {

using Json = nlohmann::ordered_json;

template <typename T>
std::optional<T> advised(const ModelFiles& files, const char* json_key, const char* gguf_key) {
  if (files.checkpoint() != nullptr) return files.checkpoint()->generation_config().find<T>(json_key);
  return files.gguf()->find<T>(gguf_key);
}

// Floats as people wrote them: 0.1, not 0.10000000149.
double plain(float value) { return std::stod(fmt::format("{}", value)); }

// A GGUF keeps what llama3's scaling makes of the frequencies, not its four numbers: the published ones are tried.
RopeConfig llama3_of(const ModelConfig& c, const std::string& file) {
  constexpr std::array kFactors = {8.0, 32.0};  // Llama 3.1 and 3.3, Llama 3.2
  for (const double factor : kFactors) {
    RopeConfig rope = c.rope;
    rope.frequency_divisors.clear();
    rope.scaling = "llama3";
    rope.factor = factor, rope.low_frequency = 1.0, rope.high_frequency = 4.0, rope.original_context = 8192;
    ModelConfig like = c;
    like.rope = rope;
    const std::vector<float> divisors = rope_divisors(like);
    bool equal = true;
    for (std::size_t i = 0; i < divisors.size(); ++i)
      equal &= std::abs(divisors[i] - c.rope.frequency_divisors[i]) <= 1e-3F * divisors[i];
    if (equal) return rope;
  }
  fail(ErrorKind::unsupported,
       "{}: rope_freqs.weight is not that of Llama 3's published scalings, which is all that config.json can say of it",
       file);
}

void add_rope(Json& out, const ModelConfig& c, const std::string& file) {
  const RopeConfig rope = c.rope.frequency_divisors.empty() ? c.rope : llama3_of(c, file);
  out["rope_theta"] = rope.base;
  if (rope.scaling.empty()) return;
  Json& scaling = out["rope_scaling"] = {{"rope_type", rope.scaling}, {"factor", rope.factor}};
  if (rope.scaling == "llama3") {
    scaling["low_freq_factor"] = rope.low_frequency;
    scaling["high_freq_factor"] = rope.high_frequency;
    scaling["original_max_position_embeddings"] = rope.original_context;
  } else if (rope.scaling == "yarn") {
    scaling["original_max_position_embeddings"] = rope.original_context;
    scaling["beta_fast"] = rope.beta_fast;
    scaling["beta_slow"] = rope.beta_slow;
    if (rope.mscale > 0) scaling["mscale"] = plain(static_cast<float>(rope.mscale));
    if (rope.mscale_all_dim > 0) scaling["mscale_all_dim"] = plain(static_cast<float>(rope.mscale_all_dim));
    if (rope.attention_factor > 0) scaling["attention_factor"] = rope.attention_factor;
  }
}

void add_latent(Json& out, const ModelConfig& c, const std::string& file, bool mtp) {
  const bool v3 = c.score == Gate::Score::sigmoid;
  if (v3 != c.gate_bias && c.experts > 0)
    fail(ErrorKind::unsupported, "{}: a {} gate {} a bias, which transformers has no configuration for", file,
         v3 ? "sigmoid" : "softmax", c.gate_bias ? "with" : "without");
  out["q_lora_rank"] = c.q_rank > 0 ? Json(c.q_rank) : Json(nullptr);
  out["kv_lora_rank"] = c.kv_rank;
  out["qk_nope_head_dim"] = c.nope_dim;
  out["qk_rope_head_dim"] = c.rope_dim;
  out["v_head_dim"] = c.value_dim;
  out["num_key_value_heads"] = c.heads;
  out["attention_bias"] = false;
  if (v3) out["rope_interleave"] = c.rope.interleaved;
  // Without experts every layer is dense.
  out["first_k_dense_replace"] = c.experts > 0 ? c.dense_layers : c.layers;
  out["n_routed_experts"] = c.experts > 0 ? Json(c.experts) : Json(nullptr);
  out["n_shared_experts"] = c.experts > 0 ? Json(c.shared_experts) : Json(nullptr);
  out["num_experts_per_tok"] = c.experts > 0 ? Json(c.experts_chosen) : Json(nullptr);
  if (c.experts > 0) out["moe_intermediate_size"] = c.expert_width;
  out["moe_layer_freq"] = 1;
  out["n_group"] = c.expert_groups;
  out["topk_group"] = c.expert_groups_kept;
  out["topk_method"] = v3 ? "noaux_tc" : c.expert_groups > 1 ? "group_limited_greedy" : "greedy";
  out["scoring_func"] = v3 ? "sigmoid" : "softmax";
  out["norm_topk_prob"] = c.gate_normalise;
  out["routed_scaling_factor"] = plain(c.routed_scale);
  if (v3) out["num_nextn_predict_layers"] = mtp ? c.mtp_layers : 0;
}

void add_grouped(Json& out, const ModelConfig& c, const std::string& file) {
  out["num_key_value_heads"] = c.kv_heads;
  if (c.head_dim != c.width / c.heads || c.width % c.heads != 0 || c.architecture == "llama")
    out["head_dim"] = c.head_dim;
  if (c.architecture == "qwen2") {
    if (!c.qkv_bias || c.output_bias || c.mlp_bias)
      fail(ErrorKind::unsupported, "{}: biases other than Qwen2's, on q, k and v", file);
    out["use_sliding_window"] = false;
    return;
  }
  if (c.qkv_bias != c.output_bias)
    fail(ErrorKind::unsupported, "{}: biases on q, k and v, not on the output; a llama has all or none", file);
  out["attention_bias"] = c.qkv_bias;
  out["mlp_bias"] = c.mlp_bias;
}

struct Family {
  const char *type, *class_name, *gguf;
};

Family family_of(const ModelConfig& c) {
  if (c.architecture == "llama") return {"llama", "LlamaForCausalLM", "llama"};
  if (c.architecture == "qwen2") return {"qwen2", "Qwen2ForCausalLM", "qwen2"};
  if (c.experts > 0 && c.score == Gate::Score::softmax) return {"deepseek_v2", "DeepseekV2ForCausalLM", "deepseek2"};
  return {"deepseek_v3", "DeepseekV3ForCausalLM", "deepseek2"};
}

Json ends_of(const ExportAdvice& advice) {
  if (advice.ends.empty()) return nullptr;
  return advice.ends.size() == 1 ? Json(advice.ends[0]) : Json(advice.ends);
}

// "bfloat16": as torch calls it.
const char* torch_name(DType type) {
  return type == DType::f32 ? "float32" : type == DType::f16 ? "float16" : "bfloat16";
}

// Sets "<architecture>.<key>".
class Keys {
 public:
  Keys(GgufWriter& out, std::string architecture) : out_(out), architecture_(std::move(architecture)) {}
  void number(std::string_view key, int value) { out_.set(full(key), static_cast<std::uint32_t>(value)); }
  void real(std::string_view key, double value) { out_.set(full(key), static_cast<float>(value)); }
  void text(std::string_view key, std::string_view value) { out_.set(full(key), value); }
  void flag(std::string_view key, bool value) { out_.set(full(key), value); }

 private:
  std::string full(std::string_view key) const { return fmt::format("{}.{}", architecture_, key); }
  GgufWriter& out_;
  std::string architecture_;
};

void set_rope(Keys& keys, const ModelConfig& c, const std::string& file) {
  keys.real("rope.freq_base", c.rope.base);
  keys.number("rope.dimension_count", c.rope.dim);
  const RopeConfig& rope = c.rope;
  if (rope.scaling.empty() || rope.scaling == "llama3") return;  // llama3's is a tensor
  keys.text("rope.scaling.type", rope.scaling);
  keys.real("rope.scaling.factor", rope.factor);
  if (rope.scaling != "yarn") return;
  if (rope.attention_factor > 0 || rope.mscale != rope.mscale_all_dim)
    fail(ErrorKind::unsupported,
         "{}: YaRN's attention_factor {} and mscale {} beside mscale_all_dim {}: GGUF has one number for them", file,
         rope.attention_factor, rope.mscale, rope.mscale_all_dim);
  keys.number("rope.scaling.original_context_length", rope.original_context);
  keys.real("rope.scaling.yarn_beta_fast", rope.beta_fast);
  keys.real("rope.scaling.yarn_beta_slow", rope.beta_slow);
  if (rope.mscale_all_dim > 0) keys.real("rope.scaling.yarn_log_multiplier", 0.1 * rope.mscale_all_dim);
}

void set_latent(Keys& keys, const ModelConfig& c, bool mtp) {
  keys.number("attention.head_count_kv", 1);       // the cache holds one row for all heads
  keys.number("attention.q_lora_rank", c.q_rank);  // 0 too: llama.cpp does without the key only at 26 or 27 layers
  keys.number("attention.kv_lora_rank", c.kv_rank);
  keys.number("attention.key_length", c.kv_rank + c.rope_dim);
  keys.number("attention.value_length", c.kv_rank);
  keys.number("attention.key_length_mla", c.nope_dim + c.rope_dim);
  keys.number("attention.value_length_mla", c.value_dim);
  keys.number("leading_dense_block_count", c.experts > 0 ? c.dense_layers : c.layers);
  if (mtp) keys.number("nextn_predict_layers", c.mtp_layers);
  if (c.experts == 0) return;
  keys.number("expert_count", c.experts);
  keys.number("expert_used_count", c.experts_chosen);
  keys.number("expert_shared_count", c.shared_experts);
  keys.number("expert_feed_forward_length", c.expert_width);
  keys.number("expert_gating_func", c.score == Gate::Score::sigmoid ? 2 : 1);
  if (c.expert_groups > 1) {
    keys.number("expert_group_count", c.expert_groups);
    keys.number("expert_group_used_count", c.expert_groups_kept);
  }
  keys.real("expert_weights_scale", c.routed_scale);
  keys.flag("expert_weights_norm", c.gate_normalise);
}

// general.file_type: llama.cpp's number for what most tensors are.
std::uint32_t file_type(DType type) {
  switch (type) {
    case DType::f32:
      return 0;
    case DType::f16:
      return 1;
    case DType::q8_0:
      return 7;
    default:
      return 32;  // BF16
  }
}

}  // namespace

ExportAdvice export_advice(const ModelFiles& files, std::optional<std::int32_t> bos, std::optional<std::int32_t> pad) {
  ExportAdvice advice;
  advice.bos = bos, advice.pad = pad;
  if (const Checkpoint* checkpoint = files.checkpoint()) {
    const ConfigJson& config = checkpoint->config();
    if (!advice.bos) advice.bos = config.find<std::int32_t>("bos_token_id");
    if (!advice.pad) advice.pad = config.find<std::int32_t>("pad_token_id");
  }
  advice.ends = files.end_ids();
  advice.temperature = advised<float>(files, "temperature", "general.sampling.temp");
  advice.top_p = advised<float>(files, "top_p", "general.sampling.top_p");
  advice.top_k = advised<std::int32_t>(files, "top_k", "general.sampling.top_k");
  advice.repetition_penalty = advised<float>(files, "repetition_penalty", "general.sampling.penalty_repeat");
  return advice;
}

std::vector<float> rope_divisors(const ModelConfig& c) {
  if (!c.rope.frequency_divisors.empty()) return c.rope.frequency_divisors;
  if (c.rope.scaling != "llama3") return {};
  RopeConfig bare = c.rope;
  bare.scaling.clear();
  const RopeFrequencies scaled(c.rope), unscaled(bare);
  std::vector<float> divisors;
  for (int i = 0; i < c.rope.dim / 2; ++i)
    divisors.push_back(unscaled.rope().inv_frequency[i] / scaled.rope().inv_frequency[i]);
  return divisors;
}

Json config_json(const ModelFiles& files, const ExportAdvice& advice, DType type, bool mtp) {
  const ModelConfig& c = files.config();
  const Family family = family_of(c);
  Json out = {{"architectures", {family.class_name}},
              {"model_type", family.type},
              {"dtype", torch_name(type)},
              {"vocab_size", c.vocabulary},
              {"hidden_size", c.width},
              {"num_hidden_layers", c.layers},
              {"intermediate_size", c.feed_forward},
              {"num_attention_heads", c.heads},
              {"hidden_act", "silu"},
              {"rms_norm_eps", plain(c.norm_eps)},
              {"max_position_embeddings", c.context},
              {"tie_word_embeddings", c.tied_embeddings}};
  if (c.architecture == "deepseek_v3")
    add_latent(out, c, files.path(), mtp);
  else
    add_grouped(out, c, files.path());
  add_rope(out, c, files.path());
  if (advice.bos) out["bos_token_id"] = *advice.bos;
  if (!advice.ends.empty()) out["eos_token_id"] = ends_of(advice);
  if (advice.pad) out["pad_token_id"] = *advice.pad;
  return out;
}

Json generation_config_json(const ExportAdvice& advice) {
  Json out = Json::object();
  if (advice.bos) out["bos_token_id"] = *advice.bos;
  if (!advice.ends.empty()) out["eos_token_id"] = ends_of(advice);
  if (advice.pad) out["pad_token_id"] = *advice.pad;
  if (advice.temperature || advice.top_p || advice.top_k)
    out["do_sample"] = !advice.temperature || *advice.temperature > 0;
  if (advice.temperature) out["temperature"] = plain(*advice.temperature);
  if (advice.top_p) out["top_p"] = plain(*advice.top_p);
  if (advice.top_k) out["top_k"] = *advice.top_k;
  if (advice.repetition_penalty) out["repetition_penalty"] = plain(*advice.repetition_penalty);
  return out;
}

void set_config_keys(GgufWriter& out, const ModelFiles& files, const ExportAdvice& advice, DType type, bool mtp) {
  const ModelConfig& c = files.config();
  const std::string architecture = family_of(c).gguf;
  std::string name = c.name;
  if (name.empty()) name = std::filesystem::path(files.path()).lexically_normal().filename().string();
  out.set("general.architecture", architecture);
  out.set("general.type", "model");
  if (!name.empty()) out.set("general.name", name);
  out.set("general.file_type", file_type(type));
  if (type == DType::q8_0) out.set("general.quantization_version", std::uint32_t{2});
  if (advice.temperature) out.set("general.sampling.temp", *advice.temperature);
  if (advice.top_p) out.set("general.sampling.top_p", *advice.top_p);
  if (advice.top_k) out.set("general.sampling.top_k", *advice.top_k);
  if (advice.repetition_penalty) out.set("general.sampling.penalty_repeat", *advice.repetition_penalty);
  Keys keys(out, architecture);
  keys.number("block_count", c.layers + (mtp ? c.mtp_layers : 0));
  keys.number("context_length", c.context);
  keys.number("embedding_length", c.width);
  keys.number("feed_forward_length", c.feed_forward);
  keys.number("vocab_size", c.vocabulary);
  keys.number("attention.head_count", c.heads);
  keys.real("attention.layer_norm_rms_epsilon", c.norm_eps);
  if (c.architecture == "deepseek_v3") {
    set_latent(keys, c, mtp);
  } else {
    keys.number("attention.head_count_kv", c.kv_heads);
    keys.number("attention.key_length", c.head_dim);
    keys.number("attention.value_length", c.head_dim);
  }
  set_rope(keys, c, files.path());
}

}  // namespace limpid
