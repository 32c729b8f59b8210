#include "ops/low_rank.h"

#include <algorithm>

namespace limpid {

namespace {

constexpr std::int64_t kChunk = 64;  // rows that are normalised at a time

// out (rows, columns) (+)= a (rows, reduction) b (reduction, columns), all row-major.
void product(const Exec& ex, const float* a, std::int64_t a_row, std::int64_t reduction, const float* b,
             std::int64_t columns, float* out, std::int64_t out_stride, std::int64_t rows, bool accumulate) {
  GemmArgs args;
  args.a = a;
  args.a_row = a_row;
  args.a_reduction = 1;
  args.b = b;
  args.b_stride = columns;
  args.out = out;
  args.out_stride = out_stride;
  args.rows = rows;
  args.columns = columns;
  args.reduction = reduction;
  args.accumulate = accumulate;
  ex.kernels->gradient->gemm(args);
}

// gradient (R, columns) += a^T b, a (rows, R), b (rows, columns): each thread its share of R.
void outer(const Exec& ex, const GradientRows& a, std::int64_t r, const GradientRows& b, std::int64_t columns,
           std::int64_t rows, float* gradient) {
  const auto [begin, end] = ex.share(r, ex.kernels->gradient->gemm_rows);
  GemmArgs args;
  args.a = a.data + begin;
  args.a_row = 1;
  args.a_reduction = a.stride;
  args.a_reductions = a.index;
  args.b = b.data;
  args.b_stride = b.stride;
  args.b_rows = b.index;
  args.out = gradient + begin * columns;
  args.out_stride = columns;
  args.rows = end - begin;
  args.columns = columns;
  args.reduction = rows;
  args.accumulate = true;
  ex.kernels->gradient->gemm(args);
}

void scale_rows(float* rows, std::int64_t n, float scale) {
  for (std::int64_t i = 0; i < n; ++i) rows[i] *= scale;
}

}  // namespace

bool has_low_rank(const Exec& ex, const PackedWeight& weight) {
  return ex.tape != nullptr && ex.tape->at(weight.data).low_rank != nullptr;
}

LowRankRows low_rank_forward(Exec& ex, const Tensor& x, const float* gain, float eps, const PackedWeight& weight,
                             const Tensor& out) {
  if (!has_low_rank(ex, weight)) return {};
  const LowRank& beside = *ex.tape->at(weight.data).low_rank;
  const std::int64_t rows = x.rows(), k = weight.columns, r = beside.rank;
  const LowRankRows kept{ex.alloc(DType::f32, {rows, r}).f32(), ex.alloc(DType::f32, {rows, r}).f32()};
  const std::size_t scratch = ex.scratch.mark();
  float* normed = gain == nullptr
                      ? nullptr
                      : reinterpret_cast<float*>(ex.scratch.take(static_cast<std::size_t>(kChunk * k) * sizeof(float)));
  const auto [begin, end] = ex.share(rows);
  for (std::int64_t t = begin; t < end; t += kChunk) {
    const std::int64_t count = std::min(kChunk, end - t);
    const float* n = x.row(t);
    if (normed != nullptr) {
      for (std::int64_t i = 0; i < count; ++i) ex.kernels->rms_norm(x.row(t + i), gain, eps, k, normed + i * k);
      n = normed;
    }
    float* h = kept.rows + t * r;
    product(ex, n, normed != nullptr ? k : x.columns(), k, beside.a_t, r, h, r, count, false);
    scale_rows(h, count * r, beside.scale);
    product(ex, h, r, r, beside.b_t, weight.rows, out.row(t), out.columns(), count, true);
  }
  ex.scratch.rewind(scratch);
  return kept;
}

void low_rank_input_backward(Exec& ex, const TrainableWeight& parameters, std::int64_t rows, GradientRows out_gradient,
                             GradientRows input_gradient) {
  const LowRank& beside = *parameters.weight.low_rank;
  const std::int64_t r = beside.rank;
  // The rows that this thread's part of the plain product has: no barrier stands between.
  const auto [begin, end] = ex.share(rows, gemm_unit(ex, parameters.weight));
  if (begin == end) return;
  float* dh = parameters.low.gradient + begin * r;
  product(ex, out_gradient.data + begin * out_gradient.stride, out_gradient.stride, parameters.weight.rows, beside.b, r,
          dh, r, end - begin, false);
  scale_rows(dh, (end - begin) * r, beside.scale);
  if (input_gradient.data == nullptr) return;
  product(ex, dh, r, r, beside.a, parameters.weight.columns, input_gradient.data + begin * input_gradient.stride,
          input_gradient.stride, end - begin, true);
}

void low_rank_weight_backward(Exec& ex, const TrainableWeight& parameters, std::int64_t rows, GradientRows out_gradient,
                              GradientRows input) {
  const LowRank& beside = *parameters.weight.low_rank;
  const std::int64_t r = beside.rank;
  outer(ex, {parameters.low.gradient, r, nullptr}, r, input, parameters.weight.columns, rows, beside.a_gradient);
  outer(ex, out_gradient, parameters.weight.rows, {parameters.low.rows, r, nullptr}, r, rows, beside.b_gradient);
}

}  // namespace limpid
