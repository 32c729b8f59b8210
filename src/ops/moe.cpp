#include "ops/moe.h"

#include "ops/activations.h"
#include "ops/moe_choice.h"

namespace limpid {

Routing route(Exec& ex, const Tensor& n, const Gate& gate) {
  const Routing result = routing_at(ex.alloc_bytes(routing_bytes(n.rows(), gate.chosen)), n.rows(), gate.chosen);
  const std::size_t scratch = ex.scratch.mark();
  ActTypes types;
  types.add(gate.weight);
  float* logits =
      reinterpret_cast<float*>(ex.alloc_bytes(static_cast<std::size_t>(n.rows() * gate.experts) * sizeof(float)));
  const ActivationSet rows = make_activations(ex, rows_of(n), nullptr, 0.0F, types);
  const auto [first, last] = ex.share(gate.experts, kStripRows);
  multiply(ex, gate.weight, rows.of(gate.weight), first, last, {logits + first, gate.experts, false});
  ex.sync();
  const auto [begin, end] = ex.share(n.rows());
  const std::int64_t slots = begin * gate.chosen;
  choose_experts(ex, gate, logits + begin * gate.experts, end - begin, {result.ids + slots, result.weights + slots});
  ex.sync();
  ex.scratch.rewind(scratch);
  return result;
}

}  // namespace limpid
