// ModelConfig from GGUF metadata. Keys: gguf-py's constants; conventions: reference facts in docs/formats.md.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "models/config.h"
#include "tensor/codec.h"

namespace limpid {

namespace {

// Reads "<architecture>.<key>".
struct Keys {
  const GgufFile& file;
  std::string prefix;

  std::string full(std::string_view key) const { return fmt::format("{}.{}", prefix, key); }
  int integer(std::string_view key) const { return file.get<std::int32_t>(full(key)); }
  int integer_or(std::string_view key, int otherwise) const { return file.get_or<std::int32_t>(full(key), otherwise); }
  double real_or(std::string_view key, double otherwise) const { return file.get_or<double>(full(key), otherwise); }
  bool has(std::string_view key) const { return file.has(full(key)); }
};

int vocabulary_of(const GgufFile& file) {
  const GgufTensor* table = file.tensor("token_embd.weight");
  if (table == nullptr) fail(ErrorKind::input, "{}: the tensor token_embd.weight is missing", file.path());
  return static_cast<int>(table->dims[1]);
}

void read_scaling(const Keys& k, RopeConfig& rope) {
  const std::string kind = k.file.get_or<std::string>(k.full("rope.scaling.type"), "none");
  if (kind != "none") rope.scaling = kind;
  rope.factor = k.real_or("rope.scaling.factor", 1.0);
  rope.original_context = k.integer_or("rope.scaling.original_context_length", k.integer("context_length"));
  rope.beta_fast = k.real_or("rope.scaling.yarn_beta_fast", 32.0);
  rope.beta_slow = k.real_or("rope.scaling.yarn_beta_slow", 1.0);
  if (rope.scaling == "yarn" && rope.factor <= 0) fail(ErrorKind::input, "{}: {} is {}, expected > 0", k.file.path(), k.full("rope.scaling.factor"), rope.factor);
}

// llama3's scaling arrives as a tensor of divisors.
void read_divisors(const GgufFile& file, RopeConfig& rope) {
  const GgufTensor* divisors = file.tensor("rope_freqs.weight");
  if (divisors == nullptr) return;
  if (divisors->type != DType::f32 || divisors->values() != rope.dim / 2)
    fail(ErrorKind::input, "{}: rope_freqs.weight holds {} values of {}, expected {} of F32", file.path(), divisors->values(), info(divisors->type).name,
         rope.dim / 2);
  rope.frequency_divisors.resize(static_cast<std::size_t>(rope.dim / 2));
  decode_row(DType::f32, divisors->data.data(), rope.dim / 2, rope.frequency_divisors.data());
}

void read_grouped(const Keys& k, ModelConfig& c) {
  c.head_dim = k.integer_or("attention.key_length", c.heads > 0 ? c.width / c.heads : 0);
  const int value_length = k.integer_or("attention.value_length", c.head_dim);
  if (value_length != c.head_dim)
    fail(ErrorKind::unsupported, "{}: {} is {}, expected {} as for keys", k.file.path(), k.full("attention.value_length"), value_length, c.head_dim);
  c.kv_heads = k.integer_or("attention.head_count_kv", c.heads);
  c.rope.dim = k.integer_or("rope.dimension_count", c.head_dim);
  c.rope.interleaved = c.architecture == "llama";  // q and k of llama files are permuted for it
  c.qkv_bias = k.file.tensor("blk.0.attn_q.bias") != nullptr;
  c.output_bias = k.file.tensor("blk.0.attn_output.bias") != nullptr;
  c.mlp_bias = k.file.tensor("blk.0.ffn_gate.bias") != nullptr;
  read_divisors(k.file, c.rope);
}

void read_latent(const Keys& k, ModelConfig& c) {
  c.q_rank = k.integer_or("attention.q_lora_rank", 0);
  c.kv_rank = k.integer("attention.kv_lora_rank");
  c.rope_dim = k.integer("rope.dimension_count");
  // Newer files store the cached row's sizes as key_length, and the heads' own as key_length_mla.
  const int key = k.has("attention.key_length_mla") ? k.integer("attention.key_length_mla") : k.integer("attention.key_length");
  c.value_dim = k.has("attention.value_length_mla") ? k.integer("attention.value_length_mla") : k.integer("attention.value_length");
  c.nope_dim = key - c.rope_dim;
  c.rope.dim = c.rope_dim;
  c.rope.interleaved = true;
  if (k.has("rope.scaling.yarn_log_multiplier")) {
    c.rope.mscale_all_dim = 10.0 * k.real_or("rope.scaling.yarn_log_multiplier", 0.0);
    c.rope.mscale = c.rope.mscale_all_dim;
  }
  c.mtp_layers = k.integer_or("nextn_predict_layers", 0);
  c.layers -= c.mtp_layers;
  c.dense_layers = k.integer_or("leading_dense_block_count", 0);
  c.experts = k.integer_or("expert_count", 0);
  c.experts_chosen = k.integer_or("expert_used_count", 0);
  c.expert_width = k.integer_or("expert_feed_forward_length", 0);
  c.shared_experts = k.integer_or("expert_shared_count", 0);
  c.expert_groups = std::max(1, k.integer_or("expert_group_count", 1));
  c.expert_groups_kept = std::max(1, k.integer_or("expert_group_used_count", c.expert_groups));
  // 1 softmax, 2 sigmoid; older files say nothing: V2's softmax unless the layer has V3's bias.
  const std::string bias = fmt::format("blk.{}.exp_probs_b.bias", c.dense_layers);
  c.gate_bias = k.file.tensor(bias) != nullptr;
  const int function = k.integer_or("expert_gating_func", c.gate_bias ? 2 : 1);
  if (function != 1 && function != 2)
    fail(ErrorKind::unsupported, "{}: {} is {}, expected 1 (softmax) or 2 (sigmoid)", k.file.path(), k.full("expert_gating_func"), function);
  c.score = function == 2 ? Gate::Score::sigmoid : Gate::Score::softmax;
  c.gate_group_top2 = c.score == Gate::Score::sigmoid;
  c.gate_normalise = k.file.get_or<bool>(k.full("expert_weights_norm"), c.score == Gate::Score::sigmoid);
  c.routed_scale = static_cast<float>(k.real_or("expert_weights_scale", 1.0));
}

}  // namespace

ModelConfig config_from_gguf(const GgufFile& file) {
  const std::string architecture = file.get<std::string>("general.architecture");
  if (architecture != "llama" && architecture != "qwen2" && architecture != "deepseek2")
    fail(ErrorKind::unsupported, "{}: general.architecture is '{}', expected llama, qwen2 or deepseek2", file.path(), architecture);
  const Keys k{file, architecture};
  ModelConfig c;
  c.architecture = architecture == "deepseek2" ? "deepseek_v3" : architecture;
  c.name = file.get_or<std::string>("general.name", "");
  c.vocabulary = vocabulary_of(file);
  c.width = k.integer("embedding_length");
  c.layers = k.integer("block_count");
  c.context = k.integer("context_length");
  c.heads = k.integer("attention.head_count");
  c.feed_forward = k.integer("feed_forward_length");
  c.norm_eps = static_cast<float>(k.real_or("attention.layer_norm_rms_epsilon", 1e-6));
  c.tied_embeddings = file.tensor("output.weight") == nullptr;
  c.rope.base = k.real_or("rope.freq_base", 10000.0);
  if (architecture == "deepseek2")
    read_latent(k, c);
  else
    read_grouped(k, c);
  read_scaling(k, c.rope);
  check(c, file.path());
  return c;
}

}  // namespace limpid
