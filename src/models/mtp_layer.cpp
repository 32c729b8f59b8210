#include "models/mtp_layer.h"

#include <fmt/format.h>

#include <algorithm>

#include "ops/gradient.h"

namespace limpid {

MtpLayer::MtpLayer(const ModelConfig& c, const RopeFrequencies& rope, int depth)
    : layer_(c.layers + depth),
      width_(c.width),
      vocabulary_size_(c.vocabulary),
      norm_eps_(c.norm_eps),
      own_embedding_(c.mtp_own_embedding),
      own_head_(c.mtp_own_head),
      block_(c, rope, layer_) {}

void MtpLayer::visit(ParameterVisitor& visitor, ResidentExperts& experts) {
  const std::string hf = fmt::format("model.layers.{}.", layer_), gg = fmt::format("blk.{}.nextn.", layer_);
  const std::int64_t d = width_, v = vocabulary_size_;
  visitor.vector({hf + "enorm.weight", gg + "enorm.weight"}, d, embedding_gain_);
  visitor.vector({hf + "hnorm.weight", gg + "hnorm.weight"}, d, hidden_gain_);
  visitor.matrix({hf + "eh_proj.weight", gg + "eh_proj.weight"}, d, 2 * d, join_);
  if (own_embedding_) visitor.matrix({hf + "embed_tokens.weight", gg + "embed_tokens.weight"}, v, d, embedding_);
  block_.visit(visitor, experts);
  visitor.vector({hf + "shared_head.norm.weight", gg + "shared_head_norm.weight"}, d, head_gain_);
  if (own_head_) visitor.matrix({hf + "shared_head.head.weight", gg + "shared_head_head.weight"}, v, d, head_);
}

namespace {

// Of joined (T, 2 D) = [norm_e(embedded) ; norm_h(hidden)], with a norm before norm_h where `final` has values.
struct JoinedNorms {
  Tensor joined, embedded, hidden;
  Trainable of_embedding, of_hidden, final;
  float eps;
};

void norms_backward(Exec& ex, const JoinedNorms& j) {
  const std::size_t mark = ex.arena.mark();
  const std::int64_t rows = j.joined.rows(), d = j.embedded.columns();
  const Tensor inverses = ex.alloc(DType::f32, {3, rows});
  const GradientRows left{j.joined.gradient, 2 * d, nullptr}, right{j.joined.gradient + d, 2 * d, nullptr};
  norm_backward(ex, rows_of_values(j.embedded), j.of_embedding, j.eps, rows, left, rows_of_gradient(j.embedded),
                inverses.row(0));
  if (j.final.values == nullptr) {
    norm_backward(ex, rows_of_values(j.hidden), j.of_hidden, j.eps, rows, right, rows_of_gradient(j.hidden),
                  inverses.row(1));
  } else {
    const Tensor normed = ex.alloc(DType::f32, {rows, d}), gradient = ex.alloc(DType::f32, {rows, d});
    const auto [begin, end] = ex.share(rows);  // the shares of norm_backward
    for (std::int64_t t = begin; t < end; ++t)
      ex.kernels->rms_norm(j.hidden.row(t), j.final.values, j.eps, d, normed.row(t));
    std::fill(gradient.row(begin), gradient.row(end), 0.0F);
    ex.sync();
    norm_backward(ex, rows_of_values(normed), j.of_hidden, j.eps, rows, right, rows_of_values(gradient),
                  inverses.row(1));
    ex.sync();
    norm_backward(ex, rows_of_values(j.hidden), j.final, j.eps, rows, rows_of_values(gradient),
                  rows_of_gradient(j.hidden), inverses.row(2));
  }
  ex.arena.rewind(mark);
}

}  // namespace

// x (T, D) = M [norm_e(embedded) ; norm_h(hidden)].
void MtpLayer::join(Exec& ex, const Tensor& embedded, const Tensor& hidden, const float* final_gain, Tensor& x) const {
  const std::size_t mark = ex.arena.mark();
  const std::int64_t d = width_;
  const Tensor joined = ex.alloc_tracked({x.rows(), 2 * d});
  const auto [begin, end] = ex.share(x.rows());
  for (std::int64_t r = begin; r < end; ++r) {
    ex.kernels->rms_norm(embedded.row(r), embedding_gain_, norm_eps_, d, joined.row(r));
    float* right = joined.row(r) + d;
    const float* from = hidden.row(r);
    if (final_gain != nullptr) ex.kernels->rms_norm(from, final_gain, norm_eps_, d, right);
    ex.kernels->rms_norm(final_gain != nullptr ? right : from, hidden_gain_, norm_eps_, d, right);
  }
  if (ex.tape != nullptr) {
    const JoinedNorms norms{joined,
                            embedded,
                            hidden,
                            ex.tape->at(embedding_gain_),
                            ex.tape->at(hidden_gain_),
                            final_gain != nullptr ? ex.tape->at(final_gain) : Trainable{},
                            norm_eps_};
    ex.tape->record(ex, [norms](Exec& back) { norms_backward(back, norms); });
  }
  ex.sync();
  linear(ex, joined, join_, x);
  ex.rewind(mark);
}

MtpOutput MtpLayer::forward(Exec& ex, const Tensor& hidden, const float* final_gain, const PackedWeight& embedding,
                            const PackedWeight& vocabulary, const Tensor& rope_table, const Batch& next,
                            const CacheLayer& cache, ExpertSource& experts) const {
  Tensor x = ex.alloc_tracked({next.tokens(), width_});
  const std::size_t mark = ex.arena.mark();
  const Tensor embedded = embed(ex, own_embedding_ ? embedding_ : embedding, next);
  join(ex, embedded, hidden, final_gain, x);
  ex.rewind(mark);
  block_.forward(ex, x, rope_table, next, cache, experts);
  if (ex.failed()) return {};
  return {x, head(ex, x, head_gain_, norm_eps_, own_head_ ? head_ : vocabulary, next)};
}

std::size_t MtpLayer::arena_bytes(const ModelConfig& c, int tokens) {
  const std::size_t row = static_cast<std::size_t>(c.width) * sizeof(float);
  return static_cast<std::size_t>(tokens) * 4 * row + 3 * 64 + activation_bytes(tokens, 2 * std::int64_t{c.width});
}

std::size_t MtpLayer::scratch_bytes(const ModelConfig& c) { return linear_scratch_bytes(2 * std::int64_t{c.width}); }

}  // namespace limpid
