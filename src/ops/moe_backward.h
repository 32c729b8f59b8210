// The backward of MoeStep. Internal to ops/.
//
// x += sum over slots of w_s down_s h_s + down h (shared), h = silu(gate n) * (up n), n = rms_norm(x, gain). With
// u = down_s^T dx: dw_s = h . u, so that no expert's output is kept, and dh = w_s u. Weights of the chosen are
// w_k = scale s_k / sum of the chosen s (or scale s_k), s = sigmoid or softmax of the gate's logits. The choice itself
// and the bias have no gradient.
#pragma once

#include <utility>
#include <vector>

#include "ops/gradient.h"
#include "ops/moe.h"
#include "ops/moe_training.h"

namespace limpid {

struct TrainableMlp {
  TrainableWeight gate, up, down;
};
TrainableMlp trainable_mlp(const Exec& ex, const PackedWeight& gate, const PackedWeight& up, const PackedWeight& down);

struct SavedMoe {
  Tensor x, old;                    // the residual, and a copy of what it was
  Routing routing;                  // (T, chosen)
  Tensor gates, ups;                // (pairs, F), in the order of the groups
  Tensor shared_gates, shared_ups;  // (T, shared F); no data: no shared expert
  Gate gate;
  Trainable norm, router;
  float eps = 0;
  TrainableMlp shared;
  std::vector<std::pair<std::int32_t, TrainableMlp>> experts;  // ascending; those that have rows
  MoeTraining* training = nullptr;
  int layer = 0;
};

// Takes from the arena what forward fills in: routing, products. Copies x.
SavedMoe save_moe(Exec& ex, const Tensor& x, const Gate& gate, std::int64_t hidden, std::int64_t shared_hidden);
void record_moe(Exec& ex, SavedMoe saved);

}  // namespace limpid
