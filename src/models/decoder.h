// Decoder: what all our models are, a stack of blocks between an embedding and a head; the blocks differ by config. llama and qwen2 have
// grouped-query attention and a gated MLP; deepseek_v3 has latent attention and, after its first dense layers, a mixture of experts.
#pragma once

#include <memory>
#include <vector>

#include "base/memory.h"
#include "models/block.h"
#include "models/config.h"
#include "models/model.h"
#include "models/mtp_layer.h"

namespace limpid {

class Decoder final : public Model {
 public:
  explicit Decoder(const ModelConfig& config);  // without weights: visit() lists where they go
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
  void visit(ParameterVisitor& visitor);
  void visit_mtp(ParameterVisitor& visitor);  // the layers of multi-token prediction, which visit() leaves out
  // Keeps the memory that the visited parameters point into.
  void own(HugeBuffer packed, std::vector<std::unique_ptr<float[]>> vectors, std::uint64_t fingerprint);

  const ModelConfig& config() const { return config_; }
  const ModelInfo& info() const override { return info_; }
  CacheLayout cache_layout(CacheType type) const override;
  std::size_t arena_bytes(int tokens, int outputs) const override;
  std::size_t scratch_bytes(int tokens) const override;
  Tensor forward(Exec& ex, const Batch& batch, std::span<const CacheLayer> cache) const override;

  // forward() in two parts, for who wants what is between: x (T, D) after all blocks, and the logits of the output rows from it.
  Tensor hidden(Exec& ex, const Batch& batch, std::span<const CacheLayer> cache) const;
  Tensor logits(Exec& ex, const Tensor& hidden, const Batch& batch) const;

  // Multi-token prediction of one depth (models/mtp_layer.h). hidden (T, D): of the main model's hidden(), or of the depth before. next: the batch of
  // the main step with ids moved on by one: row i holds the id of position i + 1, at position i. cache: this depth's own, in the same layout and
  // pages. Needs mtp_arena_bytes beside what forward() takes, for both in one step. Throws Error(input) on every thread where it is not loaded.
  MtpOutput mtp_forward(Exec& ex, int depth, const Tensor& hidden, MtpInput input, const Batch& next,
                        const CacheLayer& cache) const;
  int mtp_layers() const { return static_cast<int>(mtp_.size()); }
  std::size_t mtp_arena_bytes(int tokens, int outputs) const;
  std::size_t mtp_scratch_bytes(int tokens) const;

  // Takes routed experts from `source`, which outlives the decoder, instead of from memory. Before arena_bytes() is asked and any step runs.
  void use_experts(ExpertSource& source) { experts_ = &source; }
  ResidentExperts& resident_experts() { return resident_; }

 private:
  const PackedWeight& vocabulary() const { return config_.tied_embeddings ? embedding_ : head_; }

  ModelConfig config_;
  ModelInfo info_;
  RopeFrequencies rope_;
  std::vector<Block> blocks_;
  std::vector<MtpLayer> mtp_;
  ResidentExperts resident_;
  ExpertSource* experts_ = &resident_;
  PackedWeight embedding_, head_;
  const float* gain_ = nullptr;
  HugeBuffer packed_;
  std::vector<std::unique_ptr<float[]>> vectors_;
};

}  // namespace limpid
