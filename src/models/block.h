// Block: one layer of a decoder, attention and feed-forward; which kinds is chosen by the configuration and the layer's number.
#pragma once

#include <variant>

#include "models/config.h"
#include "models/resident_experts.h"
#include "nn/attention.h"
#include "nn/feed_forward.h"

namespace limpid {

class Block {
 public:
  Block(const ModelConfig& config, const RopeFrequencies& rope, int layer);
  // experts: where the routed experts of this layer go, if it has any.
  void visit(ParameterVisitor& visitor, ResidentExperts& experts);
  // x (T, D), in place: x + attend(norm(x)), then x + (GatedMlp | Moe)(norm(x)).
  void forward(Exec& ex, Tensor& x, const Tensor& rope_table, const Batch& batch, const CacheLayer& cache,
               ExpertSource& experts) const;

  // For a step of at most `tokens` rows, whichever kinds of layers the model has. immediate: of the source of its experts.
  static std::size_t arena_bytes(const ModelConfig& config, const RopeFrequencies& rope, int tokens, bool immediate);
  static std::size_t scratch_bytes(const ModelConfig& config, int tokens);

 private:
  int layer_ = 0;
  int width_ = 0, expert_width_ = 0, expert_count_ = 0;  // of the routed experts; 0 of them: a plain MLP
  std::variant<GroupedAttentionLayer, LatentAttentionLayer> attention_;
  std::variant<GatedMlpLayer, MoeLayer> feed_forward_;
};

// Latent attention (DeepSeek) or grouped-query attention (Llama, Qwen2).
inline bool is_latent(const ModelConfig& config) { return config.kv_rank > 0; }

}  // namespace limpid
