#include "ops/gated_mlp.h"

#include <array>
#include <cassert>

#include "ops/gated_hidden.h"
#include "ops/gradient.h"
#include "ops/low_rank.h"

namespace limpid {

namespace {

// What backward reads: x before it changes, and the products.
struct Kept {
  Tensor x, gate, up;
};

Kept keep(Exec& ex, const Tensor& x, std::int64_t f) {
  return {keep_copy(ex, x), ex.alloc(DType::f32, {x.rows(), f}), ex.alloc(DType::f32, {x.rows(), f})};
}

void record(Exec& ex, const Tensor& x, const Kept& kept, const float* gain, float eps, const GatedMlpWeights& weights) {
  const TrainableWeight gate = trainable(ex, weights.gate), up = trainable(ex, weights.up),
                        down = trainable(ex, weights.down);
  const Trainable norm = gain == nullptr ? Trainable{} : ex.tape->at(gain);
  ex.tape->record(ex, [=](Exec& back) {
    const std::int64_t rows = x.rows(), f = kept.gate.columns();
    const std::size_t mark = back.arena.mark();
    const Tensor hidden = back.alloc(DType::f32, {rows, f}), slope = back.alloc(DType::f32, {rows, f});
    const GradientRows dx = rows_of_gradient(x);
    input_backward(back, down.weight, rows, dx, rows_of_values(slope), false);
    back.sync();
    const auto [begin, end] = back.share(rows);
    for (std::int64_t t = begin; t < end; ++t) {
      float *g = kept.gate.row(t), *u = kept.up.row(t);  // the products become their gradients
      back.kernels->silu_mul(g, u, f, hidden.row(t));
      back.kernels->gradient->silu_mul(g, u, slope.row(t), f, g, u);
    }
    back.sync();
    weight_backward(back, down, rows, dx, rows_of_values(hidden));
    back.sync();  // before the residual's gradient changes
    const std::array<ProductGradient, 2> products = {ProductGradient{gate, rows_of_values(kept.gate)},
                                                     ProductGradient{up, rows_of_values(kept.up)}};
    norm_products_backward(back, kept.x, norm, eps, products, dx);
    back.arena.rewind(mark);
  });
}

// With low-rank matrices: product by product, so that each sees its whole rows.
void gated_mlp_apart(Exec& ex, Tensor& x, const float* gain, float eps, const GatedMlpWeights& weights) {
  const std::int64_t rows = x.rows(), f = weights.gate.rows;
  std::array<Tensor, 2> products = {ex.alloc_tracked({rows, f}), ex.alloc_tracked({rows, f})};
  const std::array<const PackedWeight*, 2> from = {&weights.gate, &weights.up};
  norm_linear(ex, x, gain, eps, from, products);
  ex.sync();
  const Tensor gate = products[0], up = products[1], hidden = ex.alloc_tracked({rows, f});
  const auto [begin, end] = ex.share(rows);
  for (std::int64_t t = begin; t < end; ++t) ex.kernels->silu_mul(gate.row(t), up.row(t), f, hidden.row(t));
  ex.tape->record(ex, [=](Exec& back) {
    const auto [first, last] = back.share(rows);
    const auto slope = [&](const Tensor& of, std::int64_t t) { return of.gradient + t * f; };
    for (std::int64_t t = first; t < last; ++t)  // nobody else reads gate and up: their gradients are written
      back.kernels->gradient->silu_mul(gate.row(t), up.row(t), slope(hidden, t), f, slope(gate, t), slope(up, t));
  });
  ex.sync();
  linear_residual(ex, hidden, weights.down, x);
}

}  // namespace

void gated_mlp(Exec& ex, Tensor& x, const float* gain, float eps, const GatedMlpWeights& weights) {
  const std::int64_t rows = x.rows(), d = x.columns(), f = weights.gate.rows;
  assert(weights.gate.columns == d && weights.up.columns == d && weights.up.rows == f);
  assert(weights.down.columns == f && weights.down.rows == d);
  if (has_low_rank(ex, weights.gate) || has_low_rank(ex, weights.up) || has_low_rank(ex, weights.down))
    return gated_mlp_apart(ex, x, gain, eps, weights);
  const Kept kept = ex.tape == nullptr ? Kept{} : keep(ex, x, f);
  const std::size_t arena = ex.arena.mark(), scratch = ex.scratch.mark();
  ActTypes types;
  types.add(weights.gate);
  types.add(weights.up);
  const ActivationSet n = make_activations(ex, rows_of(x), gain, eps, types);
  const ActType type = activation_of(weights.down.type);
  GatedHidden part{&weights.gate, &weights.up, n.of(weights.gate), n.of(weights.up), nullptr, {}};
  if (ex.tape != nullptr) {
    part.keep_gate = kept.gate.f32();
    part.keep_up = kept.up.f32();
  }
  part.hidden = take_activations(ex, Place::arena, type, f, rows);
  const auto [first, last] = ex.share(f, hidden_unit(type));
  fill_hidden(ex, part, first, last);
  ex.sync();
  const auto [begin, end] = ex.share(d, kStripRows);
  multiply(ex, weights.down, part.hidden, begin, end, {x.f32() + begin, d, true});
  ex.sync();
  ex.scratch.rewind(scratch);
  ex.arena.rewind(arena);
  if (ex.tape != nullptr) record(ex, x, kept, gain, eps, weights);
}

std::size_t gated_mlp_arena_bytes(std::int64_t rows, std::int64_t d, std::int64_t f) {
  return activation_bytes(rows, d) + static_cast<std::size_t>(rows) * act_row_bytes(ActType::f32, f);
}

std::size_t gated_mlp_scratch_bytes(std::int64_t d) { return activation_scratch_bytes(d) + hidden_scratch_bytes(); }

}  // namespace limpid
