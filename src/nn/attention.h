// The attention layers: parameters and forward of a residual attention, x + W_o attend(norm(x)).
#pragma once

#include <string>
#include <vector>

#include "nn/parameters.h"
#include "ops/attention.h"

namespace limpid {

// Grouped-query attention of Llama and Qwen2 (Ainslie et al., 2023).
class GroupedAttentionLayer {
 public:
  struct Shape {
    int width = 0;  // D
    GroupedAttention attention;
    float norm_eps = 1e-6F;
    bool qkv_bias = false, output_bias = false;
  };
  explicit GroupedAttentionLayer(const Shape& shape) : shape_(shape) {}
  void visit(ParameterVisitor& visitor, int layer);
  void forward(Exec& ex, Tensor& x, const Tensor& rope_table, const Batch& batch,
               const CacheLayer& cache) const;  // x (T, D), in place
  static std::size_t arena_bytes(const Shape& shape, int threads, int tokens);

 private:
  Shape shape_;
  const float* gain_ = nullptr;
  PackedWeight q_, k_, v_, output_;
};

// Multi-head latent attention (DeepSeek-V2, section 2.1), always in its absorbed form: queries go into latent space, the cache holds one latent and
// one RoPE key a token.
class LatentAttentionLayer {
 public:
  struct Shape {
    int width = 0, heads = 0;
    int q_rank = 0;  // 0: the query is not compressed
    int kv_rank = 0, nope = 0, rope = 0, value = 0;
    float norm_eps = 1e-6F;    // of the layer's norm
    float latent_eps = 1e-6F;  // of the norms on the compressed query and the latent
    LatentAttention attention;
  };
  explicit LatentAttentionLayer(const Shape& shape);
  void visit(ParameterVisitor& visitor, int layer);
  void forward(Exec& ex, Tensor& x, const Tensor& rope_table, const Batch& batch, const CacheLayer& cache) const;
  static std::size_t arena_bytes(const Shape& shape, int threads, int tokens);

 private:
  Tensor latent_query(Exec& ex, const Tensor& q) const;

  Shape shape_;
  const float *gain_ = nullptr, *q_gain_ = nullptr, *kv_gain_ = nullptr;
  PackedWeight q_, q_a_, q_b_, kv_a_, output_;
  std::vector<PackedWeight> k_maps_, v_maps_;  // per head: (latent, nope), (value, latent)
};

}  // namespace limpid
