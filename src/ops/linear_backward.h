// The backward of linear.h, recorded by the forward. Internal to ops/.
#pragma once

#include "ops/gradient.h"

namespace limpid {

// Of out (+)= input W^T + bias: for linear and linear_residual alike.
void record_linear(Exec& ex, const Tensor& input, const PackedWeight& weight, const Tensor& out);
// Of norm_linear. Copies x.
void record_norm_linear(Exec& ex, const Tensor& x, const float* gain, float eps,
                        std::span<const PackedWeight* const> weights, std::span<const Tensor> out);
// Of head_linear.
void record_head_linear(Exec& ex, HeadRows input, std::int64_t rows, std::span<const PackedWeight> weights,
                        HeadRows out);

}  // namespace limpid
