#include "ops/moe_step.h"

#include <algorithm>
#include <cassert>
#include <new>

#include "ops/expert_log.h"
#include "ops/gated_hidden.h"

namespace limpid {

// An expert that has rows, or the shared expert, which has all.
struct MoeStep::Part {
  GatedHidden hidden;
  const PackedWeight* down = nullptr;
  std::int64_t first = 0;  // where its buffers begin
};

namespace {

// Floats of the outputs of W_down that a thread keeps at a time: with the hidden rows they go through the caches.
constexpr std::int64_t kOutputFloats = 512 * 1024;
constexpr std::int64_t kOutputColumns = 512;

std::int64_t output_columns(std::int64_t buffers) {
  return std::clamp<std::int64_t>(kOutputFloats / std::max<std::int64_t>(buffers, 1) / kStripRows * kStripRows,
                                  kStripRows, kOutputColumns);
}

// A buffer for each (row, slot), in the order of the groups, then one for each row of the shared expert.
std::int64_t buffers_of(std::int64_t rows, int chosen) { return rows * (chosen + 1); }

std::size_t list_bytes(std::int64_t rows, int experts, int chosen) {
  return scratch_size(static_cast<std::size_t>(std::min<std::int64_t>(experts, rows * chosen)) * sizeof(std::int32_t));
}

}  // namespace

MoeStep::MoeStep(Exec& ex, Tensor& x, const float* gain, float eps, const Gate& gate, const ExpertWeights& like,
                 const GatedMlpWeights* shared, Arrival arrival, int layer)
    : ex_(ex),
      x_(x),
      gate_(gate),
      shared_(shared),
      apart_(arrival == Arrival::apart),
      saved_(ex.tape == nullptr ? SavedMoe{}
                                : save_moe(ex, x, gate, like.gate.rows, shared != nullptr ? shared->gate.rows : 0)),
      arena_(ex.arena.mark()),
      scratch_(ex.scratch.mark()) {
  if (ex.tape != nullptr) {
    saved_.norm = ex.tape->at(gain);
    saved_.router = ex.tape->at(gate.weight.data);
    if (shared != nullptr) saved_.shared = trainable_mlp(ex, shared->gate, shared->up, shared->down);
    saved_.eps = eps;
    saved_.layer = layer;
  }
  ActTypes types;
  types.add(gate.weight);
  types.add(like.gate);
  types.add(like.up);
  if (shared != nullptr) {
    types.add(shared->gate);
    types.add(shared->up);
  }
  route_rows(types, eps, gain);
  if (ex.experts != nullptr && ex.thread == 0) ex.experts->add(layer, routing_.ids, gate.chosen);
  groups_ = group_by_expert(ex, gate, routing_.ids, x.rows());
  list_experts();
  take_hidden(like);
}

// n and the routing of all rows; both complete on this thread. One barrier.
void MoeStep::route_rows(const ActTypes& types, float eps, const float* gain) {
  Exec& ex = ex_;
  const RowSource x = rows_of(x_);
  const bool few = x.rows <= kFewRows;
  float* row = take_floats(ex, act_padded(x.columns));
  n_ = take_activations(ex, few ? Place::scratch : Place::arena, types, x.columns, x.rows);
  const std::size_t bytes = routing_bytes(x.rows, gate_.chosen);
  if (few) {
    routing_ = routing_at(take_scratch(ex, bytes), x.rows, gate_.chosen);
  } else {
    routing_ = ex.tape != nullptr ? saved_.routing : routing_at(ex.alloc_bytes(bytes), x.rows, gate_.chosen);
  }
  const Activations& scored = n_.of(gate_.weight);
  if (few) {  // the gate's weights are split, what follows is cheaper done by everyone
    const Tensor logits = ex.alloc(DType::f32, {x.rows, gate_.experts});
    fill_activations(ex, x, gain, eps, 0, x.rows, row, n_);
    const auto [begin, end] = ex.share(gate_.experts, kStripRows);
    multiply(ex, gate_.weight, scored, begin, end, {logits.f32() + begin, gate_.experts, false});
    ex.sync();
    choose_experts(ex, gate_, logits.f32(), x.rows, routing_);
    return;
  }
  const auto [begin, end] = ex.share(x.rows);
  fill_activations(ex, x, gain, eps, begin, end, row, n_);
  const std::int64_t slots = begin * gate_.chosen;
  score_and_choose(ex, gate_, slice(scored, begin, end), {routing_.ids + slots, routing_.weights + slots});
  ex.sync();
}

void MoeStep::list_experts() {
  const std::size_t bytes = list_bytes(x_.rows(), gate_.experts, gate_.chosen);
  experts_ = reinterpret_cast<std::int32_t*>(take_scratch(ex_, bytes));
  counts_ = reinterpret_cast<std::int32_t*>(take_scratch(ex_, bytes));
  for (std::int32_t e = 0; e < gate_.experts; ++e) {
    const std::int32_t count = groups_.first[e + 1] - groups_.first[e];
    if (count == 0) continue;
    experts_[chosen_experts_] = e;
    counts_[chosen_experts_++] = count;
  }
  parts_ = reinterpret_cast<Part*>(take_scratch(ex_, (static_cast<std::size_t>(chosen_experts_) + 1) * sizeof(Part)));
}

void MoeStep::take_hidden(const ExpertWeights& like) {
  const std::int64_t rows = x_.rows();
  hidden_ = take_activations(ex_, Place::arena, activation_of(like.down.type), like.down.columns, rows * gate_.chosen);
  if (shared_ != nullptr)
    shared_hidden_ =
        take_activations(ex_, Place::arena, activation_of(shared_->down.type), shared_->down.columns, rows);
  if (apart_)
    outputs_ = reinterpret_cast<float*>(
        ex_.alloc_bytes(static_cast<std::size_t>(buffers_of(rows, gate_.chosen) * x_.columns()) * sizeof(float)));
}

void MoeStep::list_parts(std::span<const ExpertView> views) {
  part_count_ = 0;
  auto add_part = [&](const auto& weights, const Activations& hidden, std::int32_t expert, const std::int32_t* gather,
                      std::int64_t first) {
    GatedHidden part{&weights.gate, &weights.up, n_.of(weights.gate), n_.of(weights.up), gather, hidden};
    if (ex_.tape != nullptr) {
      part.keep_gate = gather != nullptr ? saved_.gates.row(first) : saved_.shared_gates.f32();
      part.keep_up = gather != nullptr ? saved_.ups.row(first) : saved_.shared_ups.f32();
      if (gather != nullptr)
        saved_.experts.emplace_back(expert, trainable_mlp(ex_, weights.gate, weights.up, weights.down));
    }
    new (parts_ + part_count_++) Part{part, &weights.down, first};
  };
  for (const ExpertView& view : views) {
    const std::int32_t begin = groups_.first[view.expert], end = groups_.first[view.expert + 1];
    assert(begin < end && part_count_ < chosen_experts_);
    add_part(*view.weights, slice(hidden_, begin, end), view.expert, groups_.rows + begin, begin);
  }
  if (shared_ != nullptr && !shared_added_) add_part(*shared_, shared_hidden_, -1, nullptr, x_.rows() * gate_.chosen);
  shared_added_ = true;
}

// This thread's share of all hidden columns of all parts. A unit of columns costs its rows and, about as much as four
// rows, the reading of its weights; an estimate.
void MoeStep::fill_hidden_share() {
  auto unit = [](const Part& part) { return hidden_unit(part.hidden.hidden.type); };
  auto units = [&](const Part& part) { return (part.hidden.hidden.columns + unit(part) - 1) / unit(part); };
  auto cost = [&](const Part& part) { return (part.hidden.hidden.rows + 4) * unit(part); };
  std::int64_t total = 0;
  for (int i = 0; i < part_count_; ++i) total += units(parts_[i]) * cost(parts_[i]);
  // A unit belongs to the thread in whose share of the cost it begins.
  auto share_begin = [&](int thread) { return (total * thread + ex_.threads - 1) / ex_.threads; };
  const std::int64_t from = share_begin(ex_.thread), to = share_begin(ex_.thread + 1);
  std::int64_t start = 0;
  for (int i = 0; i < part_count_; ++i) {
    const Part& part = parts_[i];
    const std::int64_t n = units(part), each = cost(part);
    auto unit_at = [&](std::int64_t where) {
      return std::clamp<std::int64_t>((where - start + each - 1) / each, 0, where <= start ? 0 : n);
    };
    const std::int64_t begin = unit_at(from) * unit(part),
                       end = std::min(unit_at(to) * unit(part), part.hidden.hidden.columns);
    if (begin < end) fill_hidden(ex_, part.hidden, begin, end);
    start += n * each;
  }
}

// Output columns [begin, end) of the parts into their buffers.
void MoeStep::multiply_parts(std::int64_t begin, std::int64_t end, float* outputs, std::int64_t stride) {
  for (int i = 0; i < part_count_; ++i) {
    const Part& part = parts_[i];
    multiply(ex_, *part.down, part.hidden.hidden, begin, end, {outputs + part.first * stride, stride, false});
  }
}

// Columns [begin, end) of x += the weighted sum of the experts' buffers, then the shared expert's.
void MoeStep::sum_rows(std::int64_t begin, std::int64_t end, const float* outputs, std::int64_t stride, float* sum) {
  const std::int64_t rows = x_.rows(), n = end - begin;
  for (std::int64_t t = 0; t < rows; ++t) {
    std::fill_n(sum, n, 0.0F);
    for (std::int64_t slot = t * gate_.chosen; slot < (t + 1) * gate_.chosen; ++slot)
      ex_.kernels->scale_add(outputs + groups_.position[slot] * stride, routing_.weights[slot], n, sum);
    if (shared_ != nullptr) ex_.kernels->add(sum, outputs + (rows * gate_.chosen + t) * stride, n, sum);
    ex_.kernels->add(x_.row(t) + begin, sum, n, x_.row(t) + begin);
  }
}

void MoeStep::add(std::span<const ExpertView> views) {
  list_parts(views);
  fill_hidden_share();
  ex_.sync();
  if (!apart_) return;  // the parts stay for finish()
  const auto [begin, end] = ex_.share(x_.columns(), kStripRows);
  if (begin < end) multiply_parts(begin, end, outputs_ + begin, x_.columns());
}

void MoeStep::add_columns(std::int64_t begin, std::int64_t end) {
  const std::int64_t buffers = buffers_of(x_.rows(), gate_.chosen), width = output_columns(buffers);
  float* outputs = apart_ ? nullptr : take_floats(ex_, buffers * width);
  float* sum = take_floats(ex_, kOutputColumns);
  for (std::int64_t c = begin; c < end; c += width) {
    const std::int64_t stop = std::min(end, c + width);
    if (apart_) {
      sum_rows(c, stop, outputs_ + c, x_.columns(), sum);
    } else {
      multiply_parts(c, stop, outputs, width);
      sum_rows(c, stop, outputs, width, sum);
    }
  }
}

void MoeStep::finish() {
  const auto [begin, end] = ex_.share(x_.columns(), kStripRows);
  add_columns(begin, end);
  if (ex_.tape != nullptr && ex_.thread == 0 && routing_.ids != saved_.routing.ids) {
    const std::int64_t pairs = x_.rows() * gate_.chosen;
    std::copy_n(routing_.ids, pairs, saved_.routing.ids);
    std::copy_n(routing_.weights, pairs, saved_.routing.weights);
  }
  ex_.sync();
  abandon();
  if (ex_.tape != nullptr) record_moe(ex_, std::move(saved_));
}

void MoeStep::abandon() {
  ex_.scratch.rewind(scratch_);
  ex_.arena.rewind(arena_);
}

std::size_t MoeStep::part_bytes(int experts) {
  return scratch_size((static_cast<std::size_t>(experts) + 1) * sizeof(Part));
}

std::size_t moe_arena_bytes(std::int64_t rows, std::int64_t d, std::int64_t f, std::int64_t shared_f, int experts,
                            int chosen, Arrival arrival) {
  const auto t = static_cast<std::size_t>(rows);
  const std::size_t hidden =
      t * static_cast<std::size_t>(chosen) * act_row_bytes(ActType::f32, f) + t * act_row_bytes(ActType::f32, shared_f);
  const std::size_t outputs = arrival == Arrival::apart
                                  ? scratch_size(static_cast<std::size_t>(buffers_of(rows, chosen) * d) * sizeof(float))
                                  : 0;
  return activation_bytes(rows, d) + routing_bytes(rows, chosen) + hidden + outputs +
         scratch_size(t * static_cast<std::size_t>(experts) * sizeof(float));
}

std::size_t moe_scratch_bytes(std::int64_t rows, std::int64_t d, int experts, int chosen) {
  const std::int64_t buffers = buffers_of(rows, chosen);
  const std::int64_t outputs = std::min(std::max(kOutputFloats, buffers * kStripRows), buffers * kOutputColumns);
  const std::size_t sums =
      scratch_size(static_cast<std::size_t>(outputs) * sizeof(float)) + scratch_size(kOutputColumns * sizeof(float));
  return activation_scratch_bytes(d) + routing_bytes(std::min(rows, kFewRows), chosen) +
         group_scratch_bytes(rows, experts, chosen) + 2 * list_bytes(rows, experts, chosen) +
         MoeStep::part_bytes(experts) + std::max({hidden_scratch_bytes(), choice_scratch_bytes(experts), sums});
}

}  // namespace limpid
