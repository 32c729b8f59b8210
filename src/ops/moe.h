// Mixture of experts: which experts a row goes to, and their gated MLPs (DeepSeek-V3, section 2.1.2; V2, section 2.1.3).
#pragma once

#include "ops/gated_mlp.h"

namespace limpid {

struct Gate {
  enum class Score { sigmoid, softmax };
  PackedWeight weight;          // (E, D), f32
  const float* bias = nullptr;  // (E) or null: for the choice only (V3's balancing without auxiliary loss)
  Score score = Score::sigmoid;
  int experts = 0, chosen = 0;      // E, top k
  int groups = 1, kept_groups = 1;  // groups of experts; the best kept_groups stay
  // A group's score: the sum of its two highest biased scores (V3) or its highest (V2's softmax gate).
  bool group_top2 = true;
  bool normalise = true;  // weights of the chosen sum to 1 (+1e-20)
  float scale = 1.0F;     // routed_scaling_factor
};

// The part of moe() that picks, alone; the result stays in the arena (with its temporaries) until the caller rewinds.
// For every row of n (T, D; normalised): ids (T, chosen) in descending order of the biased score (ties: the lower index), weights (T, chosen) from
// the raw scores. Starts after a barrier; ends with one.
struct Routing {
  std::int32_t* ids = nullptr;
  float* weights = nullptr;
};
Routing route(Exec& ex, const Tensor& n, const Gate& gate);

struct ExpertWeights {  // one expert; all of a layer share types and shapes
  PackedWeight gate, up, down;
};

// An expert that is at hand.
struct ExpertView {
  std::int32_t expert = -1;
  const ExpertWeights* weights = nullptr;
};

}  // namespace limpid
