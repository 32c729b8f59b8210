#include <fmt/format.h>

#include <array>

#include "nn/attention.h"

namespace limpid {

void GroupedAttentionLayer::visit(ParameterVisitor& visitor, int layer) {
  const std::string hf = fmt::format("model.layers.{}.", layer), gg = fmt::format("blk.{}.", layer);
  const GroupedAttention& a = shape_.attention;
  const std::int64_t d = shape_.width, q_rows = std::int64_t{a.heads} * a.key_dim,
                     k_rows = std::int64_t{a.kv_heads} * a.key_dim, v_rows = std::int64_t{a.kv_heads} * a.value_dim;
  visitor.vector({hf + "input_layernorm.weight", gg + "attn_norm.weight"}, d, gain_);
  visitor.matrix({hf + "self_attn.q_proj.weight", gg + "attn_q.weight"}, q_rows, d, q_);
  visitor.matrix({hf + "self_attn.k_proj.weight", gg + "attn_k.weight"}, k_rows, d, k_);
  visitor.matrix({hf + "self_attn.v_proj.weight", gg + "attn_v.weight"}, v_rows, d, v_);
  if (shape_.qkv_bias) {
    visitor.vector({hf + "self_attn.q_proj.bias", gg + "attn_q.bias"}, q_rows, q_.bias);
    visitor.vector({hf + "self_attn.k_proj.bias", gg + "attn_k.bias"}, k_rows, k_.bias);
    visitor.vector({hf + "self_attn.v_proj.bias", gg + "attn_v.bias"}, v_rows, v_.bias);
  }
  visitor.matrix({hf + "self_attn.o_proj.weight", gg + "attn_output.weight"}, d, std::int64_t{a.heads} * a.value_dim,
                 output_);
  if (shape_.output_bias) visitor.vector({hf + "self_attn.o_proj.bias", gg + "attn_output.bias"}, d, output_.bias);
}

void GroupedAttentionLayer::forward(Exec& ex, Tensor& x, const Tensor& rope_table, const Batch& batch,
                                    const CacheLayer& cache) const {
  const GroupedAttention& a = shape_.attention;
  const std::size_t mark = ex.arena.mark();
  const std::int64_t t = x.rows();
  std::array<Tensor, 3> qkv = {ex.alloc_tracked({t, a.heads, a.key_dim}), ex.alloc_tracked({t, a.kv_heads, a.key_dim}),
                               ex.alloc_tracked({t, a.kv_heads, a.value_dim})};
  const std::array<const PackedWeight*, 3> weights = {&q_, &k_, &v_};
  norm_linear(ex, x, gain_, shape_.norm_eps, weights, qkv);
  ex.sync();
  const Tensor attended =
      rope_store_attend(ex, a, rope_table, qkv[0], qkv[1], qkv[2], batch, cache);  // (T, H * value_dim)
  linear_residual(ex, attended, output_, x);
  ex.rewind(mark);
}

std::size_t GroupedAttentionLayer::arena_bytes(const Shape& s, int threads, int tokens) {
  const GroupedAttention& a = s.attention;
  const auto t = static_cast<std::size_t>(tokens);
  const auto floats = static_cast<std::size_t>(a.heads) * static_cast<std::size_t>(a.key_dim) +
                      static_cast<std::size_t>(a.kv_heads) * static_cast<std::size_t>(a.key_dim + a.value_dim);
  return t * floats * sizeof(float) + 3 * 64 + attention_arena_bytes(threads, tokens, a.heads, a.value_dim) +
         activation_bytes(tokens, s.width) + activation_bytes(tokens, std::int64_t{a.heads} * a.value_dim);
}

}  // namespace limpid
