#include "models/decoder.h"

#include <algorithm>

#include "base/error.h"

namespace limpid {

Decoder::Decoder(const ModelConfig& config) : config_(config), rope_(config.rope) {
  info_.architecture = config.architecture;
  info_.vocabulary = config.vocabulary;
  info_.layers = config.layers;
  info_.context_length = config.context;
  for (int layer = 0; layer < config.layers; ++layer) blocks_.emplace_back(config_, rope_, layer);
  for (int k = 0; k < config.mtp_layers; ++k) mtp_.emplace_back(config_, rope_, k);
}

void Decoder::visit(ParameterVisitor& visitor) {
  visitor.matrix({"model.embed_tokens.weight", "token_embd.weight"}, config_.vocabulary, config_.width, embedding_);
  for (Block& block : blocks_) block.visit(visitor, resident_);
  visitor.vector({"model.norm.weight", "output_norm.weight"}, config_.width, gain_);
  if (!config_.tied_embeddings)
    visitor.matrix({"lm_head.weight", "output.weight"}, config_.vocabulary, config_.width, head_);
}

void Decoder::visit_mtp(ParameterVisitor& visitor) {
  for (MtpLayer& layer : mtp_) layer.visit(visitor, resident_);
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
  const std::size_t rows =
      static_cast<std::size_t>(tokens) * static_cast<std::size_t>(c.width + c.rope.dim) * sizeof(float) + 2 * 64;
  return rows + std::max(Block::arena_bytes(c, rope_, tokens, experts_->immediate()),
                         head_arena_bytes(outputs, c.width, c.vocabulary));
}

std::size_t Decoder::scratch_bytes(int tokens) const {
  return std::max(Block::scratch_bytes(config_, tokens), head_scratch_bytes(config_.width));
}

std::size_t Decoder::mtp_arena_bytes(int tokens, int outputs) const {
  const std::size_t rope =
      static_cast<std::size_t>(tokens) * static_cast<std::size_t>(config_.rope.dim) * sizeof(float) + 64;
  return rope + MtpLayer::arena_bytes(config_, tokens) +
         Block::arena_bytes(config_, rope_, tokens, experts_->immediate()) +
         head_arena_bytes(outputs, config_.width, config_.vocabulary);
}

std::size_t Decoder::mtp_scratch_bytes(int tokens) const {
  return std::max(scratch_bytes(tokens), MtpLayer::scratch_bytes(config_));
}

Tensor Decoder::hidden(Exec& ex, const Batch& batch, std::span<const CacheLayer> cache) const {
  Tensor x = embed(ex, embedding_, batch);  // (T, D)
  const Tensor table = rope_table(ex, rope_.rope(), batch);
  for (std::size_t layer = 0; layer < blocks_.size(); ++layer) {
    blocks_[layer].forward(ex, x, table, batch, cache[layer], *experts_);
    if (ex.failed()) return {};
  }
  return x;
}

Tensor Decoder::forward(Exec& ex, const Batch& batch, std::span<const CacheLayer> cache) const {
  const Tensor x = hidden(ex, batch, cache);
  return ex.failed() ? Tensor{} : logits(ex, x, batch);
}

Tensor Decoder::logits(Exec& ex, const Tensor& hidden, const Batch& batch) const {
  return head(ex, hidden, gain_, config_.norm_eps, vocabulary(), batch);
}

MtpOutput Decoder::mtp_forward(Exec& ex, int depth, const Tensor& hidden, MtpInput input, const Batch& next,
                               const CacheLayer& cache) const {
  const MtpLayer& layer = mtp_.at(static_cast<std::size_t>(depth));
  if (!layer.loaded()) fail(ErrorKind::input, "mtp_forward: layer {} of multi-token prediction was not loaded", depth);
  const Tensor table = rope_table(ex, rope_.rope(), next);
  return layer.forward(ex, hidden, input == MtpInput::normed ? gain_ : nullptr, embedding_, vocabulary(), table, next,
                       cache, *experts_);
}

}  // namespace limpid
