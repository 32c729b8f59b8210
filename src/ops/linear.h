// Products with packed weights. A PackedWeight is a view; whoever loaded the model owns the memory.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "ops/exec.h"
#include "tensor/pack.h"
#include "tensor/tensor.h"

namespace limpid {

struct PackedWeight {
  DType type = DType::f32;
  std::int64_t rows = 0, columns = 0;  // (O, K)
  const std::byte* data = nullptr;     // strips of 16 rows (tensor/layout.h)
  const float* bias = nullptr;         // (O) or null
  std::size_t strip_bytes() const { return packed_strip_bytes(type, columns); }
};

// Rows quantised once and carried to every product that reads them.
struct Activations {
  ActType type = ActType::f32;
  std::int64_t columns = 0;  // K
  std::int64_t rows = 0;
  std::size_t stride = 0;  // act_row_bytes(type, K)
  std::byte* data = nullptr;
};

// RMSNorm of every row of x (T, D), then one product for each weight; out[i] is (T, weights[i]->rows), written. gain null: no norm.
// Starts after a barrier (x is complete); does NOT end with one: the caller syncs before it reads out. With many rows the quantised rows stay in
// the arena (activation_bytes), because slower threads may still read them: rewind after the caller's own barrier.
void norm_linear(Exec& ex, const Tensor& x, const float* gain, float eps, std::span<const PackedWeight* const> weights,
                 std::span<Tensor> out);

// out (T, O) = input (T, K) W^T + bias. Starts after a barrier; ends with one.
void linear(Exec& ex, const Tensor& input, const PackedWeight& weight, Tensor& out);

// Bytes of ex.scratch that the ops of ops/ (attention aside) need on a thread, for rows of at most `columns` values.
std::size_t linear_scratch_bytes(std::int64_t columns);

// x (T, D) += input (T, K) W^T + bias, in place. Starts after a barrier; ends with one.
void linear_residual(Exec& ex, const Tensor& input, const PackedWeight& weight, Tensor& x);

// A product for each head with its own matrix (latent attention's W_UK and W_UV): for every row t and head h,
// out[t * out_stride + h * out_head + o] = sum_k input[t * in_stride + h * in_head + k] W_h[o][k]. Strides in floats. The weights of the heads
// share type and shape. Starts after a barrier; ends with one.
struct HeadRows {
  float* data = nullptr;
  std::int64_t row_stride = 0, head_stride = 0;
  float* gradient = nullptr;  // while a tape records: laid out as data, or null
};
void head_linear(Exec& ex, HeadRows input, std::int64_t rows, std::span<const PackedWeight> weights, HeadRows out);

// Arena bytes that the ops of this header take at most for T rows of K columns (quantised rows), to plan the step's arena.
std::size_t activation_bytes(std::int64_t rows, std::int64_t columns);
// Bytes of each thread's scratch that they take at most, for any number of rows. All ops give scratch back before they return.
std::size_t linear_scratch_bytes(std::int64_t columns);  // norm_linear, linear, linear_residual
std::size_t head_linear_scratch_bytes(std::int64_t columns);

}  // namespace limpid
