// Low-rank matrices beside frozen ones: their gradients and that of the input by finite differences, on odd shapes, for
// any number of threads and instruction set.
#include <array>

#include "gradient_world.h"
#include "ops/gated_mlp.h"

namespace limpid::ops_test {
namespace {

// A (r, K) and B (O, r) beside a weight (O, K), with the transposes that the forward reads.
class Beside {
 public:
  Beside(GradientWorld& world, Parameter& weight, std::int64_t outputs, std::int64_t inputs, std::int64_t rank)
      : a_(world.parameter(rank, inputs)),
        b_(world.parameter(outputs, rank)),
        outputs_(outputs),
        inputs_(inputs),
        a_t_(a_.values.size()),
        b_t_(b_.values.size()) {
    low_rank_ = {a_.values.data(),   b_.values.data(),   a_t_.data(), b_t_.data(),
                 a_.gradient.data(), b_.gradient.data(), rank,        0.75F};
    weight.frozen = true;
    weight.low_rank = &low_rank_;
  }
  void transpose() {
    const std::int64_t r = low_rank_.rank;
    for (std::int64_t i = 0; i < r; ++i)
      for (std::int64_t k = 0; k < inputs_; ++k)
        a_t_[static_cast<std::size_t>(k * r + i)] = a_.values[static_cast<std::size_t>(i * inputs_ + k)];
    for (std::int64_t o = 0; o < outputs_; ++o)
      for (std::int64_t i = 0; i < r; ++i)
        b_t_[static_cast<std::size_t>(i * outputs_ + o)] = b_.values[static_cast<std::size_t>(o * r + i)];
  }

 private:
  Parameter &a_, &b_;
  std::int64_t outputs_, inputs_;
  std::vector<float> a_t_, b_t_;
  LowRank low_rank_;
};

TEST(LowRankBackward, Linear) {
  GradientWorld world(7, 19, 1);
  Parameter &w = world.parameter(21, 19), &b = world.parameter(1, 21);
  Beside beside(world, w, 21, 19, 3);
  world.before_each([&] { beside.transpose(); });
  world.on([&](Exec& ex, Tensor& x) {
    Tensor out = ex.alloc_tracked({7, 21});
    linear(ex, x, w.view(&b), out);
    return out;
  });
  world.check();
}

TEST(LowRankBackward, ManyRowsThanAreNormalisedAtATime) {
  GradientWorld world(150, 5, 2);
  Parameter &w = world.parameter(6, 5), &plain = world.parameter(3, 5), &gain = world.parameter(1, 5);
  Beside beside(world, w, 6, 5, 2);
  world.before_each([&] { beside.transpose(); });
  world.on([&](Exec& ex, Tensor& x) {
    std::array<Tensor, 2> out = {ex.alloc_tracked({150, 6}), ex.alloc_tracked({150, 3})};
    const PackedWeight first = w.view(), second = plain.view();
    const std::array<const PackedWeight*, 2> weights = {&first, &second};
    norm_linear(ex, x, gain.values.data(), kEps, weights, out);
    return out[0];
  });
  world.check(5e-3);
}

// One matrix of three has a neighbour; the residual is one tensor in two versions.
TEST(LowRankBackward, Residual) {
  GradientWorld world(9, 13, 5);
  Parameter &w = world.parameter(31, 13), &u = world.parameter(13, 31), &b = world.parameter(1, 13),
            &gain = world.parameter(1, 13);
  Beside beside(world, u, 13, 31, 4);
  world.before_each([&] { beside.transpose(); });
  world.on([&](Exec& ex, Tensor& x) {
    std::array<Tensor, 1> out = {ex.alloc_tracked({9, 31})};
    const PackedWeight view = w.view();
    const std::array<const PackedWeight*, 1> weights = {&view};
    norm_linear(ex, x, gain.values.data(), kEps, weights, out);
    ex.sync();
    linear_residual(ex, out[0], u.view(&b), x);
    return x;
  });
  world.check();
}

TEST(LowRankBackward, AnInputWithoutGradientMovesNoOther) {
  GradientWorld world(5, 17, 3);
  Parameter& w = world.parameter(18, 17);
  Beside beside(world, w, 18, 17, 2);
  world.before_each([&] { beside.transpose(); });
  world.on([&](Exec& ex, Tensor& x) {
    Tensor out = ex.alloc_tracked({5, 18});
    linear(ex, x, w.view(), out);
    return out;
  });
  const std::vector<float> all = world.gradients({2}), some = world.gradients({2}, false);
  EXPECT_TRUE(same_bits({all.begin() + 5 * 17, all.end()}, {some.begin() + 5 * 17, some.end()}));
}

class LowRankMlp : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Beside, LowRankMlp, testing::Values(1, 2, 4, 7),
                         [](const auto& p) { return "mask" + std::to_string(p.param); });

TEST_P(LowRankMlp, GatedMlp) {
  GradientWorld world(6, 12, 7);
  Parameter &gate = world.parameter(20, 12), &up = world.parameter(20, 12), &down = world.parameter(12, 20),
            &gain = world.parameter(1, 12);
  std::deque<Beside> beside;
  if (GetParam() & 1) beside.emplace_back(world, gate, 20, 12, 3);
  if (GetParam() & 2) beside.emplace_back(world, up, 20, 12, 2);
  if (GetParam() & 4) beside.emplace_back(world, down, 12, 20, 3);
  world.before_each([&] {
    for (Beside& one : beside) one.transpose();
  });
  world.on([&](Exec& ex, Tensor& x) {
    gated_mlp(ex, x, gain.values.data(), kEps, {gate.view(), up.view(), down.view()});
    return x;
  });
  world.check(4e-3);
}

}  // namespace
}  // namespace limpid::ops_test
