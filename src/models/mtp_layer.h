// MtpLayer: one depth of multi-token prediction (DeepSeek-V3, section 2.2, equations 21 to 23): from the hidden state of position i and the id of
// position i + 1 it predicts the id of position i + 2.
//
//   h'_i = M [norm_e(emb(t_{i+1})) ; norm_h(h_i)]      M (D, 2 D), eh_proj; the embedding's half comes first in the published weights
//   y    = block(h')                                    attention over its own cache, then a mixture of experts
//   p    = W_vocabulary norm(y_i)                       shared_head
//
// Embedding and vocabulary matrix are the main model's; published files repeat them, and what a file repeats is used as it stands there.
#pragma once

#include "models/block.h"
#include "ops/embed.h"

namespace limpid {

// What norm_h sees: the main model's hidden state behind its final norm, or before. The paper does not say. Engines that serve the published weights
// (vLLM, SGLang) hand over the normed one.
enum class MtpInput { normed, raw };

struct MtpOutput {
  Tensor hidden;  // (T, D): y, the next depth's input (raw)
  Tensor logits;  // (outputs, V)
};

class MtpLayer {
 public:
  MtpLayer(const ModelConfig& config, const RopeFrequencies& rope, int depth);
  void visit(ParameterVisitor& visitor, ResidentExperts& experts);
  bool loaded() const { return join_.data != nullptr; }

  // final_gain: of the norm between h and norm_h; null: none. embedding, vocabulary: the main model's. Both tensors it returns stay in the arena.
  // Starts after a barrier; ends with one. In a failed step (Exec::failed) it returns empty tensors.
  MtpOutput forward(Exec& ex, const Tensor& hidden, const float* final_gain, const PackedWeight& embedding,
                    const PackedWeight& vocabulary, const Tensor& rope_table, const Batch& next,
                    const CacheLayer& cache, ExpertSource& experts) const;

  // Of forward(), without its block and head.
  static std::size_t arena_bytes(const ModelConfig& config, int tokens);
  static std::size_t scratch_bytes(const ModelConfig& config);

 private:
  void join(Exec& ex, const Tensor& embedded, const Tensor& hidden, const float* final_gain, Tensor& x) const;

  int layer_ = 0;  // its number in the files
  int width_ = 0, vocabulary_size_ = 0;
  float norm_eps_ = 0;
  bool own_embedding_ = false, own_head_ = false;
  Block block_;
  PackedWeight join_, embedding_, head_;
  const float *embedding_gain_ = nullptr, *hidden_gain_ = nullptr, *head_gain_ = nullptr;
};

}  // namespace limpid
