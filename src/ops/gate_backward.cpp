#include "ops/gate_backward.h"

#include <algorithm>
#include <numeric>

namespace limpid {

namespace {

float sum_of(const float* x, int n) { return std::accumulate(x, x + n, 0.0F); }

// The gradient of a row's scores from those of the chosen's weights, w_k = scale s_k / S or scale s_k.
void scores_from_weights(const Gate& gate, const float* scores, const std::int32_t* ids, const float* dweights,
                         float* dscores) {
  std::fill_n(dscores, gate.experts, 0.0F);
  float sum = 1.0F, mean = 0.0F;
  if (gate.normalise) {
    sum = 1e-20F;
    for (int k = 0; k < gate.chosen; ++k) sum += scores[ids[k]];
    for (int k = 0; k < gate.chosen; ++k) mean += dweights[k] * (scores[ids[k]] / sum);
  }
  for (int k = 0; k < gate.chosen; ++k) dscores[ids[k]] = gate.scale * (dweights[k] - mean) / sum;
}

// s' = s / Z, Z the sum of all: d(sum of f_i s'_i) / ds_j = (f_j - sum of f_i s'_i) / Z.
void add_balance(const Gate& gate, const float* scores, const float* frequency, float* dscores) {
  const float sum = sum_of(scores, gate.experts);
  float mean = 0.0F;
  for (int e = 0; e < gate.experts; ++e) mean += frequency[e] * (scores[e] / sum);
  for (int e = 0; e < gate.experts; ++e) dscores[e] += (frequency[e] - mean) / sum;
}

// scores become the logits' gradient.
void logits_from_scores(const Gate& gate, const float* dscores, float* scores) {
  float mean = 0.0F;
  if (gate.score == Gate::Score::softmax)
    for (int e = 0; e < gate.experts; ++e) mean += dscores[e] * scores[e];
  for (int e = 0; e < gate.experts; ++e)
    scores[e] *= gate.score == Gate::Score::softmax ? dscores[e] - mean : dscores[e] * (1.0F - scores[e]);
}

}  // namespace

GateBalance alloc_balance(Exec& ex, const SavedMoe& saved) {
  if (saved.training == nullptr || saved.training->balance == 0) return {};
  const std::size_t sequences = saved.training->sequences.size();
  const auto experts = static_cast<std::size_t>(saved.gate.experts);
  return {reinterpret_cast<float*>(ex.alloc_bytes(sequences * experts * sizeof(float))),
          reinterpret_cast<double*>(ex.alloc_bytes(sequences * sizeof(double)))};
}

void score_rows(Exec& ex, const Gate& gate, Tensor scores) {
  const auto [begin, end] = ex.share(scores.rows());
  const auto score = gate.score == Gate::Score::sigmoid ? ex.kernels->sigmoid : ex.kernels->softmax;
  for (std::int64_t t = begin; t < end; ++t) score(scores.row(t), gate.experts, scores.row(t));
}

void fill_balance(Exec& ex, const SavedMoe& saved, const Tensor& scores, const GateBalance& balance) {
  if (balance.frequency == nullptr) return;
  const Gate& gate = saved.gate;
  const auto experts = static_cast<std::size_t>(gate.experts);
  std::vector<std::int32_t> order(experts);
  std::vector<std::int64_t> count(experts);
  std::vector<double> share(experts);  // P of equation 20, times T
  const auto [begin, end] = ex.share(static_cast<std::int64_t>(saved.training->sequences.size()));
  for (std::int64_t i = begin; i < end; ++i) {
    const BatchSequence& s = saved.training->sequences[static_cast<std::size_t>(i)];
    std::ranges::fill(count, 0);
    std::ranges::fill(share, 0.0);
    for (std::int64_t t = s.first_row; t < s.first_row + s.rows; ++t) {
      const float* row = scores.row(t);
      std::iota(order.begin(), order.end(), 0);
      std::partial_sort(order.begin(), order.begin() + gate.chosen, order.end(),
                        [&](std::int32_t a, std::int32_t b) { return row[a] > row[b] || (row[a] == row[b] && a < b); });
      for (int k = 0; k < gate.chosen; ++k) ++count[static_cast<std::size_t>(order[static_cast<std::size_t>(k)])];
      const float sum = sum_of(row, gate.experts);
      for (std::size_t e = 0; e < experts; ++e) share[e] += static_cast<double>(row[e] / sum);
    }
    const double rows = s.rows, f = static_cast<double>(gate.experts) / (gate.chosen * rows),
                 factor = static_cast<double>(saved.training->balance) / rows;
    double loss = 0;
    for (std::size_t e = 0; e < experts; ++e) {
      const double frequency = f * static_cast<double>(count[e]) * factor;
      balance.frequency[static_cast<std::size_t>(i) * experts + e] = static_cast<float>(frequency);
      loss += frequency * share[e];
    }
    balance.loss[i] = loss;
  }
}

void gate_backward(Exec& ex, const SavedMoe& saved, const std::int32_t* position, const float* dweights,
                   const GateBalance& balance, Tensor scores) {
  const Gate& gate = saved.gate;
  const std::size_t scratch = ex.scratch.mark();
  auto* dscores = reinterpret_cast<float*>(ex.scratch.take(static_cast<std::size_t>(gate.experts) * sizeof(float)));
  auto* of_slots = reinterpret_cast<float*>(ex.scratch.take(static_cast<std::size_t>(gate.chosen) * sizeof(float)));
  const auto [begin, end] = ex.share(scores.rows());
  std::size_t sequence = 0;
  for (std::int64_t t = begin; t < end; ++t) {
    for (int k = 0; k < gate.chosen; ++k) of_slots[k] = dweights[position[t * gate.chosen + k]];
    scores_from_weights(gate, scores.row(t), saved.routing.ids + t * gate.chosen, of_slots, dscores);
    if (balance.frequency != nullptr) {
      const auto& all = saved.training->sequences;
      while (sequence < all.size() && t >= all[sequence].first_row + all[sequence].rows) ++sequence;
      if (sequence < all.size() && t >= all[sequence].first_row)
        add_balance(gate, scores.row(t), balance.frequency + sequence * static_cast<std::size_t>(gate.experts),
                    dscores);
    }
    logits_from_scores(gate, dscores, scores.row(t));
  }
  ex.scratch.rewind(scratch);
}

}  // namespace limpid
