// gated_mlp: x += W_down (silu(W_gate n) * (W_up n)) with n = rms_norm(x, gain) (Shazeer, "GLU Variants Improve Transformer", 2020: SwiGLU).
#pragma once

#include "ops/linear.h"

namespace limpid {

struct GatedMlpWeights {
  PackedWeight gate, up, down;  // (F, D), (F, D), (D, F)
};

// x (T, D), in place. Starts after a barrier (x is complete); ends with one. Frees what it takes from the arena.
void gated_mlp(Exec& ex, Tensor& x, const float* gain, float eps, const GatedMlpWeights& weights);
std::size_t gated_mlp_arena_bytes(std::int64_t rows, std::int64_t d, std::int64_t f);
std::size_t gated_mlp_scratch_bytes(std::int64_t d);

}  // namespace limpid
