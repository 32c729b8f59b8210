// Gradients of the embedding, the head, gated MLPs and norms alone, by finite differences.
#include <array>

#include "gradient_world.h"
#include "ops/embed.h"
#include "ops/gated_mlp.h"
#include "ops/norm.h"

namespace limpid::ops_test {
namespace {

TEST(GatedMlpBackward, WithBiases) {
  constexpr std::int64_t kRows = 7, kWidth = 13, kHidden = 69;  // more than one unit of hidden columns
  GradientWorld world(kRows, kWidth, 1);
  Parameter &gate = world.parameter(kHidden, kWidth), &up = world.parameter(kHidden, kWidth),
            &down = world.parameter(kWidth, kHidden, 0.2F), &gain = world.parameter(1, kWidth),
            &gate_bias = world.parameter(1, kHidden), &up_bias = world.parameter(1, kHidden),
            &down_bias = world.parameter(1, kWidth);
  world.on([&](Exec& ex, Tensor& x) {
    const GatedMlpWeights weights{gate.view(&gate_bias), up.view(&up_bias), down.view(&down_bias)};
    gated_mlp(ex, x, gain.values.data(), kEps, weights);
    return x;
  });
  world.check();
}

TEST(GatedMlpBackward, TwiceOnOneResidual) {
  constexpr std::int64_t kRows = 3, kWidth = 9, kHidden = 11;
  GradientWorld world(kRows, kWidth, 4);
  Parameter &gate = world.parameter(kHidden, kWidth), &up = world.parameter(kHidden, kWidth),
            &down = world.parameter(kWidth, kHidden), &gain = world.parameter(1, kWidth),
            &second = world.parameter(1, kWidth);
  world.on([&](Exec& ex, Tensor& x) {
    const GatedMlpWeights weights{gate.view(), up.view(), down.view()};
    gated_mlp(ex, x, gain.values.data(), kEps, weights);
    gated_mlp(ex, x, second.values.data(), kEps, weights);
    return x;
  });
  world.check();
}

TEST(GatedMlpBackward, ForwardIsTheSameWithATape) {
  constexpr std::int64_t kRows = 50, kWidth = 40, kHidden = 300;
  Parameter gate(kHidden, kWidth, 1), up(kHidden, kWidth, 2), down(kWidth, kHidden, 3), gain(1, kWidth, 4);
  const std::vector<float> x = random_values(kRows * kWidth, 5);
  const auto forward = [&](bool with_tape) {
    Tape tape;
    for (Parameter* p : {&gate, &up, &down, &gain}) p->add_to(tape);
    std::vector<float> out = x;
    run_step({2}, kArena, kScratch, [&](Exec& ex) {
      if (with_tape) ex.tape = &tape;
      Tensor in = tensor_of(out, kRows);
      gated_mlp(ex, in, gain.values.data(), kEps, {gate.view(), up.view(), down.view()});
    });
    EXPECT_EQ(tape.recorded(), with_tape ? 1U : 0U);
    return out;
  };
  EXPECT_TRUE(same_bits(forward(false), forward(true)));
}

TEST(NormBackward, PartOfTheRowsInPlace) {
  constexpr std::int64_t kRows = 5, kWidth = 23, kNormed = 19;
  GradientWorld world(kRows, 6, 2);
  Parameter &w = world.parameter(kWidth, 6), &gain = world.parameter(1, kNormed);
  world.on([&](Exec& ex, Tensor& x) {
    Tensor y = ex.alloc_tracked({kRows, kWidth});
    linear(ex, x, w.view(), y);
    norm_rows(ex, y, kNormed, gain.values.data(), kEps);
    return y;
  });
  world.check();
}

// A token that comes twice, rows without logits, a tied table.
TEST(EmbedBackward, WithATiedHead) {
  constexpr std::int64_t kVocabulary = 21, kWidth = 17;
  const std::vector<std::int32_t> ids{3, 20, 3, 0, 7}, positions{0, 1, 2, 3, 4}, outputs{0, 2, 4};
  GradientWorld world(1, 1, 2);
  Parameter &table = world.parameter(kVocabulary, kWidth), &gain = world.parameter(1, kWidth);
  world.on([&](Exec& ex, Tensor&) {
    const Batch batch{ids, positions, {}, outputs};
    const Tensor x = embed(ex, table.view(), batch);
    return head(ex, x, gain.values.data(), kEps, table.view(), batch);
  });
  world.check();
}

}  // namespace
}  // namespace limpid::ops_test
