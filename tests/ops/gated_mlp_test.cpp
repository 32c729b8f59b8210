// The gated MLP against plain arithmetic in double precision, and the contract of one answer.
#include "ops/gated_mlp.h"

#include "ops_world.h"

namespace limpid::ops_test {
namespace {

struct Mlp {
  Weight gate, up, down;
  GatedMlpWeights weights() const { return {gate.view(), up.view(), down.view()}; }
};

std::vector<float> run(const How& how, const Mlp& layer, const std::vector<float>& gain, std::vector<float> x,
                       std::int64_t rows) {
  const std::int64_t d = layer.gate.view().columns, f = layer.gate.view().rows;
  run_step(how, gated_mlp_arena_bytes(rows, d, f), gated_mlp_scratch_bytes(d), [&](Exec& ex) {
    Tensor tensor = tensor_of(x, rows);
    gated_mlp(ex, tensor, gain.data(), kEps, layer.weights());
    EXPECT_EQ(ex.arena.used(), 0U);
  });
  return x;
}

void check(const Mlp& layer, std::int64_t rows, double tolerance) {
  const std::int64_t d = layer.gate.view().columns;
  const std::vector<float> x = random_values(rows * d, 40), gain = random_values(d, 41);
  const RowsOp op = [&](const How& how, const std::vector<float>& some, std::int64_t n) {
    return run(how, layer, gain, some, n);
  };
  Doubles expected;
  for (std::int64_t t = 0; t < rows; ++t) {
    const Doubles row = row_of(x, t, d), y = mlp(layer.gate, layer.up, layer.down, normalised(row, gain));
    for (std::size_t i = 0; i < y.size(); ++i) expected.push_back(row[i] + y[i]);
  }
  expect_near(one_answer(op, x, rows), expected, tolerance);
}

class GatedMlp : public ::testing::TestWithParam<DType> {};
INSTANTIATE_TEST_SUITE_P(Types, GatedMlp, ::testing::ValuesIn(weight_types()), type_name);

TEST_P(GatedMlp, IsTheFormulaInDoublePrecision) {
  const DType type = GetParam();
  const std::int64_t d = fitting(type, 160), f = fitting(type, 608);
  check({{type, f, d, 1}, {type, f, d, 2}, {type, d, f, 3}}, 60, tolerance_of(type));
}

TEST(GatedMlpMix, EveryMatrixMayHaveItsType) {
  check({{DType::q4_0, 288, 64, 1}, {DType::bf16, 288, 64, 2}, {DType::q8_0, 64, 288, 3}}, 10, 4e-2);
  check({{DType::f32, 100, 64, 1}, {DType::f16, 100, 64, 2}, {DType::f32, 64, 100, 3}}, 10, 2e-5);
}

// A product with BF16 reads pairs: the last one reaches into the padding of the hidden row.
TEST(GatedMlpMix, ThePaddingOfHiddenRowsIsWritten) {
  check({{DType::f32, 101, 64, 1}, {DType::f32, 101, 64, 2}, {DType::bf16, 64, 101, 3}}, 6, 4e-2);
}

TEST(GatedMlpMix, MoreThreadsThanWork) {
  const Mlp layer{{DType::q8_0, 96, 64, 1}, {DType::q8_0, 96, 64, 2}, {DType::q8_0, 64, 96, 3}};
  const std::vector<float> x = random_values(6 * 64, 40), gain = random_values(64, 41);
  EXPECT_TRUE(same_bits(run({7, &best_kernels()}, layer, gain, x, 6), run({1, &best_kernels()}, layer, gain, x, 6)));
}

}  // namespace
}  // namespace limpid::ops_test
