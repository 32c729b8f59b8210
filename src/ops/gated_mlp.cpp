#include "ops/gated_mlp.h"

#include <cassert>

#include "ops/gated_hidden.h"

namespace limpid {

void gated_mlp(Exec& ex, Tensor& x, const float* gain, float eps, const GatedMlpWeights& weights) {
  const std::int64_t rows = x.rows(), d = x.columns(), f = weights.gate.rows;
  assert(weights.gate.columns == d && weights.up.columns == d && weights.up.rows == f);
  assert(weights.down.columns == f && weights.down.rows == d);
  const std::size_t arena = ex.arena.mark(), scratch = ex.scratch.mark();
  ActTypes types;
  types.add(weights.gate);
  types.add(weights.up);
  const ActivationSet n = make_activations(ex, rows_of(x), gain, eps, types);
  const ActType type = activation_of(weights.down.type);
  GatedHidden part{&weights.gate, &weights.up, n.of(weights.gate), n.of(weights.up), nullptr, {}};
  part.hidden = take_activations(ex, Place::arena, type, f, rows);
  const auto [first, last] = ex.share(f, hidden_unit(type));
  fill_hidden(ex, part, first, last);
  ex.sync();
  const auto [begin, end] = ex.share(d, kStripRows);
  multiply(ex, weights.down, part.hidden, begin, end, {x.f32() + begin, d, true});
  ex.sync();
  ex.scratch.rewind(scratch);
  ex.arena.rewind(arena);
}

std::size_t gated_mlp_arena_bytes(std::int64_t rows, std::int64_t d, std::int64_t f) {
  return activation_bytes(rows, d) + static_cast<std::size_t>(rows) * act_row_bytes(ActType::f32, f);
}

std::size_t gated_mlp_scratch_bytes(std::int64_t d) { return activation_scratch_bytes(d) + hidden_scratch_bytes(); }

}  // namespace limpid
