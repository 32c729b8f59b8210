#include "ops/linear_backward.h"

namespace limpid {

void record_linear(Exec& ex, const Tensor& input, const PackedWeight& weight, const Tensor& out, LowRankRows low) {
  TrainableWeight parameters = trainable(ex, weight);
  parameters.low = low;
  ex.tape->record(ex, [=](Exec& back) {
    product_backward(back, parameters, input.rows(), rows_of_gradient(out), rows_of_values(input),
                     rows_of_gradient(input));
  });
}

void record_norm_linear(Exec& ex, const Tensor& x, const float* gain, float eps,
                        std::span<const PackedWeight* const> weights, std::span<const Tensor> out,
                        std::span<const LowRankRows> low) {
  std::vector<ProductGradient> products;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    products.push_back({trainable(ex, *weights[i]), rows_of_gradient(out[i])});
    products.back().parameters.low = low[i];
  }
  const Trainable norm = gain == nullptr ? Trainable{} : ex.tape->at(gain);
  const Tensor old = keep_copy(ex, x);
  ex.tape->record(ex, [=](Exec& back) { norm_products_backward(back, old, norm, eps, products, rows_of_gradient(x)); });
}

void record_head_linear(Exec& ex, HeadRows input, std::int64_t rows, std::span<const PackedWeight> weights,
                        HeadRows out) {
  std::vector<TrainableWeight> heads;
  for (const PackedWeight& weight : weights) heads.push_back(trainable(ex, weight));
  ex.tape->record(ex, [=](Exec& back) {
    for (std::size_t h = 0; h < heads.size(); ++h) {
      const auto at = static_cast<std::int64_t>(h);
      const GradientRows wanted =
          input.gradient == nullptr ? GradientRows{}
                                    : GradientRows{input.gradient + at * input.head_stride, input.row_stride, nullptr};
      product_backward(back, heads[h], rows, {out.gradient + at * out.head_stride, out.row_stride, nullptr},
                       {input.data + at * input.head_stride, input.row_stride, nullptr}, wanted);
    }
  });
}

}  // namespace limpid
