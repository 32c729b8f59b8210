// Low-rank matrices beside those of a product while a tape records (ops/tape.h, LowRank). Internal to ops/. Products are
// in f32; threads share rows of activations, or rows of a gradient, never a sum.
#pragma once

#include "ops/gradient.h"

namespace limpid {

// Whether a weight has one; false where no tape records.
bool has_low_rank(const Exec& ex, const PackedWeight& weight);

// out (T, O) += h B^T with h = scale rms_norm(x, gain) A^T, which is kept for backward; gain null: no norm. The plain
// product is in out on all threads: starts after a barrier. Each thread does its share of rows; no barrier at the end.
// Without a low-rank matrix nothing happens, and no rows come out.
LowRankRows low_rank_forward(Exec& ex, const Tensor& x, const float* gain, float eps, const PackedWeight& weight,
                             const Tensor& out);

// dh = scale dout B, and dx += dh A (data null: not wanted). Each thread does its share of rows.
void low_rank_input_backward(Exec& ex, const TrainableWeight& parameters, std::int64_t rows, GradientRows out_gradient,
                             GradientRows input_gradient);
// A's gradient += dh^T n, B's += dout^T h; n the rows that the product read. dh is complete on all threads: starts after
// a barrier. Threads share rows of both gradients.
void low_rank_weight_backward(Exec& ex, const TrainableWeight& parameters, std::int64_t rows, GradientRows out_gradient,
                              GradientRows input);

}  // namespace limpid
