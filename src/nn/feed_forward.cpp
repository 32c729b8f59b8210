#include "nn/feed_forward.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "nn/expert_waves.h"
#include "ops/moe_step.h"

namespace limpid {

namespace {

std::size_t most_experts(const MoeLayer::Shape& shape, std::int64_t rows) {
  return static_cast<std::size_t>(std::min<std::int64_t>(shape.gate.experts, rows * shape.gate.chosen));
}

}  // namespace

void GatedMlpLayer::visit(ParameterVisitor& visitor, int layer) {
  const std::string hf = fmt::format("model.layers.{}.", layer), gg = fmt::format("blk.{}.", layer);
  const std::int64_t d = shape_.width, f = shape_.hidden;
  visitor.vector({hf + "post_attention_layernorm.weight", gg + "ffn_norm.weight"}, d, gain_);
  visitor.matrix({hf + "mlp.gate_proj.weight", gg + "ffn_gate.weight"}, f, d, weights_.gate);
  visitor.matrix({hf + "mlp.up_proj.weight", gg + "ffn_up.weight"}, f, d, weights_.up);
  visitor.matrix({hf + "mlp.down_proj.weight", gg + "ffn_down.weight"}, d, f, weights_.down);
  if (!shape_.bias) return;
  visitor.vector({hf + "mlp.gate_proj.bias", gg + "ffn_gate.bias"}, f, weights_.gate.bias);
  visitor.vector({hf + "mlp.up_proj.bias", gg + "ffn_up.bias"}, f, weights_.up.bias);
  visitor.vector({hf + "mlp.down_proj.bias", gg + "ffn_down.bias"}, d, weights_.down.bias);
}

void MoeLayer::visit(ParameterVisitor& visitor, int layer) {
  const std::string hf = fmt::format("model.layers.{}.", layer), gg = fmt::format("blk.{}.", layer);
  const std::int64_t d = shape_.width, shared = shape_.shared_hidden;
  visitor.vector({hf + "post_attention_layernorm.weight", gg + "ffn_norm.weight"}, d, gain_);
  visitor.matrix_f32({hf + "mlp.gate.weight", gg + "ffn_gate_inp.weight"}, gate_.experts, d, gate_.weight);
  if (shape_.gate_bias)
    visitor.vector({hf + "mlp.gate.e_score_correction_bias", gg + "exp_probs_b.bias"}, gate_.experts, gate_.bias);
  if (shared == 0) return;
  visitor.matrix({hf + "mlp.shared_experts.gate_proj.weight", gg + "ffn_gate_shexp.weight"}, shared, d, shared_.gate);
  visitor.matrix({hf + "mlp.shared_experts.up_proj.weight", gg + "ffn_up_shexp.weight"}, shared, d, shared_.up);
  visitor.matrix({hf + "mlp.shared_experts.down_proj.weight", gg + "ffn_down_shexp.weight"}, d, shared, shared_.down);
}

void MoeLayer::visit_experts(ParameterVisitor& visitor, int layer, std::int64_t d, std::int64_t f,
                             std::span<ExpertWeights> experts) {
  const std::string hf = fmt::format("model.layers.{}.", layer), gg = fmt::format("blk.{}.", layer);
  std::vector<PackedWeight*> gates, ups, downs;
  for (ExpertWeights& expert : experts) {
    gates.push_back(&expert.gate);
    ups.push_back(&expert.up);
    downs.push_back(&expert.down);
  }
  visitor.experts({hf + "mlp.experts.{}.gate_proj.weight", gg + "ffn_gate_exps.weight"}, f, d, gates);
  visitor.experts({hf + "mlp.experts.{}.up_proj.weight", gg + "ffn_up_exps.weight"}, f, d, ups);
  visitor.experts({hf + "mlp.experts.{}.down_proj.weight", gg + "ffn_down_exps.weight"}, d, f, downs);
}

void MoeLayer::forward(Exec& ex, Tensor& x, ExpertSource& experts, int layer) const {
  const std::size_t arena = ex.arena.mark(), scratch = ex.scratch.mark();
  const GatedMlpWeights* shared = shape_.shared_hidden > 0 ? &shared_ : nullptr;
  ExpertWaves waves(ex, experts, layer, most_experts(shape_, x.rows()), shared != nullptr);
  MoeStep step(ex, x, gain_, shape_.norm_eps, gate_, experts.like(layer), shared,
               experts.immediate() ? Arrival::together : Arrival::apart, layer);
  waves.want(step.experts(), step.counts());
  do {
    const std::span<const ExpertView> views = waves.next();
    if (waves.failed()) break;
    step.add(views);
  } while (!waves.last());
  if (waves.failed()) {
    step.abandon();
    ex.sync();  // every thread has seen the failure before its memory is given back
  } else {
    step.finish();
  }
  waves.finish();
  ex.scratch.rewind(scratch);
  ex.rewind(arena);
}

std::size_t MoeLayer::arena_bytes(const Shape& s, int tokens, bool immediate) {
  return moe_arena_bytes(tokens, s.width, s.hidden, s.shared_hidden, s.gate.experts, s.gate.chosen,
                         immediate ? Arrival::together : Arrival::apart) +
         (immediate ? 0 : ExpertWaves::list_bytes(most_experts(s, tokens)));
}

std::size_t MoeLayer::scratch_bytes(const Shape& s, int tokens) {
  return moe_scratch_bytes(tokens, s.width, s.gate.experts, s.gate.chosen) +
         ExpertWaves::list_bytes(most_experts(s, tokens));
}

}  // namespace limpid
