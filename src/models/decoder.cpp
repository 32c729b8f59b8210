#include "models/decoder.h"

#include <algorithm>
#include <cmath>

namespace limpid {

namespace {

constexpr int kMostThreads = 256;  // partial results of attention are planned for at most this many

bool is_latent(const ModelConfig& c) { return c.kv_rank > 0; }

GroupedAttentionLayer::Shape grouped_shape(const ModelConfig& c, const RopeFrequencies& rope) {
  GroupedAttentionLayer::Shape s;
  s.width = c.width;
  s.norm_eps = c.norm_eps;
  s.qkv_bias = c.qkv_bias;
  s.output_bias = c.output_bias;
  s.attention = {c.heads, c.kv_heads, c.head_dim, c.head_dim, static_cast<float>(1.0 / std::sqrt(static_cast<double>(c.head_dim))), rope.rope()};
  return s;
}

LatentAttentionLayer::Shape latent_shape(const ModelConfig& c, const RopeFrequencies& rope) {
  LatentAttentionLayer::Shape s;
  s.width = c.width;
  s.heads = c.heads;
  s.q_rank = c.q_rank;
  s.kv_rank = c.kv_rank;
  s.nope = c.nope_dim;
  s.rope = c.rope_dim;
  s.value = c.value_dim;
  s.norm_eps = c.norm_eps;
  s.latent_eps = c.norm_eps;
  const double scale = 1.0 / std::sqrt(static_cast<double>(c.nope_dim + c.rope_dim)) * static_cast<double>(rope.latent_scale());
  s.attention = {c.heads, c.kv_rank, c.rope_dim, static_cast<float>(scale), rope.rope()};
  return s;
}

MoeLayer::Shape moe_shape(const ModelConfig& c) {
  MoeLayer::Shape s;
  s.width = c.width;
  s.hidden = c.expert_width;
  s.shared_hidden = c.shared_experts * c.expert_width;
  s.norm_eps = c.norm_eps;
  s.gate_bias = c.gate_bias;
  s.gate.score = c.score;
  s.gate.experts = c.experts;
  s.gate.chosen = c.experts_chosen;
  s.gate.groups = c.expert_groups;
  s.gate.kept_groups = c.expert_groups_kept;
  s.gate.group_top2 = c.gate_group_top2;
  s.gate.normalise = c.gate_normalise;
  s.gate.scale = c.routed_scale;
  return s;
}

bool is_moe(const ModelConfig& c, int layer) { return c.experts > 0 && layer >= c.dense_layers; }

}  // namespace

Block::Block(const ModelConfig& c, const RopeFrequencies& rope, int layer)
    : attention_(is_latent(c) ? decltype(attention_)(LatentAttentionLayer(latent_shape(c, rope)))
                              : decltype(attention_)(GroupedAttentionLayer(grouped_shape(c, rope)))),
      feed_forward_(is_moe(c, layer) ? decltype(feed_forward_)(MoeLayer(moe_shape(c)))
                                     : decltype(feed_forward_)(GatedMlpLayer({c.width, c.feed_forward, c.norm_eps, c.mlp_bias}))) {}

void Block::visit(ParameterVisitor& visitor, int layer) {
  std::visit([&](auto& part) { part.visit(visitor, layer); }, attention_);
  std::visit([&](auto& part) { part.visit(visitor, layer); }, feed_forward_);
}

void Block::forward(Exec& ex, Tensor& x, const Tensor& rope_table, const Batch& batch, const CacheLayer& cache) const {
  std::visit([&](const auto& part) { part.forward(ex, x, rope_table, batch, cache); }, attention_);
  std::visit([&](const auto& part) { part.forward(ex, x); }, feed_forward_);
}

Decoder::Decoder(const ModelConfig& config) : config_(config), rope_(config.rope) {
  info_.architecture = config.architecture;
  info_.vocabulary = config.vocabulary;
  info_.layers = config.layers;
  info_.context_length = config.context;
  for (int layer = 0; layer < config.layers; ++layer) blocks_.emplace_back(config_, rope_, layer);
}

void Decoder::visit(ParameterVisitor& visitor) {
  visitor.matrix({"model.embed_tokens.weight", "token_embd.weight"}, config_.vocabulary, config_.width, embedding_);
  for (int layer = 0; layer < config_.layers; ++layer) blocks_[static_cast<std::size_t>(layer)].visit(visitor, layer);
  visitor.vector({"model.norm.weight", "output_norm.weight"}, config_.width, gain_);
  if (!config_.tied_embeddings) visitor.matrix({"lm_head.weight", "output.weight"}, config_.vocabulary, config_.width, head_);
}

void Decoder::own(HugeBuffer packed, std::vector<std::unique_ptr<float[]>> vectors, std::uint64_t fingerprint) {
  packed_ = std::move(packed);
  vectors_ = std::move(vectors);
  info_.fingerprint = fingerprint;
}

CacheLayout Decoder::cache_layout(CacheType type) const {
  CacheLayout layout;
  layout.type = type;
  if (is_latent(config_)) {
    layout.kv_heads = 1;
    layout.latent = config_.kv_rank;
    layout.rope = config_.rope_dim;
  } else {
    layout.kv_heads = config_.kv_heads;
    layout.key_dim = layout.value_dim = config_.head_dim;
  }
  return layout;
}

std::size_t Decoder::arena_bytes(int tokens, int outputs) const {
  const ModelConfig& c = config_;
  const auto t = static_cast<std::size_t>(tokens);
  const std::size_t attention = is_latent(c) ? LatentAttentionLayer::arena_bytes(latent_shape(c, rope_), kMostThreads, tokens)
                                             : GroupedAttentionLayer::arena_bytes(grouped_shape(c, rope_), kMostThreads, tokens);
  std::size_t feed_forward = gated_mlp_arena_bytes(tokens, c.width, c.feed_forward);
  if (c.experts > 0)
    feed_forward = std::max(feed_forward, moe_arena_bytes(tokens, c.width, c.expert_width, std::int64_t{c.shared_experts} * c.expert_width, c.experts,
                                                          c.experts_chosen));
  const std::size_t rows = t * static_cast<std::size_t>(c.width + c.rope.dim) * sizeof(float) + 2 * 64;
  return rows + std::max({attention, feed_forward, head_arena_bytes(outputs, c.width, c.vocabulary)});
}

std::size_t Decoder::scratch_bytes(int tokens) const {
  const ModelConfig& c = config_;
  const bool latent = is_latent(c);
  const std::size_t attention = latent ? attention_scratch_bytes(tokens, c.heads, c.kv_rank + c.rope_dim, c.kv_rank)
                                       : attention_scratch_bytes(tokens, c.heads, c.head_dim, c.head_dim);
  const int widest = std::max({c.width, c.heads * std::max(c.head_dim, c.value_dim), c.q_rank});
  std::size_t bytes = std::max({attention, linear_scratch_bytes(widest), gated_mlp_scratch_bytes(c.width), head_scratch_bytes(c.width)});
  if (latent) bytes = std::max(bytes, head_linear_scratch_bytes(std::max(c.nope_dim, c.kv_rank)));
  if (c.experts > 0) bytes = std::max(bytes, moe_scratch_bytes(tokens, c.width, c.experts, c.experts_chosen));
  return bytes;
}

Tensor Decoder::forward(Exec& ex, const Batch& batch, std::span<const CacheLayer> cache) const {
  Tensor x = embed(ex, embedding_, batch);  // (T, D)
  const Tensor table = rope_table(ex, rope_.rope(), batch);
  for (std::size_t layer = 0; layer < blocks_.size(); ++layer) blocks_[layer].forward(ex, x, table, batch, cache[layer]);
  return head(ex, x, gain_, config_.norm_eps, config_.tied_embeddings ? embedding_ : head_, batch);
}

}  // namespace limpid
