// Decoder: what all our models are, a stack of blocks between an embedding and a head; the blocks differ by config. llama and qwen2 have
// grouped-query attention and a gated MLP; deepseek_v3 has latent attention and, after its first dense layers, a mixture of experts.
#pragma once

#include <memory>
#include <variant>
#include <vector>

#include "base/memory.h"
#include "models/config.h"
#include "models/model.h"
#include "nn/attention.h"
#include "nn/feed_forward.h"
#include "ops/embed.h"

namespace limpid {

class Block {
 public:
  Block(const ModelConfig& config, const RopeFrequencies& rope, int layer);
  void visit(ParameterVisitor& visitor, int layer);
  // x (T, D), in place: x + attend(norm(x)), then x + (GatedMlp | Moe)(norm(x)).
  void forward(Exec& ex, Tensor& x, const Tensor& rope_table, const Batch& batch, const CacheLayer& cache) const;

 private:
  std::variant<GroupedAttentionLayer, LatentAttentionLayer> attention_;
  std::variant<GatedMlpLayer, MoeLayer> feed_forward_;
};

class Decoder final : public Model {
 public:
  explicit Decoder(const ModelConfig& config);  // without weights: visit() lists where they go
  void visit(ParameterVisitor& visitor);
  // Keeps the memory that the visited parameters point into.
  void own(HugeBuffer packed, std::vector<std::unique_ptr<float[]>> vectors, std::uint64_t fingerprint);

  const ModelInfo& info() const override { return info_; }
  CacheLayout cache_layout(CacheType type) const override;
  std::size_t arena_bytes(int tokens, int outputs) const override;
  std::size_t scratch_bytes(int tokens) const override;
  Tensor forward(Exec& ex, const Batch& batch, std::span<const CacheLayer> cache) const override;

 private:
  ModelConfig config_;
  ModelInfo info_;
  RopeFrequencies rope_;
  std::vector<Block> blocks_;
  PackedWeight embedding_, head_;
  const float* gain_ = nullptr;
  HugeBuffer packed_;
  std::vector<std::unique_ptr<float[]>> vectors_;
};

}  // namespace limpid
