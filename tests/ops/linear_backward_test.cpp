// Gradients of products by finite differences, on odd shapes, threads and instruction sets.
#include <array>

#include "base/error.h"
#include "gradient_world.h"

namespace limpid::ops_test {
namespace {

TEST(LinearBackward, Linear) {
  GradientWorld world(7, 19, 1);
  Parameter &w = world.parameter(21, 19), &b = world.parameter(1, 21);
  world.on([&](Exec& ex, Tensor& x) {
    Tensor out = ex.alloc_tracked({7, 21});
    linear(ex, x, w.view(&b), out);
    return out;
  });
  world.check();
}

TEST(LinearBackward, AFrozenWeightPassesTheGradientAndHasNone) {
  GradientWorld world(5, 17, 3);
  Parameter& w = world.parameter(18, 17);
  w.frozen = true;
  world.on([&](Exec& ex, Tensor& x) {
    Tensor out = ex.alloc_tracked({5, 18});
    linear(ex, x, w.view(), out);
    return out;
  });
  world.check();
}

TEST(LinearBackward, AnInputWithoutGradientMovesNoOther) {
  GradientWorld world(5, 17, 3);
  Parameter& w = world.parameter(18, 17);
  world.on([&](Exec& ex, Tensor& x) {
    Tensor out = ex.alloc_tracked({5, 18});
    linear(ex, x, w.view(), out);
    return out;
  });
  std::vector<float> all = world.gradients({2}), some = world.gradients({2}, false);
  for (std::size_t i = 0; i < 5 * 17; ++i) EXPECT_EQ(some[i], 0.0F);
  EXPECT_TRUE(same_bits({all.begin() + 5 * 17, all.end()}, {some.begin() + 5 * 17, some.end()}));
}

// The residual is one tensor in two versions: x += U W norm(x).
TEST(LinearBackward, Residual) {
  GradientWorld world(9, 13, 5);
  Parameter &w = world.parameter(31, 13), &u = world.parameter(13, 31), &b = world.parameter(1, 13),
            &gain = world.parameter(1, 13);
  world.on([&](Exec& ex, Tensor& x) {
    const std::array<Tensor, 1> hidden = {ex.alloc_tracked({9, 31})};
    const PackedWeight view = w.view();
    const std::array<const PackedWeight*, 1> weights = {&view};
    std::array<Tensor, 1> out = hidden;
    norm_linear(ex, x, gain.values.data(), kEps, weights, out);
    ex.sync();
    linear_residual(ex, hidden[0], u.view(&b), x);
    return x;
  });
  world.check();
}

TEST(LinearBackward, NormLinearOfSeveralWeights) {
  GradientWorld world(6, 18, 7);
  Parameter &q = world.parameter(20, 18), &k = world.parameter(5, 18), &bias = world.parameter(1, 5),
            &gain = world.parameter(1, 18), &join = world.parameter(3, 20), &mix = world.parameter(3, 5);
  world.on([&](Exec& ex, Tensor& x) {
    std::array<Tensor, 2> out = {ex.alloc_tracked({6, 20}), ex.alloc_tracked({6, 5})};
    const PackedWeight qv = q.view(), kv = k.view(&bias);
    const std::array<const PackedWeight*, 2> weights = {&qv, &kv};
    norm_linear(ex, x, gain.values.data(), kEps, weights, out);
    ex.sync();
    Tensor y = ex.alloc_tracked({6, 3});
    linear(ex, out[0], join.view(), y);
    linear_residual(ex, out[1], mix.view(), y);
    return y;
  });
  world.check();
}

TEST(LinearBackward, NormLinearWithoutANorm) {
  GradientWorld world(6, 18, 7);
  Parameter& w = world.parameter(7, 18);
  world.on([&](Exec& ex, Tensor& x) {
    std::array<Tensor, 1> out = {ex.alloc_tracked({6, 7})};
    const PackedWeight view = w.view();
    const std::array<const PackedWeight*, 1> weights = {&view};
    norm_linear(ex, x, nullptr, kEps, weights, out);
    return out[0];
  });
  world.check();
}

TEST(LinearBackward, HeadLinear) {
  constexpr std::int64_t kRows = 5, kHeads = 3, kIn = 6, kOut = 17;
  GradientWorld world(kRows, kHeads * kIn, 11);
  std::vector<Parameter*> maps;
  for (int h = 0; h < kHeads; ++h) maps.push_back(&world.parameter(kOut, kIn));
  world.on([&](Exec& ex, Tensor& x) {
    Tensor out = ex.alloc_tracked({kRows, kHeads * kOut});
    std::vector<PackedWeight> views;
    for (const Parameter* map : maps) views.push_back(map->view());
    head_linear(ex, {x.f32(), kHeads * kIn, kIn, x.gradient}, kRows, views,
                {out.f32(), kHeads * kOut, kOut, out.gradient});
    return out;
  });
  world.check();
}

// Products in bf16: near those in f32, and the same bits for any threads and instruction set.
TEST(LinearBackward, InBf16) {
  GradientWorld world(70, 37, 1);
  Parameter &w = world.parameter(67, 37), &u = world.parameter(37, 67), &gain = world.parameter(1, 37);
  world.on([&](Exec& ex, Tensor& x) {
    std::array<Tensor, 1> hidden = {ex.alloc_tracked({70, 67})};
    const PackedWeight view = w.view();
    const std::array<const PackedWeight*, 1> weights = {&view};
    norm_linear(ex, x, gain.values.data(), kEps, weights, hidden);
    ex.sync();
    linear_residual(ex, hidden[0], u.view(), x);
    return x;
  });
  const std::vector<float> exact = world.gradients({});
  w.bf16 = u.bf16 = true;
  const std::vector<float> rounded = world.gradients({});
  EXPECT_FALSE(same_bits(exact, rounded));
  double squares = 0, errors = 0;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    const double error = static_cast<double>(exact[i]) - static_cast<double>(rounded[i]);
    squares += static_cast<double>(exact[i]) * static_cast<double>(exact[i]);
    errors += error * error;
  }
  EXPECT_LT(std::sqrt(errors / squares), 4e-3);  // 2^-9 of each factor
  for (const KernelTable* table : kernel_tables())
    for (int threads : {1, 2, 3})
      EXPECT_TRUE(same_bits(world.gradients({threads, table}), rounded))
          << table->isa << " on " << threads << " threads";
}

TEST(Tape, AParameterThatNobodyHoldsIsAnError) {
  GradientWorld world(5, 17, 3);
  const Weight w(DType::f32, 18, 17, 4);
  world.on([&](Exec& ex, Tensor& x) {
    Tensor out = ex.alloc_tracked({5, 18});
    linear(ex, x, w.view(), out);
    return out;
  });
  EXPECT_THROW(world.gradients({2}), Error);
}

}  // namespace
}  // namespace limpid::ops_test
