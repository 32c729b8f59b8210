#include "ops/norm.h"

#include <algorithm>

#include "ops/gradient.h"

namespace limpid {

namespace {

// Gradient and values lie where those of the normalised rows did: what arrives is moved away first.
void record(Exec& ex, const Tensor& x, const Tensor& old, const float* gain, float eps) {
  const Trainable norm = ex.tape->at(gain);
  if (x.gradient == nullptr) return;
  ex.tape->record(ex, [=](Exec& back) {
    const std::int64_t rows = old.rows(), n = old.columns();
    const std::size_t mark = back.arena.mark();
    const Tensor dy = back.alloc(DType::f32, {rows, n});
    auto* inverse = reinterpret_cast<float*>(back.alloc_bytes(static_cast<std::size_t>(rows) * sizeof(float)));
    const auto [begin, end] = back.share(rows);
    for (std::int64_t t = begin; t < end; ++t) {
      float* row = x.gradient + t * x.columns();
      std::copy_n(row, n, dy.row(t));
      std::fill_n(row, n, 0.0F);
    }
    // The same share of rows again; the columns of the gain's gradient come after a barrier.
    norm_backward(back, rows_of_values(old), norm, eps, rows, rows_of_values(dy), rows_of_gradient(x), inverse);
    back.arena.rewind(mark);
  });
}

}  // namespace

void norm_rows(Exec& ex, Tensor& x, std::int64_t columns, const float* gain, float eps) {
  const auto [begin, end] = ex.share(x.rows());
  Tensor old;
  if (ex.tape != nullptr) {
    old = ex.alloc(DType::f32, {x.rows(), columns});
    for (std::int64_t t = begin; t < end; ++t) std::copy_n(x.row(t), columns, old.row(t));
  }
  for (std::int64_t t = begin; t < end; ++t) ex.kernels->rms_norm(x.row(t), gain, eps, columns, x.row(t));
  if (ex.tape != nullptr) record(ex, x, old, gain, eps);
}

}  // namespace limpid
