#include "ops/gradient.h"

#include <algorithm>
#include <cassert>

#include "ops/low_rank.h"

namespace limpid {

namespace {

void multiply(const Exec& ex, const Trainable& weight, const GemmArgs& args) {
  (weight.bf16 ? ex.kernels->gradient->gemm_bf16 : ex.kernels->gradient->gemm)(args);
}

}  // namespace

std::int64_t gemm_unit(const Exec& ex, const Trainable& weight) {
  return weight.bf16 ? 32 : ex.kernels->gradient->gemm_rows;
}

TrainableWeight trainable(const Exec& ex, const PackedWeight& weight) {
  TrainableWeight found{ex.tape->at(weight.data), {}, {}};
  assert(found.weight.rows == weight.rows && found.weight.columns == weight.columns);
  if (weight.bias != nullptr) found.bias = ex.tape->at(weight.bias);
  return found;
}

void input_backward(Exec& ex, const Trainable& weight, std::int64_t rows, GradientRows out_gradient,
                    GradientRows input_gradient, bool accumulate) {
  const auto [begin, end] = ex.share(rows, gemm_unit(ex, weight));
  GemmArgs args;
  args.a = out_gradient.data + (out_gradient.index ? 0 : begin * out_gradient.stride);
  args.a_row = out_gradient.stride;
  args.a_reduction = 1;
  args.a_rows = out_gradient.index ? out_gradient.index + begin : nullptr;
  args.b = weight.values;
  args.b_stride = weight.columns;
  args.out = input_gradient.data + (input_gradient.index ? 0 : begin * input_gradient.stride);
  args.out_stride = input_gradient.stride;
  args.out_rows = input_gradient.index ? input_gradient.index + begin : nullptr;
  args.rows = end - begin;
  args.columns = weight.columns;
  args.reduction = weight.rows;
  args.accumulate = accumulate;
  multiply(ex, weight, args);
}

void input_backward(Exec& ex, const TrainableWeight& parameters, std::int64_t rows, GradientRows out_gradient,
                    GradientRows input_gradient, bool accumulate) {
  if (input_gradient.data != nullptr)
    input_backward(ex, parameters.weight, rows, out_gradient, input_gradient, accumulate);
  if (parameters.weight.low_rank != nullptr)
    low_rank_input_backward(ex, parameters, rows, out_gradient, input_gradient);
}

void weight_backward(Exec& ex, const TrainableWeight& parameters, std::int64_t rows, GradientRows out_gradient,
                     GradientRows input) {
  const Trainable& weight = parameters.weight;
  const auto [begin, end] = ex.share(weight.rows, gemm_unit(ex, weight));
  if (weight.gradient != nullptr) {
    GemmArgs args;
    args.a = out_gradient.data + begin;
    args.a_row = 1;
    args.a_reduction = out_gradient.stride;
    args.a_reductions = out_gradient.index;
    args.b = input.data;
    args.b_stride = input.stride;
    args.b_rows = input.index;
    args.out = weight.gradient + begin * weight.columns;
    args.out_stride = weight.columns;
    args.rows = end - begin;
    args.columns = weight.columns;
    args.reduction = rows;
    args.accumulate = true;
    multiply(ex, weight, args);
  }
  if (weight.low_rank != nullptr) low_rank_weight_backward(ex, parameters, rows, out_gradient, input);
  if (parameters.bias.gradient == nullptr || begin == end) return;
  for (std::int64_t t = 0; t < rows; ++t) {
    const float* row = out_gradient.data + (out_gradient.index ? out_gradient.index[t] : t) * out_gradient.stride;
    float* sums = parameters.bias.gradient + begin;
    ex.kernels->add(sums, row + begin, end - begin, sums);
  }
}

void product_backward(Exec& ex, const TrainableWeight& parameters, std::int64_t rows, GradientRows out_gradient,
                      GradientRows input, GradientRows input_gradient, bool accumulate) {
  input_backward(ex, parameters, rows, out_gradient, input_gradient, accumulate);
  if (parameters.weight.low_rank != nullptr) ex.sync();
  weight_backward(ex, parameters, rows, out_gradient, input);
}

void norm_backward(Exec& ex, GradientRows x, const Trainable& gain, float eps, std::int64_t rows, GradientRows dn,
                   GradientRows x_gradient, float* inverse) {
  const std::int64_t d = gain.columns;
  const GradientKernels& kernels = *ex.kernels->gradient;
  float* unwanted = nullptr;  // the inverse is wanted in any case
  const std::size_t scratch = ex.scratch.mark();
  if (x_gradient.data == nullptr)
    unwanted = reinterpret_cast<float*>(ex.scratch.take(static_cast<std::size_t>(d) * sizeof(float)));
  const auto row = [](const GradientRows& from, std::int64_t t) {
    return from.data + (from.index ? from.index[t] : t) * from.stride;
  };
  const auto [begin, end] = ex.share(rows);
  if (unwanted != nullptr) std::fill(unwanted, unwanted + d, 0.0F);
  for (std::int64_t t = begin; t < end; ++t)
    inverse[t] = kernels.rms_norm(row(x, t), gain.values, eps, d, row(dn, t), unwanted ? unwanted : row(x_gradient, t));
  ex.scratch.rewind(scratch);
  if (gain.gradient == nullptr) return;
  ex.sync();
  const auto [first, last] = ex.share(d, 16);
  for (std::int64_t t = 0; t < rows && first < last; ++t)
    kernels.scaled_product_add(row(x, t) + first, inverse[t], row(dn, t) + first, last - first, gain.gradient + first);
}

void norm_products_backward(Exec& ex, const Tensor& x, const Trainable& norm, float eps,
                            std::span<const ProductGradient> products, GradientRows x_gradient) {
  const std::int64_t rows = x.rows(), d = x.columns();
  if (norm.values == nullptr) {
    for (const ProductGradient& product : products)
      product_backward(ex, product.parameters, rows, product.out, rows_of_values(x), x_gradient);
    return;
  }
  const std::size_t mark = ex.arena.mark();
  const Tensor n = ex.alloc(DType::f32, {rows, d}), dn = ex.alloc(DType::f32, {rows, d});
  auto* inverse = reinterpret_cast<float*>(ex.alloc_bytes(static_cast<std::size_t>(rows) * sizeof(float)));
  const auto [begin, end] = ex.share(rows);
  for (std::int64_t t = begin; t < end; ++t) ex.kernels->rms_norm(x.row(t), norm.values, eps, d, n.row(t));
  bool accumulate = false;
  for (const ProductGradient& product : products) {
    input_backward(ex, product.parameters, rows, product.out, rows_of_values(dn), accumulate);
    accumulate = true;
  }
  ex.sync();
  for (const ProductGradient& product : products)
    weight_backward(ex, product.parameters, rows, product.out, rows_of_values(n));
  norm_backward(ex, rows_of_values(x), norm, eps, rows, rows_of_values(dn), x_gradient, inverse);
  ex.arena.rewind(mark);
}

Tensor keep_copy(Exec& ex, const Tensor& x) {
  Tensor copy = ex.alloc(DType::f32, {x.rows(), x.columns()});
  const auto [begin, end] = ex.share(x.rows());
  std::copy(x.row(begin), x.row(end), copy.row(begin));
  return copy;
}

}  // namespace limpid
