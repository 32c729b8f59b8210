#include "ops/moe_backward.h"

#include <algorithm>

#include "ops/gate_backward.h"
#include "ops/moe_choice.h"
#include "ops/moe_step.h"

namespace limpid {

namespace {

// What lives while the closure runs.
struct Work {
  ExpertGroups groups;
  Tensor n, dn, scores;                // (T, D), (T, D), (T, E)
  Tensor hidden, slope;                // (pairs, F): weighted h; u, then nothing
  Tensor shared_hidden, shared_slope;  // (T, shared F)
  float *dweights, *inverse;           // (pairs), (T)
};

float* floats(Exec& ex, std::int64_t n) {
  return reinterpret_cast<float*>(ex.alloc_bytes(static_cast<std::size_t>(n) * sizeof(float)));
}

Work take_work(Exec& ex, const SavedMoe& s) {
  const std::int64_t rows = s.x.rows(), d = s.x.columns(), pairs = s.gates.rows(), f = s.gates.columns();
  Work w{};
  w.groups = group_by_expert(ex, s.gate, s.routing.ids, rows);
  w.n = ex.alloc(DType::f32, {rows, d});
  w.dn = ex.alloc(DType::f32, {rows, d});
  w.scores = ex.alloc(DType::f32, {rows, s.gate.experts});
  w.hidden = ex.alloc(DType::f32, {pairs, f});
  w.slope = ex.alloc(DType::f32, {pairs, f});
  if (s.shared_gates.data != nullptr) {
    w.shared_hidden = ex.alloc(DType::f32, {rows, s.shared_gates.columns()});
    w.shared_slope = ex.alloc(DType::f32, {rows, s.shared_gates.columns()});
  }
  w.dweights = floats(ex, pairs);
  w.inverse = floats(ex, rows);
  return w;
}

GradientRows gradient_of(const SavedMoe& s, const std::int32_t* index) { return {s.x.gradient, s.x.columns(), index}; }

// out (+)= a W for rows [0, n) of this thread's own: not shared further.
void times(const Exec& ex, GradientRows a, const Trainable& weight, std::int64_t n, GradientRows out, bool accumulate) {
  GemmArgs g;
  g.a = a.data;
  g.a_row = a.stride;
  g.a_reduction = 1;
  g.a_rows = a.index;
  g.b = weight.values;
  g.b_stride = weight.columns;
  g.out = out.data;
  g.out_stride = out.stride;
  g.out_rows = out.index;
  g.rows = n;
  g.columns = weight.columns;
  g.reduction = weight.rows;
  g.accumulate = accumulate;
  (weight.bf16 ? ex.kernels->gradient->gemm_bf16 : ex.kernels->gradient->gemm)(g);
}

// Rows [begin, end) of h and of the gradients of gate and up products, which take the place of these. `weight` of each
// row and `dweight`, what is found for it, are null for the shared expert.
void hidden_rows(const Exec& ex, const Tensor& gates, const Tensor& ups, const Tensor& hidden, const Tensor& slope,
                 std::int64_t begin, std::int64_t end, const float* weight, float* dweight) {
  const std::int64_t f = gates.columns();
  for (std::int64_t i = begin; i < end; ++i) {
    float *h = hidden.row(i), *u = slope.row(i);
    ex.kernels->silu_mul(gates.row(i), ups.row(i), f, h);
    if (dweight != nullptr) {
      dweight[i] = ex.kernels->gradient->dot(h, u, f);
      for (std::int64_t c = 0; c < f; ++c) {
        h[c] *= weight[i];
        u[c] *= weight[i];
      }
    }
    ex.kernels->gradient->silu_mul(gates.row(i), ups.row(i), u, f, gates.row(i), ups.row(i));
  }
}

// Threads share pairs, whose products are by expert.
void through_hidden(Exec& ex, const SavedMoe& s, const Work& w) {
  const auto [begin, end] = ex.share(s.gates.rows());
  const std::size_t scratch = ex.scratch.mark();
  const std::int64_t pairs = s.gates.rows();
  auto* weights = reinterpret_cast<float*>(ex.scratch.take(static_cast<std::size_t>(pairs) * sizeof(float)));
  for (std::int64_t i = 0; i < pairs; ++i) weights[w.groups.position[i]] = s.routing.weights[i];
  for (const auto& [id, expert] : s.experts) {
    const std::int64_t from = std::max<std::int64_t>(begin, w.groups.first[id]),
                       to = std::min<std::int64_t>(end, w.groups.first[id + 1]);
    if (from >= to) continue;
    times(ex, gradient_of(s, w.groups.rows + from), expert.down.weight, to - from,
          {w.slope.row(from), w.slope.columns(), nullptr}, false);
    hidden_rows(ex, s.gates, s.ups, w.hidden, w.slope, from, to, weights, w.dweights);
  }
  ex.scratch.rewind(scratch);
  if (s.shared_gates.data == nullptr) return;
  const auto [first, last] = ex.share(s.x.rows());
  times(ex, {s.x.gradient + first * s.x.columns(), s.x.columns(), nullptr}, s.shared.down.weight, last - first,
        {w.shared_slope.row(first), w.shared_slope.columns(), nullptr}, false);
  hidden_rows(ex, s.shared_gates, s.shared_ups, w.shared_hidden, w.shared_slope, first, last, nullptr, nullptr);
}

void weights_backward(Exec& ex, const SavedMoe& s, const Work& w) {
  const GradientRows n = rows_of_values(w.n);
  for (const auto& [id, expert] : s.experts) {
    const std::int64_t first = w.groups.first[id], count = w.groups.first[id + 1] - first;
    const std::int32_t* rows = w.groups.rows + first;
    const auto part = [&](const Tensor& of) { return GradientRows{of.row(first), of.columns(), nullptr}; };
    const GradientRows gathered{n.data, n.stride, rows};
    weight_backward(ex, expert.down, count, gradient_of(s, rows), part(w.hidden));
    weight_backward(ex, expert.gate, count, part(s.gates), gathered);
    weight_backward(ex, expert.up, count, part(s.ups), gathered);
  }
  weight_backward(ex, {s.router, {}, {}}, w.n.rows(), rows_of_values(w.scores), n);
  if (s.shared_gates.data == nullptr) return;
  weight_backward(ex, s.shared.down, w.n.rows(), gradient_of(s, nullptr), rows_of_values(w.shared_hidden));
  weight_backward(ex, s.shared.gate, w.n.rows(), rows_of_values(s.shared_gates), n);
  weight_backward(ex, s.shared.up, w.n.rows(), rows_of_values(s.shared_ups), n);
}

// This thread's rows of dn: the router's part, the shared expert's, then the experts' in ascending order.
void inputs_backward(Exec& ex, const SavedMoe& s, const Work& w) {
  const auto [begin, end] = ex.share(w.dn.rows());
  const std::int64_t count = end - begin;
  const auto from = [first = begin](const Tensor& t) { return GradientRows{t.row(first), t.columns(), nullptr}; };
  times(ex, from(w.scores), s.router, count, from(w.dn), false);
  if (s.shared_gates.data != nullptr) {
    times(ex, from(s.shared_gates), s.shared.gate.weight, count, from(w.dn), true);
    times(ex, from(s.shared_ups), s.shared.up.weight, count, from(w.dn), true);
  }
  for (const auto& [id, expert] : s.experts) {  // its rows ascend
    const std::int32_t *rows = w.groups.rows, *stop = rows + w.groups.first[id + 1];
    const std::int32_t* first = std::lower_bound(rows + w.groups.first[id], stop, begin);
    const std::int64_t n = std::lower_bound(first, stop, end) - first, at = first - rows;
    if (n == 0) continue;
    const GradientRows out{w.dn.f32(), w.dn.columns(), first};
    times(ex, {s.gates.row(at), s.gates.columns(), nullptr}, expert.gate.weight, n, out, true);
    times(ex, {s.ups.row(at), s.ups.columns(), nullptr}, expert.up.weight, n, out, true);
  }
}

void moe_backward(Exec& ex, const SavedMoe& s) {
  const std::size_t arena = ex.arena.mark(), scratch = ex.scratch.mark();
  Work w = take_work(ex, s);
  const GateBalance balance = alloc_balance(ex, s);
  const std::int64_t rows = s.x.rows(), d = s.x.columns();
  const auto [begin, end] = ex.share(rows);
  for (std::int64_t t = begin; t < end; ++t) ex.kernels->rms_norm(s.old.row(t), s.norm.values, s.eps, d, w.n.row(t));
  ex.sync();
  linear(ex, w.n, s.gate.weight, w.scores);  // ends with a barrier
  score_rows(ex, s.gate, w.scores);
  through_hidden(ex, s, w);
  ex.sync();
  fill_balance(ex, s, w.scores, balance);
  if (balance.frequency != nullptr) ex.sync();
  gate_backward(ex, s, w.groups.position, w.dweights, balance, w.scores);
  if (balance.loss != nullptr && ex.thread == 0)
    for (std::size_t i = 0; i < s.training->sequences.size(); ++i)
      s.training->layer(s.layer).balance_loss += balance.loss[i];
  ex.sync();
  weights_backward(ex, s, w);
  inputs_backward(ex, s, w);
  ex.sync();  // before the residual's gradient changes
  norm_backward(ex, rows_of_values(s.old), s.norm, s.eps, rows, rows_of_values(w.dn), rows_of_gradient(s.x), w.inverse);
  ex.scratch.rewind(scratch);
  ex.arena.rewind(arena);
}

}  // namespace

std::size_t moe_backward_scratch_bytes(std::int64_t rows, std::int64_t d, int experts, int chosen) {
  const auto size = [](std::int64_t n) { return scratch_size(static_cast<std::size_t>(n) * sizeof(float)); };
  // Beside the groups: the router's product, the pairs' weights, or a row of the gate.
  return group_scratch_bytes(rows, experts, chosen) +
         std::max({linear_scratch_bytes(d), size(rows * chosen), size(experts) + size(chosen), size(d)});
}

TrainableMlp trainable_mlp(const Exec& ex, const PackedWeight& gate, const PackedWeight& up, const PackedWeight& down) {
  return {trainable(ex, gate), trainable(ex, up), trainable(ex, down)};
}

SavedMoe save_moe(Exec& ex, const Tensor& x, const Gate& gate, std::int64_t hidden, std::int64_t shared_hidden) {
  SavedMoe saved;
  saved.x = x;
  saved.old = keep_copy(ex, x);
  saved.gate = gate;
  const std::int64_t rows = x.rows(), pairs = rows * gate.chosen;
  saved.routing = routing_at(ex.alloc_bytes(routing_bytes(rows, gate.chosen)), rows, gate.chosen);
  saved.gates = ex.alloc(DType::f32, {pairs, hidden});
  saved.ups = ex.alloc(DType::f32, {pairs, hidden});
  if (shared_hidden > 0) {
    saved.shared_gates = ex.alloc(DType::f32, {rows, shared_hidden});
    saved.shared_ups = ex.alloc(DType::f32, {rows, shared_hidden});
  }
  return saved;
}

void record_moe(Exec& ex, SavedMoe saved) {
  saved.training = ex.tape->moe;
  if (saved.training != nullptr && ex.thread == 0) {
    std::vector<std::int64_t>& counts = saved.training->layer(saved.layer).counts;
    counts.resize(static_cast<std::size_t>(saved.gate.experts));
    for (std::int64_t i = 0; i < saved.gates.rows(); ++i) ++counts[static_cast<std::size_t>(saved.routing.ids[i])];
  }
  if (saved.x.gradient == nullptr) return;
  std::ranges::sort(saved.experts, {}, [](const auto& expert) { return expert.first; });
  ex.tape->record(ex, [saved = std::move(saved)](Exec& back) { moe_backward(back, saved); });
}

}  // namespace limpid
