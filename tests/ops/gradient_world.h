// What the tests of gradients share: parameters with masters and gradients, a run of forward, loss and backward in
// poisoned memory, and central finite differences of the loss in double precision.
//
// The loss is sum(out * dice) for fixed random dice, so that the gradient of out is the dice.
#pragma once

#include <deque>

#include "ops/tape.h"
#include "ops_world.h"

namespace limpid::ops_test {

constexpr std::size_t kArena = std::size_t{1} << 20, kScratch = std::size_t{1} << 19;

// Finite differences take two runs for each value. Under a sanitizer, where a run is ten times slower and they show nothing new, every 16th is taken.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr std::size_t kEvery = 16;
#else
constexpr std::size_t kEvery = 1;
#endif

// A matrix or vector of f32 with its gradient, and the packed weight made of it.
class Parameter {
 public:
  Parameter(std::int64_t rows, std::int64_t columns, unsigned seed, float spread = 0.5F)
      : values(random_values(rows * columns, seed, spread)), gradient(values.size()), rows_(rows), columns_(columns) {
    packed_ = lines_for(packed_bytes(DType::f32, rows, columns));
    pack();
  }
  void pack() {
    PackedWeight w = view();
    for (std::int64_t s = 0; s < (rows_ + kStripRows - 1) / kStripRows; ++s)
      pack_strip(DType::f32, std::as_bytes(std::span(values)), {}, rows_, columns_, s,
                 packed_.front().bytes + static_cast<std::size_t>(s) * w.strip_bytes());
  }
  PackedWeight view(const Parameter* bias = nullptr) const {
    return {DType::f32, rows_, columns_, packed_.front().bytes, bias ? bias->values.data() : nullptr};
  }
  void add_to(Tape& tape) {
    const Trainable t{values.data(), frozen ? nullptr : gradient.data(), rows_, columns_, bf16, low_rank};
    tape.add(packed_.front().bytes, t);
    tape.add(values.data(), t);  // as a gain or bias
  }
  std::vector<float> values, gradient;
  bool frozen = false, bf16 = false;
  const LowRank* low_rank = nullptr;

 private:
  std::int64_t rows_, columns_;
  Lines packed_;
};

// What the loss reads: some tensor that the forward made (or changed in place).
using Forward = std::function<Tensor(Exec& ex, Tensor& x)>;

class GradientWorld {
 public:
  GradientWorld(std::int64_t rows, std::int64_t columns, unsigned seed)
      : rows_(rows), x_(random_values(rows * columns, seed)), seed_(seed) {}

  Parameter& parameter(std::int64_t rows, std::int64_t columns, float spread = 0.5F) {
    return parameters_.emplace_back(rows, columns, ++seed_, spread);
  }
  void on(Forward forward) { forward_ = std::move(forward); }
  // Called before each run; the loss is then computed with a tape too, for what only a forward in training does.
  void before_each(std::function<void()> prepare) { prepare_ = std::move(prepare); }

  // Gradients of x, then of each parameter, as one list. `input_wanted` false: x has none.
  std::vector<float> gradients(const How& how, bool input_wanted = true) {
    Tape tape;
    if (prepare_) prepare_();
    for (Parameter& p : parameters_) {
      std::ranges::fill(p.gradient, 0.0F);
      p.add_to(tape);
    }
    std::vector<float> dx(x_.size()), x = x_;
    run_step(how, kArena, kScratch, [&](Exec& ex) {
      ex.tape = &tape;
      Tensor in = tensor_of(x, rows_);
      in.gradient = input_wanted ? dx.data() : nullptr;
      ex.sync();
      const Tensor out = forward_(ex, in);
      ex.sync();
      if (ex.thread == 0) {
        const std::vector<float> dice = random_values(out.size(), 99);
        ASSERT_NE(out.gradient, nullptr);
        std::copy(dice.begin(), dice.end(), out.gradient);
      }
      tape.backward(ex);
    });
    std::vector<float> all = dx;
    for (const Parameter& p : parameters_) all.insert(all.end(), p.gradient.begin(), p.gradient.end());
    return all;
  }

  // Every gradient against (loss(v + h) - loss(v - h)) / 2h, and the same bits for any threads and instruction set.
  void check(double tolerance = 2e-3) {
    const std::vector<float> expected = gradients({});
    for (const KernelTable* table : kernel_tables())
      for (int threads : {1, 2, 3})
        EXPECT_TRUE(same_bits(gradients({threads, table}), expected)) << table->isa << " on " << threads << " threads";
    std::size_t at = 0, taken = 0;
    double worst = 0, squares = 0;
    const auto compare = [&](std::vector<float>& values, bool frozen, const std::function<void()>& changed) {
      for (float& value : values) {
        if (at % kEvery != 0) {
          ++at;
          continue;
        }
        ++taken;
        const float before = value, h = 4e-3F;
        value = before + h;
        changed();
        const double above = loss(), high = static_cast<double>(value);
        value = before - h;
        changed();
        const double slope = (above - loss()) / (high - static_cast<double>(value));
        value = before;
        const double got = static_cast<double>(expected[at++]), wanted = frozen ? 0.0 : slope;
        worst = std::fabs(got - wanted) <= worst ? worst : std::fabs(got - wanted);
        squares += wanted * wanted;
      }
      changed();
    };
    compare(x_, false, [] {});
    for (Parameter& p : parameters_) compare(p.values, p.frozen, [&] { p.pack(); });
    EXPECT_LT(worst / std::sqrt(squares / static_cast<double>(taken)), tolerance);
  }

  double loss() {
    std::vector<float> x = x_;
    double sum = 0;
    Tape tape;
    if (prepare_) prepare_();
    for (Parameter& p : parameters_) p.add_to(tape);
    run_step({}, kArena, kScratch, [&](Exec& ex) {
      if (prepare_) ex.tape = &tape;
      Tensor in = tensor_of(x, rows_);
      const Tensor out = forward_(ex, in);
      ex.sync();
      const std::vector<float> dice = random_values(out.size(), 99);
      for (std::int64_t i = 0; i < out.size(); ++i)
        sum += static_cast<double>(out.f32()[i]) * static_cast<double>(dice[static_cast<std::size_t>(i)]);
    });
    return sum;
  }

 private:
  std::int64_t rows_;
  std::vector<float> x_;
  unsigned seed_;
  std::deque<Parameter> parameters_;
  Forward forward_;
  std::function<void()> prepare_;
};

}  // namespace limpid::ops_test
