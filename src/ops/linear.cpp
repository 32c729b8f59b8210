#include "ops/linear.h"

#include <algorithm>
#include <cassert>
#include <vector>

#include "ops/activations.h"
#include "ops/linear_backward.h"
#include "ops/low_rank.h"

namespace limpid {

namespace {

LowRankRows add_low_rank(Exec& ex, const Tensor& input, const PackedWeight& weight, const Tensor& out) {
  const LowRankRows low = low_rank_forward(ex, input, nullptr, 0.0F, weight, out);
  if (low.rows != nullptr) ex.sync();
  return low;
}

// out (+)= input W^T: quantise, each thread its strips, a barrier.
void linear_rows(Exec& ex, const Tensor& input, const PackedWeight& weight, const Tensor& out, bool accumulate) {
  assert(input.columns() == weight.columns && out.columns() == weight.rows && out.rows() == input.rows());
  const std::size_t arena = ex.arena.mark(), scratch = ex.scratch.mark();
  ActTypes types;
  types.add(weight);
  const ActivationSet rows = make_activations(ex, rows_of(input), nullptr, 0.0F, types);
  const auto [begin, end] = ex.share(weight.rows, kStripRows);
  multiply(ex, weight, rows.of(weight), begin, end, {out.f32() + begin, weight.rows, accumulate});
  ex.sync();
  ex.scratch.rewind(scratch);
  ex.arena.rewind(arena);  // while a tape records too: backward reads the input itself
  if (ex.tape != nullptr) record_linear(ex, input, weight, out, add_low_rank(ex, input, weight, out));
}

}  // namespace

void norm_linear(Exec& ex, const Tensor& x, const float* gain, float eps, std::span<const PackedWeight* const> weights,
                 std::span<Tensor> out) {
  assert(weights.size() == out.size());
  const std::size_t scratch = ex.scratch.mark();
  ActTypes types;
  std::int64_t strips = 0;
  for (const PackedWeight* weight : weights) {
    types.add(*weight);
    strips += (weight->rows + kStripRows - 1) / kStripRows;
  }
  const ActivationSet rows = make_activations(ex, rows_of(x), gain, eps, types);
  // The strips of all weights in a row are split, so that a narrow weight does not leave threads idle.
  const auto [first, last] = ex.share(strips);
  std::int64_t before = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const PackedWeight& weight = *weights[i];
    assert(out[i].rows() == x.rows() && out[i].columns() == weight.rows);
    const std::int64_t count = (weight.rows + kStripRows - 1) / kStripRows;
    const std::int64_t begin = std::clamp<std::int64_t>(first - before, 0, count) * kStripRows;
    const std::int64_t end = std::min(weight.rows, std::clamp<std::int64_t>(last - before, 0, count) * kStripRows);
    if (begin < end) multiply(ex, weight, rows.of(weight), begin, end, {out[i].f32() + begin, weight.rows, false});
    before += count;
  }
  ex.scratch.rewind(scratch);
  if (ex.tape == nullptr) return;
  std::vector<LowRankRows> low(weights.size());
  if (std::ranges::any_of(weights, [&](const PackedWeight* weight) { return has_low_rank(ex, *weight); })) {
    ex.sync();  // out is complete
    for (std::size_t i = 0; i < weights.size(); ++i) low[i] = low_rank_forward(ex, x, gain, eps, *weights[i], out[i]);
  }
  record_norm_linear(ex, x, gain, eps, weights, out, low);
}

void linear(Exec& ex, const Tensor& input, const PackedWeight& weight, Tensor& out) {
  linear_rows(ex, input, weight, out, false);
}

void linear_residual(Exec& ex, const Tensor& input, const PackedWeight& weight, Tensor& x) {
  linear_rows(ex, input, weight, x, true);
}

void head_linear(Exec& ex, HeadRows input, std::int64_t rows, std::span<const PackedWeight> weights, HeadRows out) {
  const PackedWeight& any = weights.front();
  const std::size_t scratch = ex.scratch.mark();
  ActTypes types;
  types.add(any);
  const auto type = static_cast<std::size_t>(activation_of(any.type));
  ActivationSet set = take_activations(ex, Place::scratch, types, any.columns, std::min(rows, kTokenChunk));
  // Each thread quantises what it multiplies: only a head that two threads share is quantised twice, and no barrier is
  // needed between.
  const std::int64_t strips = (any.rows + kStripRows - 1) / kStripRows;
  const auto [first, last] = ex.share(strips * static_cast<std::int64_t>(weights.size()));
  for (std::int64_t s = first; s < last;) {
    const std::int64_t head = s / strips, end_strip = std::min(last - head * strips, strips);
    const std::int64_t begin = (s - head * strips) * kStripRows, end = std::min(any.rows, end_strip * kStripRows);
    for (std::int64_t t = 0; t < rows; t += kTokenChunk) {
      const std::int64_t count = std::min(kTokenChunk, rows - t);
      const RowSource source{input.data + t * input.row_stride + head * input.head_stride, input.row_stride, count,
                             any.columns, nullptr};
      fill_activations(ex, source, nullptr, 0.0F, 0, count, nullptr, set);
      float* to = out.data + t * out.row_stride + head * out.head_stride + begin;
      multiply(ex, weights[static_cast<std::size_t>(head)], slice(set.of_type[type], 0, count), begin, end,
               {to, out.row_stride, false});
    }
    s = head * strips + end_strip;
  }
  ex.sync();
  ex.scratch.rewind(scratch);
  if (ex.tape != nullptr) record_head_linear(ex, input, rows, weights, out);
}

std::size_t linear_scratch_bytes(std::int64_t columns) { return activation_scratch_bytes(columns); }

std::size_t head_linear_scratch_bytes(std::int64_t columns) {
  return static_cast<std::size_t>(kTokenChunk) * act_row_bytes(ActType::f32, columns);
}

}  // namespace limpid
