#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "nn/attention.h"
#include "ops/norm.h"
#include "ops/tape.h"

namespace limpid {

LatentAttentionLayer::LatentAttentionLayer(const Shape& shape)
    : shape_(shape), k_maps_(static_cast<std::size_t>(shape.heads)), v_maps_(static_cast<std::size_t>(shape.heads)) {}

void LatentAttentionLayer::visit(ParameterVisitor& visitor, int layer) {
  const std::string hf = fmt::format("model.layers.{}.", layer), gg = fmt::format("blk.{}.", layer);
  const Shape& s = shape_;
  const std::int64_t d = s.width, q_rows = std::int64_t{s.heads} * (s.nope + s.rope);
  visitor.vector({hf + "input_layernorm.weight", gg + "attn_norm.weight"}, d, gain_);
  if (s.q_rank > 0) {
    visitor.matrix({hf + "self_attn.q_a_proj.weight", gg + "attn_q_a.weight"}, s.q_rank, d, q_a_);
    visitor.vector({hf + "self_attn.q_a_layernorm.weight", gg + "attn_q_a_norm.weight"}, s.q_rank, q_gain_);
    visitor.matrix({hf + "self_attn.q_b_proj.weight", gg + "attn_q_b.weight"}, q_rows, s.q_rank, q_b_);
  } else {
    visitor.matrix({hf + "self_attn.q_proj.weight", gg + "attn_q.weight"}, q_rows, d, q_);
  }
  visitor.matrix({hf + "self_attn.kv_a_proj_with_mqa.weight", gg + "attn_kv_a_mqa.weight"}, s.kv_rank + s.rope, d,
                 kv_a_);
  visitor.vector({hf + "self_attn.kv_a_layernorm.weight", gg + "attn_kv_a_norm.weight"}, s.kv_rank, kv_gain_);
  visitor.key_value_maps({hf + "self_attn.kv_b_proj.weight", gg + "attn_kv_b.weight"}, gg + "attn_k_b.weight",
                         gg + "attn_v_b.weight", s.nope, s.value, s.kv_rank, k_maps_, v_maps_);
  visitor.matrix({hf + "self_attn.o_proj.weight", gg + "attn_output.weight"}, d, std::int64_t{s.heads} * s.value,
                 output_);
}

// q (T, H, nope + rope) into (T, H, latent + rope): the part without position through W_UK, the rope part as it is.
Tensor LatentAttentionLayer::latent_query(Exec& ex, const Tensor& q) const {
  const Shape s = shape_;
  const std::int64_t t = q.rows(), head = s.nope + s.rope, wide = s.kv_rank + s.rope;
  Tensor query = ex.alloc_tracked({t, s.heads, wide});
  const auto [begin, end] = ex.share(t * s.heads);
  for (std::int64_t i = begin; i < end; ++i)  // i = row * H + head: disjoint from what head_linear writes
    std::memcpy(query.f32() + i * wide + s.kv_rank, q.f32() + i * head + s.nope,
                static_cast<std::size_t>(s.rope) * sizeof(float));
  head_linear(ex, {q.f32(), s.heads * head, head, q.gradient}, t, k_maps_,
              {query.f32(), s.heads * wide, wide, query.gradient});
  if (ex.tape != nullptr) {
    ex.tape->record(ex, [=](Exec& back) {
      const auto [first, last] = back.share(t * s.heads);
      for (std::int64_t i = first; i < last; ++i) {
        float* to = q.gradient + i * head + s.nope;
        back.kernels->add(to, query.gradient + i * wide + s.kv_rank, s.rope, to);
      }
    });
  }
  return query;
}

void LatentAttentionLayer::forward(Exec& ex, Tensor& x, const Tensor& rope_table, const Batch& batch,
                                   const CacheLayer& cache) const {
  const Shape& s = shape_;
  const std::size_t mark = ex.arena.mark();
  const std::int64_t t = x.rows();
  Tensor q = ex.alloc_tracked({t, s.heads, s.nope + s.rope});
  Tensor kv = ex.alloc_tracked({t, s.kv_rank + s.rope});
  if (s.q_rank > 0) {
    std::array<Tensor, 2> first = {ex.alloc_tracked({t, s.q_rank}), kv};
    const std::array<const PackedWeight*, 2> weights = {&q_a_, &kv_a_};
    norm_linear(ex, x, gain_, s.norm_eps, weights, first);
    ex.sync();
    const std::array<const PackedWeight*, 1> second = {&q_b_};
    norm_linear(ex, first[0], q_gain_, s.latent_eps, second, {&q, 1});
  } else {
    std::array<Tensor, 2> first = {q, kv};
    const std::array<const PackedWeight*, 2> weights = {&q_, &kv_a_};
    norm_linear(ex, x, gain_, s.norm_eps, weights, first);
  }
  ex.sync();
  norm_rows(ex, kv, s.kv_rank, kv_gain_, s.latent_eps);
  const Tensor query = latent_query(ex, q);  // its barrier also completes kv
  const Tensor latents = rope_store_attend(ex, s.attention, rope_table, query, kv, batch, cache);  // (T, H, latent)
  Tensor values = ex.alloc_tracked({t, std::int64_t{s.heads} * s.value});
  head_linear(ex, {latents.f32(), std::int64_t{s.heads} * s.kv_rank, s.kv_rank, latents.gradient}, t, v_maps_,
              {values.f32(), std::int64_t{s.heads} * s.value, s.value, values.gradient});
  linear_residual(ex, values, output_, x);
  ex.rewind(mark);
}

std::size_t LatentAttentionLayer::arena_bytes(const Shape& s, int threads, int tokens) {
  const auto t = static_cast<std::size_t>(tokens), h = static_cast<std::size_t>(s.heads);
  const auto per_head = static_cast<std::size_t>(s.nope + s.rope + s.kv_rank + s.rope + s.value);
  const auto floats = h * per_head + static_cast<std::size_t>(s.kv_rank + s.rope + s.q_rank);
  return t * floats * sizeof(float) + 8 * 64 + attention_arena_bytes(threads, tokens, s.heads, s.kv_rank) +
         activation_bytes(tokens, s.width) + activation_bytes(tokens, s.q_rank) +
         activation_bytes(std::int64_t{tokens} * s.heads, std::max(s.nope, s.kv_rank)) +
         activation_bytes(tokens, std::int64_t{s.heads} * s.value);
}

}  // namespace limpid
