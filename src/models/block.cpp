#include "models/block.h"

#include <algorithm>
#include <cmath>

namespace limpid {

namespace {

constexpr int kMostThreads = 256;  // partial results of attention are planned for at most this many

GroupedAttentionLayer::Shape grouped_shape(const ModelConfig& c, const RopeFrequencies& rope) {
  GroupedAttentionLayer::Shape s;
  s.width = c.width;
  s.norm_eps = c.norm_eps;
  s.qkv_bias = c.qkv_bias;
  s.output_bias = c.output_bias;
  s.attention = {c.heads,
                 c.kv_heads,
                 c.head_dim,
                 c.head_dim,
                 static_cast<float>(1.0 / std::sqrt(static_cast<double>(c.head_dim))),
                 rope.rope()};
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
  const double scale =
      1.0 / std::sqrt(static_cast<double>(c.nope_dim + c.rope_dim)) * static_cast<double>(rope.latent_scale());
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
    : layer_(layer),
      width_(c.width),
      expert_width_(c.expert_width),
      expert_count_(is_moe(c, layer) ? c.experts : 0),
      attention_(is_latent(c) ? decltype(attention_)(LatentAttentionLayer(latent_shape(c, rope)))
                              : decltype(attention_)(GroupedAttentionLayer(grouped_shape(c, rope)))),
      feed_forward_(is_moe(c, layer)
                        ? decltype(feed_forward_)(MoeLayer(moe_shape(c)))
                        : decltype(feed_forward_)(GatedMlpLayer({c.width, c.feed_forward, c.norm_eps, c.mlp_bias}))) {}

void Block::visit(ParameterVisitor& visitor, ResidentExperts& experts) {
  std::visit([&](auto& part) { part.visit(visitor, layer_); }, attention_);
  std::visit([&](auto& part) { part.visit(visitor, layer_); }, feed_forward_);
  if (expert_count_ > 0)
    MoeLayer::visit_experts(visitor, layer_, width_, expert_width_, experts.layer(layer_, expert_count_));
}

void Block::forward(Exec& ex, Tensor& x, const Tensor& rope_table, const Batch& batch, const CacheLayer& cache,
                    ExpertSource& experts) const {
  std::visit([&](const auto& part) { part.forward(ex, x, rope_table, batch, cache); }, attention_);
  if (const auto* moe = std::get_if<MoeLayer>(&feed_forward_))
    moe->forward(ex, x, experts, layer_);
  else
    std::get<GatedMlpLayer>(feed_forward_).forward(ex, x);
}

std::size_t Block::arena_bytes(const ModelConfig& c, const RopeFrequencies& rope, int tokens, bool immediate) {
  const std::size_t attention = is_latent(c)
                                    ? LatentAttentionLayer::arena_bytes(latent_shape(c, rope), kMostThreads, tokens)
                                    : GroupedAttentionLayer::arena_bytes(grouped_shape(c, rope), kMostThreads, tokens);
  const std::size_t plain = gated_mlp_arena_bytes(tokens, c.width, c.feed_forward);
  return std::max({attention, plain, c.experts > 0 ? MoeLayer::arena_bytes(moe_shape(c), tokens, immediate) : 0});
}

std::size_t Block::scratch_bytes(const ModelConfig& c, int tokens) {
  const bool latent = is_latent(c);
  const std::size_t attention = latent ? attention_scratch_bytes(tokens, c.heads, c.kv_rank + c.rope_dim, c.kv_rank)
                                       : attention_scratch_bytes(tokens, c.heads, c.head_dim, c.head_dim);
  const int widest = std::max({c.width, c.heads * std::max(c.head_dim, c.value_dim), c.q_rank});
  std::size_t bytes = std::max({attention, linear_scratch_bytes(widest), gated_mlp_scratch_bytes(c.width)});
  if (latent) bytes = std::max(bytes, head_linear_scratch_bytes(std::max(c.nope_dim, c.kv_rank)));
  if (c.experts > 0) bytes = std::max(bytes, MoeLayer::scratch_bytes(moe_shape(c), tokens));
  return bytes;
}

}  // namespace limpid
