// From the gradients of the chosen experts' weights, and the sequence-wise balance loss, to those of the gate's logits.
// Internal to ops/.
#pragma once

#include "ops/moe_backward.h"

namespace limpid {

// What the balance loss needs of each sequence: f (E), equation 18, times the factor / T; and the loss.
struct GateBalance {
  float* frequency = nullptr;  // (sequences, E); null: no such loss
  double* loss = nullptr;      // (sequences)
};
// Takes them from the arena when the step wants the loss.
GateBalance alloc_balance(Exec& ex, const SavedMoe& saved);
// scores (T, E) become sigmoid or softmax of the logits that they hold. Threads share rows.
void score_rows(Exec& ex, const Gate& gate, Tensor scores);
// All scores are complete. Threads share sequences.
void fill_balance(Exec& ex, const SavedMoe& saved, const Tensor& scores, const GateBalance& balance);
// scores become the gradients of the logits. position (T, chosen) says where in dweights the gradient of a slot's weight
// is. Threads share rows; balance and dweights are complete.
void gate_backward(Exec& ex, const SavedMoe& saved, const std::int32_t* position, const float* dweights,
                   const GateBalance& balance, Tensor scores);

}  // namespace limpid
