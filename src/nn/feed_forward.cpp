#include "nn/feed_forward.h"

#include <fmt/format.h>

namespace limpid {

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
  const std::int64_t d = shape_.width, f = shape_.hidden, shared = shape_.shared_hidden;
  visitor.vector({hf + "post_attention_layernorm.weight", gg + "ffn_norm.weight"}, d, gain_);
  visitor.matrix_f32({hf + "mlp.gate.weight", gg + "ffn_gate_inp.weight"}, gate_.experts, d, gate_.weight);
  if (shape_.gate_bias) visitor.vector({hf + "mlp.gate.e_score_correction_bias", gg + "exp_probs_b.bias"}, gate_.experts, gate_.bias);
  std::vector<PackedWeight*> gates, ups, downs;
  for (ExpertWeights& expert : experts_) {
    gates.push_back(&expert.gate);
    ups.push_back(&expert.up);
    downs.push_back(&expert.down);
  }
  visitor.experts({hf + "mlp.experts.{}.gate_proj.weight", gg + "ffn_gate_exps.weight"}, f, d, gates);
  visitor.experts({hf + "mlp.experts.{}.up_proj.weight", gg + "ffn_up_exps.weight"}, f, d, ups);
  visitor.experts({hf + "mlp.experts.{}.down_proj.weight", gg + "ffn_down_exps.weight"}, d, f, downs);
  if (shared == 0) return;
  visitor.matrix({hf + "mlp.shared_experts.gate_proj.weight", gg + "ffn_gate_shexp.weight"}, shared, d, shared_.gate);
  visitor.matrix({hf + "mlp.shared_experts.up_proj.weight", gg + "ffn_up_shexp.weight"}, shared, d, shared_.up);
  visitor.matrix({hf + "mlp.shared_experts.down_proj.weight", gg + "ffn_down_shexp.weight"}, d, shared, shared_.down);
}

}  // namespace limpid
