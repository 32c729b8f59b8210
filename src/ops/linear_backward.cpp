#include "ops/linear_backward.h"

namespace limpid {

void record_linear(Exec& ex, const Tensor& input, const PackedWeight& weight, const Tensor& out) {
  const TrainableWeight parameters = trainable(ex, weight);
  ex.tape->record(ex, [=](Exec& back) {
    product_backward(back, parameters, input.rows(), rows_of_gradient(out), rows_of_values(input), rows_of_gradient(input));
  });
}

void record_norm_linear(Exec& ex, const Tensor& x, const float* gain, float eps,
                        std::span<const PackedWeight* const> weights, std::span<const Tensor> out) {
  std::vector<std::pair<TrainableWeight, Tensor>> products;
  for (std::size_t i = 0; i < weights.size(); ++i) products.emplace_back(trainable(ex, *weights[i]), out[i]);
  const Trainable norm = gain == nullptr ? Trainable{} : ex.tape->at(gain);
  const Tensor old = keep_copy(ex, x);
  ex.tape->record(ex, [=](Exec& back) {
    const std::int64_t rows = old.rows(), d = old.columns();
    if (gain == nullptr) {
      for (const auto& [parameters, y] : products) {
        product_backward(back, parameters, rows, rows_of_gradient(y), rows_of_values(old), rows_of_gradient(x));
      }
      return;
    }
    const std::size_t mark = back.arena.mark();
    const Tensor n = back.alloc(DType::f32, {rows, d}), dn = back.alloc(DType::f32, {rows, d});
    auto* inverse = reinterpret_cast<float*>(back.alloc_bytes(static_cast<std::size_t>(rows) * sizeof(float)));
    const auto [begin, end] = back.share(rows);
    for (std::int64_t t = begin; t < end; ++t) back.kernels->rms_norm(old.row(t), gain, eps, d, n.row(t));
    bool accumulate = false;
    for (const auto& [parameters, y] : products) {
      input_backward(back, parameters.weight, rows, rows_of_gradient(y), rows_of_values(dn), accumulate);
      accumulate = true;
    }
    back.sync();
    for (const auto& [parameters, y] : products)
      weight_backward(back, parameters, rows, rows_of_gradient(y), rows_of_values(n));
    norm_backward(back, rows_of_values(old), norm, eps, rows, rows_of_values(dn), rows_of_gradient(x), inverse);
    back.arena.rewind(mark);
  });
}

void record_head_linear(Exec& ex, HeadRows input, std::int64_t rows, std::span<const PackedWeight> weights,
                        HeadRows out) {
  std::vector<TrainableWeight> heads;
  for (const PackedWeight& weight : weights) heads.push_back(trainable(ex, weight));
  ex.tape->record(ex, [=](Exec& back) {
    for (std::size_t h = 0; h < heads.size(); ++h) {
      const auto at = static_cast<std::int64_t>(h);
      const GradientRows wanted = input.gradient == nullptr
                                      ? GradientRows{}
                                      : GradientRows{input.gradient + at * input.head_stride, input.row_stride, nullptr};
      product_backward(back, heads[h], rows, {out.gradient + at * out.head_stride, out.row_stride, nullptr},
                       {input.data + at * input.head_stride, input.row_stride, nullptr}, wanted);
    }
  });
}

}  // namespace limpid
