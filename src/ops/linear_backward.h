// The backward of linear.h, recorded by the forward. Internal to ops/.
#pragma once

#include "ops/gradient.h"

namespace limpid {

// Of out (+)= input W^T + bias: for linear and linear_residual alike. low: of the weight's low-rank matrix.
void record_linear(Exec& ex, const Tensor& input, const PackedWeight& weight, const Tensor& out, LowRankRows low);
// Of norm_linear. Copies x. low: of each weight's.
void record_norm_linear(Exec& ex, const Tensor& x, const float* gain, float eps,
                        std::span<const PackedWeight* const> weights, std::span<const Tensor> out,
                        std::span<const LowRankRows> low);
// Of head_linear.
void record_head_linear(Exec& ex, HeadRows input, std::int64_t rows, std::span<const PackedWeight> weights,
                        HeadRows out);

}  // namespace limpid
