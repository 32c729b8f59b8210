// Products against plain sums in double precision, and the contract of one answer.
#include "ops/linear.h"

#include "ops_world.h"

namespace limpid::ops_test {
namespace {

class LinearOp : public ::testing::TestWithParam<DType> {};
INSTANTIATE_TEST_SUITE_P(Types, LinearOp, ::testing::ValuesIn(weight_types()), type_name);

// Outputs of all weights, side by side.
std::vector<float> run_norm_linear(const How& how, const std::vector<const Weight*>& weights, const float* gain,
                                   std::vector<float> x, std::int64_t rows) {
  std::int64_t width = 0;
  std::size_t out_bytes = 0;
  for (const Weight* weight : weights) {
    width += weight->view().rows;
    out_bytes += (static_cast<std::size_t>(rows * weight->view().rows) * 4 + 63) / 64 * 64;
  }
  std::vector<float> result(static_cast<std::size_t>(rows * width));
  const std::int64_t columns = weights.front()->view().columns;
  run_step(how, out_bytes + activation_bytes(rows, columns), linear_scratch_bytes(columns), [&](Exec& ex) {
    std::vector<Tensor> out;
    std::vector<const PackedWeight*> views;
    for (const Weight* weight : weights) {
      out.push_back(ex.alloc(DType::f32, {rows, weight->view().rows}));
      views.push_back(&weight->view());
    }
    norm_linear(ex, tensor_of(x, rows), gain, kEps, views, out);
    ex.sync();
    if (ex.thread != 0) return;
    for (std::int64_t t = 0, at = 0; t < rows; ++t)
      for (const Tensor& y : out) {
        std::copy_n(y.row(t), y.columns(), result.begin() + at);
        at += y.columns();
      }
  });
  return result;
}

Doubles expected_norm_linear(const std::vector<const Weight*>& weights, const std::vector<float>* gain,
                             const std::vector<float>& x, std::int64_t rows) {
  const std::int64_t columns = weights.front()->view().columns;
  Doubles expected;
  for (std::int64_t t = 0; t < rows; ++t) {
    Doubles row = row_of(x, t, columns);
    if (gain != nullptr) row = normalised(row, *gain);
    for (const Weight* weight : weights) {
      const Doubles y = times(*weight, row);
      expected.insert(expected.end(), y.begin(), y.end());
    }
  }
  return expected;
}

TEST_P(LinearOp, NormLinearIsTheSumInDoublePrecision) {
  constexpr std::int64_t kRows = 70;
  const std::int64_t columns = fitting(GetParam(), 288);
  const Weight weight(GetParam(), 41, columns, 1, true);
  const std::vector<float> x = random_values(kRows * columns, 2, 3.0F), gain = random_values(columns, 3);
  const RowsOp op = [&](const How& how, const std::vector<float>& rows, std::int64_t n) {
    return run_norm_linear(how, {&weight}, gain.data(), rows, n);
  };
  expect_near(one_answer(op, x, kRows), expected_norm_linear({&weight}, &gain, x, kRows), tolerance_of(GetParam()));
}

TEST(LinearMix, WeightsOfDifferentTypesAndWidthsShareTheRows) {
  constexpr std::int64_t kRows = 9, kColumns = 320;
  const Weight q(DType::q8_0, 100, kColumns, 1), k(DType::bf16, 20, kColumns, 2, true), v(DType::f32, 7, kColumns, 4);
  const std::vector<const Weight*> weights{&q, &k, &v};
  const std::vector<float> x = random_values(kRows * kColumns, 5);
  const RowsOp op = [&](const How& how, const std::vector<float>& rows, std::int64_t n) {
    return run_norm_linear(how, weights, nullptr, rows, n);
  };
  expect_near(one_answer(op, x, kRows), expected_norm_linear(weights, nullptr, x, kRows), 4e-2);
}

TEST(LinearMix, MoreThreadsThanStrips) {
  const Weight weight(DType::f32, 17, 64, 1);
  const std::vector<float> x = random_values(6 * 64, 5);
  EXPECT_TRUE(same_bits(run_norm_linear({7, &best_kernels()}, {&weight}, nullptr, x, 6),
                        run_norm_linear({1, &best_kernels()}, {&weight}, nullptr, x, 6)));
}

TEST_P(LinearOp, LinearAndResidual) {
  constexpr std::int64_t kRows = 53, kOut = 37;
  const std::int64_t columns = fitting(GetParam(), 96);
  const Weight weight(GetParam(), kOut, columns, 11, true);
  const std::vector<float> x = random_values(kRows * (columns + kOut), 12);  // a row: the input, then the residual
  for (const bool residual : {false, true}) {
    const RowsOp op = [&](const How& how, const std::vector<float>& both, std::int64_t rows) {
      std::vector<float> input, out;
      for (auto at = both.begin(); at != both.end(); at += columns + kOut) {
        input.insert(input.end(), at, at + columns);
        out.insert(out.end(), at + columns, at + columns + kOut);
      }
      run_step(how, activation_bytes(rows, columns), linear_scratch_bytes(columns), [&](Exec& ex) {
        Tensor y = tensor_of(out, rows);
        (residual ? linear_residual : linear)(ex, tensor_of(input, rows), weight.view(), y);
        EXPECT_EQ(ex.arena.used(), 0U);
      });
      return out;
    };
    Doubles expected;
    for (std::int64_t t = 0; t < kRows; ++t) {
      const Doubles row = row_of(x, t, columns + kOut);
      const Doubles y = times(weight, {row.begin(), row.begin() + columns});
      for (std::int64_t o = 0; o < kOut; ++o)
        expected.push_back(y[static_cast<std::size_t>(o)] +
                           (residual ? row[static_cast<std::size_t>(columns + o)] : 0));
    }
    expect_near(one_answer(op, x, kRows), expected, tolerance_of(GetParam()));
  }
}

TEST_P(LinearOp, EveryHeadHasItsMatrix) {
  constexpr std::int64_t kRows = 101, kHeads = 3, kOut = 40, kOutHead = 43;
  const std::int64_t columns = fitting(GetParam(), 96), in_head = columns + 4;
  std::vector<Weight> weights;
  std::vector<PackedWeight> views;
  for (unsigned h = 0; h < kHeads; ++h) weights.emplace_back(GetParam(), kOut, columns, 20 + h);
  for (const Weight& weight : weights) views.push_back(weight.view());
  const std::vector<float> x = random_values(kRows * kHeads * in_head, 30);
  const RowsOp op = [&](const How& how, const std::vector<float>& rows, std::int64_t n) {
    std::vector<float> input = rows, out(static_cast<std::size_t>(n * kHeads * kOutHead), 0.25F);
    run_step(how, 0, head_linear_scratch_bytes(columns), [&](Exec& ex) {
      head_linear(ex, {input.data(), kHeads * in_head, in_head}, n, views, {out.data(), kHeads * kOutHead, kOutHead});
    });
    return out;
  };
  Doubles expected;
  for (std::int64_t t = 0; t < kRows; ++t)
    for (std::int64_t h = 0; h < kHeads; ++h) {
      const Doubles row = row_of(x, t * kHeads + h, in_head);
      const Doubles y = times(weights[static_cast<std::size_t>(h)], {row.begin(), row.begin() + columns});
      expected.insert(expected.end(), y.begin(), y.end());
      expected.insert(expected.end(), kOutHead - kOut, 0.25);  // between the heads nothing is written
    }
  expect_near(one_answer(op, x, kRows), expected, tolerance_of(GetParam()));
}

}  // namespace
}  // namespace limpid::ops_test
