// What must hold between the numbers of a configuration, and between them and the tensors. Each number by itself was checked where it was read.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "models/config.h"
#include "models/config_limits.h"
#include "models/tensor_check.h"

namespace limpid {

namespace {

// What both formats call a field.
struct Key {
  std::string_view gguf, json;
};

constexpr Key kHeads{"attention.head_count", "num_attention_heads"},
    kKvHeads{"attention.head_count_kv", "num_key_value_heads"};
constexpr Key kHeadDim{"attention.key_length", "head_dim"};
constexpr Key kRopeDim{"rope.dimension_count", "head_dim"}, kLatentRopeDim{"rope.dimension_count", "qk_rope_head_dim"};
constexpr Key kRank{"attention.kv_lora_rank", "kv_lora_rank"},
    kDense{"leading_dense_block_count", "first_k_dense_replace"};
constexpr Key kChosen{"expert_used_count", "num_experts_per_tok"};
constexpr Key kExpertWidth{"expert_feed_forward_length", "moe_intermediate_size"},
    kShared{"expert_shared_count", "n_shared_experts"};
constexpr Key kGroups{"expert_group_count", "n_group"}, kGroupsKept{"expert_group_used_count", "topk_group"};
constexpr Key kScaling{"rope.scaling.type", "rope_scaling.rope_type"}, kBase{"rope.freq_base", "rope_theta"};
constexpr Key kBetaFast{"rope.scaling.yarn_beta_fast", "rope_scaling.beta_fast"},
    kHigh{"rope.scaling.high_freq_factor", "rope_scaling.high_freq_factor"};

class Checker {
 public:
  Checker(const ModelConfig& config, const std::string& file, std::string_view prefix)
      : c_(config), file_(file), prefix_(prefix) {}

  void all() const {
    rope();
    if (c_.kv_rank > 0)
      latent();
    else
      grouped();
    if (c_.experts > 0) experts();
  }

 private:
  std::string key(const Key& key) const {
    return prefix_.empty() ? std::string(key.json) : fmt::format("{}.{}", prefix_, key.gguf);
  }
  template <typename Value>
  [[noreturn]] void refuse(const Key& name, const std::string& expected, const Value& found) const {
    fail(ErrorKind::input, "{}: key '{}': expected {}, found {}", file_, key(name), expected, found);
  }
  void in(const Key& name, std::int64_t value, std::int64_t least, std::int64_t most,
          const std::string& because) const {
    if (value < least || value > most)
      refuse(name, fmt::format("an integer from {} to {} ({})", least, most, because), value);
  }
  // A product that the code computes in int, or allocates by.
  void product(const Key& name, std::int64_t value, std::int64_t times, std::string_view what) const {
    if (value * times > limits::kMostWidth)
      refuse(name, fmt::format("at most {} values of all {} together", limits::kMostWidth, what),
             fmt::format("{} of {}", value, times));
  }

  void rope() const {
    const RopeConfig& r = c_.rope;
    if (r.dim % 2 != 0) refuse(c_.kv_rank > 0 ? kLatentRopeDim : kRopeDim, "an even number", r.dim);
    for (const float divisor : r.frequency_divisors)
      if (!(divisor > 0) || !std::isfinite(divisor))
        fail(ErrorKind::input, "{}: tensor 'rope_freqs.weight': expected numbers above 0, found {}", file_, divisor);
    if (r.scaling.empty() || r.scaling == "linear") return;
    if (r.scaling == "yarn") {
      if (r.beta_fast < r.beta_slow) refuse(kBetaFast, fmt::format("at least beta_slow, {}", r.beta_slow), r.beta_fast);
      if (r.base <= 1) refuse(kBase, "a number above 1 (YaRN)", r.base);
    } else if (r.scaling == "llama3") {
      if (r.high_frequency <= r.low_frequency)
        refuse(kHigh, fmt::format("above low_freq_factor, {}", r.low_frequency), r.high_frequency);
    } else {
      fail(ErrorKind::unsupported, "{}: key '{}': expected none, linear, llama3 or yarn, found '{}'", file_,
           key(kScaling), r.scaling);
    }
  }

  void grouped() const {
    in(kHeadDim, c_.head_dim, 1, limits::kHeadDim.most, "where the key is absent: the width by the heads");
    in(kRopeDim, c_.rope.dim, 2, c_.head_dim, fmt::format("a head has {} values", c_.head_dim));
    in(kKvHeads, c_.kv_heads, 1, c_.heads, fmt::format("{} heads", c_.heads));
    if (c_.heads % c_.kv_heads != 0) refuse(kKvHeads, fmt::format("a divisor of the {} heads", c_.heads), c_.kv_heads);
    product(kHeads, c_.heads, c_.head_dim, "heads");
  }

  void latent() const {
    const std::int64_t widest = std::max(
        {std::int64_t{c_.nope_dim} + c_.rope_dim, std::int64_t{c_.value_dim}, std::int64_t{c_.kv_rank} + c_.rope_dim});
    product(kHeads, c_.heads, widest, "heads' queries, values or latents");
    product(kRank, c_.kv_rank, std::int64_t{c_.nope_dim} + c_.value_dim, "of a head's maps");
    in(kDense, c_.dense_layers, 0, c_.layers, fmt::format("{} layers", c_.layers));
  }

  void experts() const {
    in(kExpertWidth, c_.expert_width, 1, limits::kMostWidth, fmt::format("{} experts", c_.experts));
    in(kGroups, c_.expert_groups, 1, c_.experts, fmt::format("{} experts", c_.experts));
    if (c_.experts % c_.expert_groups != 0)
      refuse(kGroups, fmt::format("a divisor of the {} experts", c_.experts), c_.expert_groups);
    in(kGroupsKept, c_.expert_groups_kept, 1, c_.expert_groups, fmt::format("{} groups", c_.expert_groups));
    in(kChosen, c_.experts_chosen, 1, std::int64_t{c_.experts} / c_.expert_groups * c_.expert_groups_kept,
       "the experts of the groups that are kept");
    product(kShared, c_.shared_experts, c_.expert_width, "shared experts");
  }

  const ModelConfig& c_;
  const std::string& file_;
  const std::string_view prefix_;
};

}  // namespace

void check(const ModelConfig& config, const std::string& file, std::string_view gguf_prefix) {
  Checker(config, file, gguf_prefix).all();
}

void check_shape(const WeightSource& source, const Weight& weight, std::int64_t rows, std::int64_t columns) {
  if (weight.rows() == rows && weight.columns() == columns) return;
  fail(ErrorKind::input, "{}: tensor {} is ({}, {}), the configuration asks for ({}, {})", source.path(), weight.name,
       weight.rows(), weight.columns(), rows, columns);
}

void check_tensors(const ModelConfig& c, const WeightSource& source) {
  const bool gguf = source.format() == WeightSource::Format::gguf, latent = c.kv_rank > 0;
  const auto expect = [&](const std::string& name, std::int64_t rows, std::int64_t columns) {
    check_shape(source, source.at(name), rows, columns);
  };
  expect(gguf ? "token_embd.weight" : "model.embed_tokens.weight", c.vocabulary, c.width);
  for (int layer = 0; layer < c.layers + c.mtp_layers; ++layer) {
    const std::string of = gguf ? fmt::format("blk.{}.", layer) : fmt::format("model.layers.{}.", layer),
                      attention = of + "self_attn.";
    const std::int64_t rows = std::int64_t{c.heads} * (latent ? c.nope_dim + c.rope_dim : c.head_dim);
    if (c.q_rank > 0)
      expect(gguf ? of + "attn_q_b.weight" : attention + "q_b_proj.weight", rows, c.q_rank);
    else
      expect(gguf ? of + "attn_q.weight" : attention + "q_proj.weight", rows, c.width);
    if (c.experts > 0 && layer >= c.dense_layers)
      expect(of + (gguf ? "ffn_gate_inp.weight" : "mlp.gate.weight"), c.experts, c.width);
  }
}

}  // namespace limpid
