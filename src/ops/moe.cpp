#include "ops/moe.h"

#include <algorithm>
#include <cassert>
#include <new>

#include "ops/gated_hidden.h"
#include "ops/moe_choice.h"

namespace limpid {

namespace {

// An expert that has rows, or the shared expert, which has all.
struct Part {
  GatedHidden hidden;
  const PackedWeight* down = nullptr;
};
struct Parts {
  Part* data = nullptr;
  int count = 0;        // chosen experts first
  bool shared = false;  // the last one is the shared expert
};

// Floats of the outputs of W_down that a thread keeps at a time: with the hidden rows they go through the caches.
constexpr std::int64_t kOutputFloats = 512 * 1024;
constexpr std::int64_t kOutputColumns = 512;

std::int64_t output_columns(std::int64_t buffers) {
  return std::clamp<std::int64_t>(kOutputFloats / std::max<std::int64_t>(buffers, 1) / kStripRows * kStripRows,
                                  kStripRows, kOutputColumns);
}

std::int64_t buffers_of(std::int64_t rows, int chosen) { return rows * (chosen + 1); }

// n in the types that gate and experts want, and the routing of all rows; both complete on this thread. One barrier.
struct Routed {
  ActivationSet n;
  Routing routing;
};

Routed route_rows(Exec& ex, const RowSource& x, const float* gain, float eps, const Gate& gate, const ActTypes& types) {
  const bool few = x.rows <= kFewRows;
  const Place place = few ? Place::scratch : Place::arena;
  float* row = take_floats(ex, act_padded(x.columns));
  Routed result;
  result.n = take_activations(ex, place, types, x.columns, x.rows);
  const std::size_t bytes = routing_bytes(x.rows, gate.chosen);
  result.routing = routing_at(few ? take_scratch(ex, bytes) : ex.alloc_bytes(bytes), x.rows, gate.chosen);
  const Activations& scored = result.n.of(gate.weight);
  if (few) {  // the gate's weights are split, what follows is cheaper done by everyone
    const Tensor logits = ex.alloc(DType::f32, {x.rows, gate.experts});
    fill_activations(ex, x, gain, eps, 0, x.rows, row, result.n);
    const auto [begin, end] = ex.share(gate.experts, kStripRows);
    multiply(ex, gate.weight, scored, begin, end, {logits.f32() + begin, gate.experts, false});
    ex.sync();
    choose_experts(ex, gate, logits.f32(), x.rows, result.routing);
    return result;
  }
  const auto [begin, end] = ex.share(x.rows);
  fill_activations(ex, x, gain, eps, begin, end, row, result.n);
  const std::int64_t slots = begin * gate.chosen;
  score_and_choose(ex, gate, slice(scored, begin, end), {result.routing.ids + slots, result.routing.weights + slots});
  ex.sync();
  return result;
}

// The experts that have rows, each with its part of the hidden rows.
Parts list_parts(Exec& ex, const ActivationSet& n, const Gate& gate, std::span<const ExpertWeights> experts,
                 const GatedMlpWeights* shared, const ExpertGroups& groups, std::int64_t rows) {
  Parts parts;
  parts.data = reinterpret_cast<Part*>(take_scratch(ex, (experts.size() + 1) * sizeof(Part)));
  auto add = [&](const auto& weights, const Activations& hidden, const std::int32_t* gather) {
    const GatedHidden part{&weights.gate, &weights.up, n.of(weights.gate), n.of(weights.up), gather, hidden};
    new (parts.data + parts.count++) Part{part, &weights.down};
  };
  const PackedWeight& down = experts.front().down;
  const Activations all =
      take_activations(ex, Place::arena, activation_of(down.type), down.columns, rows * gate.chosen);
  for (std::size_t e = 0; e < experts.size(); ++e) {
    const std::int32_t begin = groups.first[e], end = groups.first[e + 1];
    if (begin < end) add(experts[e], slice(all, begin, end), groups.rows + begin);
  }
  if (shared != nullptr) {
    parts.shared = true;
    const ActType type = activation_of(shared->down.type);
    add(*shared, take_activations(ex, Place::arena, type, shared->down.columns, rows), nullptr);
  }
  return parts;
}

// This thread's share of all hidden columns of all parts. A unit of columns costs its rows and, about as much as four
// rows, the reading of its weights; an estimate.
void fill_hidden_share(Exec& ex, const Parts& parts) {
  auto unit = [](const Part& part) { return hidden_unit(part.hidden.hidden.type); };
  auto units = [&](const Part& part) { return (part.hidden.hidden.columns + unit(part) - 1) / unit(part); };
  auto cost = [&](const Part& part) { return (part.hidden.hidden.rows + 4) * unit(part); };
  std::int64_t total = 0;
  for (int i = 0; i < parts.count; ++i) total += units(parts.data[i]) * cost(parts.data[i]);
  // A unit belongs to the thread in whose share of the cost it begins.
  auto share_begin = [&](int thread) { return (total * thread + ex.threads - 1) / ex.threads; };
  const std::int64_t from = share_begin(ex.thread), to = share_begin(ex.thread + 1);
  std::int64_t start = 0;
  for (int i = 0; i < parts.count; ++i) {
    const Part& part = parts.data[i];
    const std::int64_t n = units(part), each = cost(part);
    auto unit_at = [&](std::int64_t where) {
      return std::clamp<std::int64_t>((where - start + each - 1) / each, 0, where <= start ? 0 : n);
    };
    const std::int64_t begin = unit_at(from) * unit(part),
                       end = std::min(unit_at(to) * unit(part), part.hidden.hidden.columns);
    if (begin < end) fill_hidden(ex, part.hidden, begin, end);
    start += n * each;
  }
}

// Columns [begin, end) of x += the weighted sum of the experts, then the shared expert.
void add_outputs(Exec& ex, const Tensor& x, const Parts& parts, const ExpertGroups& groups, const Gate& gate,
                 const float* weights, std::int64_t begin, std::int64_t end) {
  const std::int64_t rows = x.rows(), pairs = rows * gate.chosen;
  const std::int64_t width = output_columns(buffers_of(rows, gate.chosen));
  const std::size_t scratch = ex.scratch.mark();
  float* outputs = take_floats(ex, buffers_of(rows, gate.chosen) * width);
  float* sum = take_floats(ex, kOutputColumns);
  for (std::int64_t c = begin; c < end; c += width) {
    const std::int64_t stop = std::min(end, c + width), n = stop - c;
    float* to = outputs;
    for (int i = 0; i < parts.count; ++i) {
      const Part& part = parts.data[i];
      multiply(ex, *part.down, part.hidden.hidden, c, stop, {to, width, false});
      to += part.hidden.hidden.rows * width;
    }
    for (std::int64_t t = 0; t < rows; ++t) {
      std::fill_n(sum, n, 0.0F);
      for (std::int64_t slot = t * gate.chosen; slot < (t + 1) * gate.chosen; ++slot)
        ex.kernels->scale_add(outputs + groups.position[slot] * width, weights[slot], n, sum);
      if (parts.shared) ex.kernels->add(sum, outputs + (pairs + t) * width, n, sum);
      ex.kernels->add(x.row(t) + c, sum, n, x.row(t) + c);
    }
  }
  ex.scratch.rewind(scratch);
}

}  // namespace

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

void moe(Exec& ex, Tensor& x, const float* gain, float eps, const Gate& gate, std::span<const ExpertWeights> experts,
         const GatedMlpWeights* shared) {
  assert(experts.size() == static_cast<std::size_t>(gate.experts));
  const std::int64_t rows = x.rows(), d = x.columns();
  const std::size_t arena = ex.arena.mark(), scratch = ex.scratch.mark();
  ActTypes types;
  types.add(gate.weight);
  types.add(experts.front().gate);
  types.add(experts.front().up);
  if (shared != nullptr) {
    types.add(shared->gate);
    types.add(shared->up);
  }
  const Routed routed = route_rows(ex, rows_of(x), gain, eps, gate, types);
  const ExpertGroups groups = group_by_expert(ex, gate, routed.routing.ids, rows);
  const Parts parts = list_parts(ex, routed.n, gate, experts, shared, groups, rows);
  fill_hidden_share(ex, parts);
  ex.sync();
  const auto [begin, end] = ex.share(d, kStripRows);
  add_outputs(ex, x, parts, groups, gate, routed.routing.weights, begin, end);
  ex.sync();
  ex.scratch.rewind(scratch);
  ex.arena.rewind(arena);
}

std::size_t moe_arena_bytes(std::int64_t rows, std::int64_t d, std::int64_t f, std::int64_t shared_f, int experts,
                            int chosen) {
  const auto t = static_cast<std::size_t>(rows);
  const std::size_t hidden =
      t * static_cast<std::size_t>(chosen) * act_row_bytes(ActType::f32, f) + t * act_row_bytes(ActType::f32, shared_f);
  return activation_bytes(rows, d) + routing_bytes(rows, chosen) + hidden +
         scratch_size(t * static_cast<std::size_t>(experts) * sizeof(float));
}

std::size_t moe_scratch_bytes(std::int64_t rows, std::int64_t d, int experts, int chosen) {
  const std::int64_t buffers = buffers_of(rows, chosen);
  const std::int64_t outputs = std::min(std::max(kOutputFloats, buffers * kStripRows), buffers * kOutputColumns);
  const std::size_t sums =
      scratch_size(static_cast<std::size_t>(outputs) * sizeof(float)) + scratch_size(kOutputColumns * sizeof(float));
  return activation_scratch_bytes(d) + routing_bytes(std::min(rows, kFewRows), chosen) +
         group_scratch_bytes(rows, experts, chosen) +
         scratch_size((static_cast<std::size_t>(experts) + 1) * sizeof(Part)) +
         std::max({hidden_scratch_bytes(), choice_scratch_bytes(experts), sums});
}

}  // namespace limpid
