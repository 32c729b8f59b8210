#include "ops/moe_choice.h"

#include <algorithm>
#include <cassert>
#include <limits>

namespace limpid {

namespace {

constexpr float kOut = -std::numeric_limits<float>::infinity();

// Index of the highest value that was not taken yet, and takes it. The lowest index on a tie.
std::int32_t take_highest(const float* values, std::int32_t n, std::uint8_t* taken) {
  std::int32_t best = -1;
  for (std::int32_t i = 0; i < n; ++i)
    if (taken[i] == 0 && (best < 0 || values[i] > values[best])) best = i;
  taken[best] = 1;
  return best;
}

float group_score(const Gate& gate, const float* biased, std::int32_t size) {
  float first = kOut, second = kOut;
  for (std::int32_t i = 0; i < size; ++i) {
    if (biased[i] > first) {
      second = first;
      first = biased[i];
    } else if (biased[i] > second) {
      second = biased[i];
    }
  }
  return gate.group_top2 && size > 1 ? first + second : first;
}

struct Candidates {  // of one row; each has room for all experts
  float* scores;
  float* biased;
  float* group_scores;
  std::uint8_t* taken;
};

// Experts of the groups that lose cannot be chosen.
void keep_best_groups(const Gate& gate, const Candidates& row) {
  const std::int32_t size = gate.experts / gate.groups;
  for (std::int32_t g = 0; g < gate.groups; ++g) row.group_scores[g] = group_score(gate, row.biased + g * size, size);
  std::fill_n(row.taken, gate.groups, std::uint8_t{0});
  for (int i = 0; i < gate.kept_groups; ++i) take_highest(row.group_scores, gate.groups, row.taken);
  for (std::int32_t g = 0; g < gate.groups; ++g)
    if (row.taken[g] == 0) std::fill_n(row.biased + g * size, size, kOut);
}

void choose_row(const Gate& gate, const Candidates& row, std::int32_t* ids, float* weights) {
  for (std::int32_t e = 0; e < gate.experts; ++e)
    row.biased[e] = gate.bias == nullptr ? row.scores[e] : row.scores[e] + gate.bias[e];
  if (gate.kept_groups < gate.groups) keep_best_groups(gate, row);
  std::fill_n(row.taken, gate.experts, std::uint8_t{0});
  float sum = 0.0F;
  for (int slot = 0; slot < gate.chosen; ++slot) {
    ids[slot] = take_highest(row.biased, gate.experts, row.taken);
    weights[slot] = row.scores[ids[slot]];
    sum += weights[slot];
  }
  for (int slot = 0; slot < gate.chosen; ++slot) {
    if (gate.normalise) weights[slot] /= sum + 1e-20F;
    weights[slot] *= gate.scale;
  }
}

}  // namespace

void choose_experts(Exec& ex, const Gate& gate, const float* logits, std::int64_t rows, Routing to) {
  assert(gate.chosen <= gate.experts && gate.experts % gate.groups == 0 && gate.kept_groups <= gate.groups);
  const std::size_t scratch = ex.scratch.mark();
  Candidates row{};
  row.scores = take_floats(ex, gate.experts);
  row.biased = take_floats(ex, gate.experts);
  row.group_scores = take_floats(ex, gate.experts);
  row.taken = reinterpret_cast<std::uint8_t*>(take_scratch(ex, static_cast<std::size_t>(gate.experts)));
  const auto score = gate.score == Gate::Score::sigmoid ? ex.kernels->sigmoid : ex.kernels->softmax;
  for (std::int64_t t = 0; t < rows; ++t) {
    score(logits + t * gate.experts, gate.experts, row.scores);
    choose_row(gate, row, to.ids + t * gate.chosen, to.weights + t * gate.chosen);
  }
  ex.scratch.rewind(scratch);
}

void score_and_choose(Exec& ex, const Gate& gate, const Activations& n, Routing to) {
  const std::size_t scratch = ex.scratch.mark();
  float* logits = take_floats(ex, kTokenChunk * gate.experts);
  const std::int64_t chunk = token_chunk(n.stride);
  for (std::int64_t t = 0; t < n.rows; t += chunk) {
    const std::int64_t count = std::min(chunk, n.rows - t);
    multiply(ex, gate.weight, slice(n, t, t + count), 0, gate.experts, {logits, gate.experts, false});
    choose_experts(ex, gate, logits, count, {to.ids + t * gate.chosen, to.weights + t * gate.chosen});
  }
  ex.scratch.rewind(scratch);
}

std::size_t choice_scratch_bytes(int experts) {
  const auto e = static_cast<std::size_t>(experts);
  return scratch_size(static_cast<std::size_t>(kTokenChunk) * e * sizeof(float)) + 3 * scratch_size(e * sizeof(float)) +
         scratch_size(e);
}

std::size_t routing_bytes(std::int64_t rows, int chosen) {
  return 2 * scratch_size(static_cast<std::size_t>(rows * chosen) * sizeof(float));
}

Routing routing_at(std::byte* memory, std::int64_t rows, int chosen) {
  return {reinterpret_cast<std::int32_t*>(memory), reinterpret_cast<float*>(memory + routing_bytes(rows, chosen) / 2)};
}

ExpertGroups group_by_expert(Exec& ex, const Gate& gate, const std::int32_t* ids, std::int64_t rows) {
  const std::int64_t pairs = rows * gate.chosen;
  auto take = [&](std::int64_t n) {
    return reinterpret_cast<std::int32_t*>(take_scratch(ex, static_cast<std::size_t>(n) * sizeof(std::int32_t)));
  };
  ExpertGroups groups{take(gate.experts + 1), take(pairs), take(pairs)};
  // A counting sort: first[e + 1] counts, then sums, then walks.
  std::fill_n(groups.first, gate.experts + 1, 0);
  for (std::int64_t i = 0; i < pairs; ++i) ++groups.first[ids[i] + 1];
  for (int e = 0; e < gate.experts; ++e) groups.first[e + 1] += groups.first[e];
  for (std::int64_t i = 0; i < pairs; ++i) {
    const std::int32_t at = groups.first[ids[i]]++;
    groups.rows[at] = static_cast<std::int32_t>(i / gate.chosen);
    groups.position[i] = at;
  }
  for (int e = gate.experts; e > 0; --e) groups.first[e] = groups.first[e - 1];
  groups.first[0] = 0;
  return groups;
}

std::size_t group_scratch_bytes(std::int64_t rows, int experts, int chosen) {
  return scratch_size((static_cast<std::size_t>(experts) + 1) * 4) + routing_bytes(rows, chosen);
}

}  // namespace limpid
