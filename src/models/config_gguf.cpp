// ModelConfig from GGUF metadata. Keys: gguf-py's constants; conventions: reference facts in docs/formats.md.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "models/config.h"
#include "models/config_limits.h"
#include "tensor/codec.h"

namespace limpid {

namespace {

// Reads "<architecture>.<key>".
struct Keys {
  const GgufFile& file;
  std::string prefix;

  std::string full(std::string_view key) const { return fmt::format("{}.{}", prefix, key); }
  bool has(std::string_view key) const { return file.has(full(key)); }
  int integer(std::string_view key, const IntegerRange& range) const {
    return checked(key, file.get<std::int64_t>(full(key)), range);
  }
  int integer_or(std::string_view key, int otherwise, const IntegerRange& range) const {
    return has(key) ? integer(key, range) : otherwise;
  }
  double real_or(std::string_view key, double otherwise, const RealRange& range) const {
    const double value = file.get_or<double>(full(key), otherwise);
    if (value >= range.least && value <= range.most) return value;  // no NaN
    fail(ErrorKind::input, "{}: key '{}': expected a number from {} to {}, found {}", file.path(), full(key),
         range.least, range.most, value);
  }

 private:
  int checked(std::string_view key, std::int64_t value, const IntegerRange& range) const {
    if (value >= range.least && value <= range.most) return static_cast<int>(value);
    fail(ErrorKind::input, "{}: key '{}': expected an integer from {} to {}, found {}", file.path(), full(key),
         range.least, range.most, value);
  }
};

int vocabulary_of(const GgufFile& file) {
  const GgufTensor* table = file.tensor("token_embd.weight");
  if (table == nullptr) fail(ErrorKind::input, "{}: the tensor token_embd.weight is missing", file.path());
  if (table->rank != 2 || table->dims[1] > limits::kMostWidth)
    fail(ErrorKind::input,
         "{}: tensor 'token_embd.weight': expected a row for each of 1 to {} tokens, found {} of rank {}", file.path(),
         limits::kMostWidth, table->dims[1], table->rank);
  return static_cast<int>(table->dims[1]);
}

void read_scaling(const Keys& k, int context, RopeConfig& rope) {
  const std::string kind = k.file.get_or<std::string>(k.full("rope.scaling.type"), "none");
  if (kind != "none") rope.scaling = kind;
  rope.factor = k.real_or("rope.scaling.factor", 1.0, limits::kFactor);
  rope.original_context = k.integer_or("rope.scaling.original_context_length", context, limits::kContext);
  rope.beta_fast = k.real_or("rope.scaling.yarn_beta_fast", 32.0, limits::kFactor);
  rope.beta_slow = k.real_or("rope.scaling.yarn_beta_slow", 1.0, limits::kFactor);
}

// llama3's scaling arrives as a tensor of divisors.
void read_divisors(const GgufFile& file, RopeConfig& rope) {
  const GgufTensor* divisors = file.tensor("rope_freqs.weight");
  if (divisors == nullptr) return;
  if (divisors->type != DType::f32 || divisors->values() != rope.dim / 2)
    fail(ErrorKind::input, "{}: rope_freqs.weight holds {} values of {}, expected {} of F32", file.path(),
         divisors->values(), info(divisors->type).name, rope.dim / 2);
  rope.frequency_divisors.resize(static_cast<std::size_t>(rope.dim / 2));
  decode_row(DType::f32, divisors->data.data(), rope.dim / 2, rope.frequency_divisors.data());
}

void read_grouped(const Keys& k, ModelConfig& c) {
  c.head_dim = k.integer_or("attention.key_length", c.width / c.heads, limits::kHeadDim);
  const int value_length = k.integer_or("attention.value_length", c.head_dim, limits::kHeadDim);
  if (value_length != c.head_dim)
    fail(ErrorKind::unsupported, "{}: {} is {}, expected {} as for keys", k.file.path(),
         k.full("attention.value_length"), value_length, c.head_dim);
  c.kv_heads = k.integer_or("attention.head_count_kv", c.heads, limits::kHeads);
  c.rope.dim = k.integer_or("rope.dimension_count", c.head_dim, limits::kRopeDim);
  c.rope.interleaved = c.architecture == "llama";  // q and k of llama files are permuted for it
  c.qkv_bias = k.file.tensor("blk.0.attn_q.bias") != nullptr;
  c.output_bias = k.file.tensor("blk.0.attn_output.bias") != nullptr;
  c.mlp_bias = k.file.tensor("blk.0.ffn_gate.bias") != nullptr;
  read_divisors(k.file, c.rope);
}

void read_latent(const Keys& k, ModelConfig& c) {
  c.q_rank = k.integer_or("attention.q_lora_rank", 0, limits::kOptionalWidth);
  c.kv_rank = k.integer("attention.kv_lora_rank", limits::kWidth);
  c.rope_dim = k.integer("rope.dimension_count", limits::kRopeDim);
  // Newer files store the cached row's sizes as key_length, and the heads' own as key_length_mla.
  const char* key = k.has("attention.key_length_mla") ? "attention.key_length_mla" : "attention.key_length";
  const char* value = k.has("attention.value_length_mla") ? "attention.value_length_mla" : "attention.value_length";
  c.nope_dim = k.integer(key, {c.rope_dim + std::int64_t{1}, c.rope_dim + limits::kHeadDim.most}) -
               c.rope_dim;  // some of it does not rotate
  c.value_dim = k.integer(value, limits::kHeadDim);
  c.rope.dim = c.rope_dim;
  c.rope.interleaved = true;
  if (k.has("rope.scaling.yarn_log_multiplier")) {
    c.rope.mscale_all_dim = 10.0 * k.real_or("rope.scaling.yarn_log_multiplier", 0.0, limits::kTemperature);
    c.rope.mscale = c.rope.mscale_all_dim;
  }
  c.mtp_layers =
      k.integer_or("nextn_predict_layers", 0,
                   {0, std::min<std::int64_t>(limits::kMtpLayers.most, c.layers - 1)});  // counted in block_count
  c.layers -= c.mtp_layers;
  c.dense_layers = k.integer_or("leading_dense_block_count", 0, limits::kSomeLayers);
  c.experts = k.integer_or("expert_count", 0, limits::kExperts);
  c.experts_chosen = k.integer_or("expert_used_count", 0, limits::kExperts);
  c.expert_width = k.integer_or("expert_feed_forward_length", 0, limits::kOptionalWidth);
  c.shared_experts = k.integer_or("expert_shared_count", 0, limits::kSharedExperts);
  c.expert_groups = std::max(1, k.integer_or("expert_group_count", 1, limits::kExperts));
  c.expert_groups_kept = std::max(1, k.integer_or("expert_group_used_count", c.expert_groups, limits::kExperts));
  // 1 softmax, 2 sigmoid; older files say nothing: V2's softmax unless the layer has V3's bias.
  const std::string bias = fmt::format("blk.{}.exp_probs_b.bias", c.dense_layers);
  c.gate_bias = k.file.tensor(bias) != nullptr;
  const int function = k.integer_or("expert_gating_func", c.gate_bias ? 2 : 1, limits::kGatingFunctions);
  c.score = function == 2 ? Gate::Score::sigmoid : Gate::Score::softmax;
  c.gate_group_top2 = c.score == Gate::Score::sigmoid;
  c.gate_normalise = k.file.get_or<bool>(k.full("expert_weights_norm"), c.score == Gate::Score::sigmoid);
  c.routed_scale = static_cast<float>(k.real_or("expert_weights_scale", 1.0, limits::kFactor));
}

}  // namespace

ModelConfig config_from_gguf(const GgufFile& file) {
  const std::string architecture = file.get<std::string>("general.architecture");
  if (architecture != "llama" && architecture != "qwen2" && architecture != "deepseek2")
    fail(ErrorKind::unsupported, "{}: general.architecture is '{}', expected llama, qwen2 or deepseek2", file.path(),
         architecture);
  const Keys k{file, architecture};
  ModelConfig c;
  c.architecture = architecture == "deepseek2" ? "deepseek_v3" : architecture;
  c.name = file.get_or<std::string>("general.name", "");
  c.vocabulary = vocabulary_of(file);
  c.width = k.integer("embedding_length", limits::kWidth);
  c.layers = k.integer("block_count", limits::kLayers);
  c.context = k.integer("context_length", limits::kContext);
  c.heads = k.integer("attention.head_count", limits::kHeads);
  c.feed_forward = k.integer("feed_forward_length", limits::kWidth);
  c.norm_eps = static_cast<float>(k.real_or("attention.layer_norm_rms_epsilon", 1e-6, limits::kEpsilon));
  c.tied_embeddings = file.tensor("output.weight") == nullptr;
  c.rope.base = k.real_or("rope.freq_base", 10000.0, limits::kRopeBase);
  if (architecture == "deepseek2")
    read_latent(k, c);
  else
    read_grouped(k, c);
  read_scaling(k, c.context, c.rope);
  check(c, file.path(), architecture);
  return c;
}

}  // namespace limpid
