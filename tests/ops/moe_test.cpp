// The choice of experts against a plain one that sorts, the experts against plain arithmetic in double precision, and
// the contract of one answer.
#include "ops/moe_step.h"

#include <numeric>

#include "ops_world.h"

namespace limpid::ops_test {
namespace {

struct Choice {
  std::vector<std::int32_t> ids;
  std::vector<float> weights;
};

Choice run_route(const How& how, const Gate& gate, std::vector<float> n, std::int64_t rows) {
  Choice choice;
  const std::int64_t d = gate.weight.columns;
  run_step(how, moe_arena_bytes(rows, d, 0, 0, gate.experts, gate.chosen, Arrival::together),
           moe_scratch_bytes(rows, d, gate.experts, gate.chosen), [&](Exec& ex) {
             const Routing routing = route(ex, tensor_of(n, rows), gate);
             if (ex.thread != 0) return;
             choice.ids.assign(routing.ids, routing.ids + rows * gate.chosen);
             choice.weights.assign(routing.weights, routing.weights + rows * gate.chosen);
           });
  return choice;
}

// One row, by sorting. Ties keep the lower index because the sort is stable.
void choose_plainly(const Gate& gate, Doubles logits, std::vector<std::int32_t>& ids, Doubles& weights) {
  const auto count = static_cast<std::size_t>(gate.experts), size = count / static_cast<std::size_t>(gate.groups);
  double total = 0;
  for (double& x : logits) {
    x = gate.score == Gate::Score::sigmoid ? 1 / (1 + std::exp(-x)) : std::exp(x);
    total += x;
  }
  if (gate.score == Gate::Score::softmax)
    for (double& x : logits) x /= total;
  Doubles biased = logits;
  for (std::size_t e = 0; gate.bias != nullptr && e < count; ++e) biased[e] += gate.bias[e];
  auto order = [](const Doubles& values) {
    std::vector<std::int32_t> sorted(values.size());
    std::iota(sorted.begin(), sorted.end(), 0);
    std::stable_sort(sorted.begin(), sorted.end(), [&](std::int32_t a, std::int32_t b) {
      return values[static_cast<std::size_t>(a)] > values[static_cast<std::size_t>(b)];
    });
    return sorted;
  };
  Doubles groups;
  for (std::size_t begin = 0; begin < count; begin += size) {
    Doubles group(biased.begin() + static_cast<std::ptrdiff_t>(begin),
                  biased.begin() + static_cast<std::ptrdiff_t>(begin + size));
    std::sort(group.rbegin(), group.rend());
    groups.push_back(gate.group_top2 && size > 1 ? group[0] + group[1] : group[0]);
  }
  const std::vector<std::int32_t> best = order(groups);
  for (auto g = static_cast<std::size_t>(gate.kept_groups); g < best.size(); ++g)
    for (std::size_t e = 0; e < size; ++e) biased[static_cast<std::size_t>(best[g]) * size + e] = -INFINITY;
  std::vector<std::int32_t> chosen = order(biased);
  chosen.resize(static_cast<std::size_t>(gate.chosen));
  double sum = 0;
  for (std::int32_t e : chosen) sum += logits[static_cast<std::size_t>(e)];
  for (std::int32_t e : chosen) {
    ids.push_back(e);
    weights.push_back(logits[static_cast<std::size_t>(e)] / (gate.normalise ? sum : 1.0) *
                      static_cast<double>(gate.scale));
  }
}

struct GateCase {
  const char* name;
  Gate::Score score;
  int experts, chosen, groups, kept;
  bool top2, normalise, bias;
  float scale;
};
void PrintTo(const GateCase& gate, std::ostream* out) { *out << gate.name; }

constexpr GateCase kGates[] = {
    {"v3", Gate::Score::sigmoid, 64, 8, 8, 4, true, true, true, 2.5F},
    {"v3_without_groups", Gate::Score::sigmoid, 24, 4, 1, 1, true, true, true, 2.446F},
    {"v2", Gate::Score::softmax, 40, 6, 8, 3, false, false, false, 16.0F},
    {"v2_lite", Gate::Score::softmax, 10, 3, 1, 1, false, false, false, 1.0F},
    {"groups_of_one", Gate::Score::sigmoid, 8, 2, 8, 3, true, true, true, 1.0F},
    {"all", Gate::Score::softmax, 5, 5, 1, 1, false, true, false, 1.0F},
};

class Router : public ::testing::TestWithParam<GateCase> {
 protected:
  static constexpr std::int64_t kColumns = 96;
  Router() : weight_(DType::f32, GetParam().experts, kColumns, 50), bias_(random_values(GetParam().experts, 51, 0.1F)) {
    const GateCase& c = GetParam();
    gate_ = {weight_.view(), c.bias ? bias_.data() : nullptr,
             c.score,        c.experts,
             c.chosen,       c.groups,
             c.kept,         c.top2,
             c.normalise,    c.scale};
  }
  Weight weight_;
  std::vector<float> bias_;
  Gate gate_;
};
INSTANTIATE_TEST_SUITE_P(Gates, Router, ::testing::ValuesIn(kGates),
                         [](const auto& gate) { return std::string(gate.param.name); });

TEST_P(Router, ChoosesAsASortDoes) {
  for (std::int64_t rows : {1, 4, 5, 60}) {
    const std::vector<float> n = random_values(rows * kColumns, static_cast<unsigned>(rows));
    std::vector<std::int32_t> ids;
    Doubles weights;
    for (std::int64_t t = 0; t < rows; ++t) choose_plainly(gate_, times(weight_, row_of(n, t, kColumns)), ids, weights);
    for (const KernelTable* table : kernel_tables())
      for (int threads : {1, 2, 3}) {
        const Choice choice = run_route({threads, table}, gate_, n, rows);
        EXPECT_EQ(choice.ids, ids) << rows << " rows on " << threads << " threads";
        expect_near(choice.weights, weights, 1e-5);
      }
  }
}

TEST_P(Router, EqualScoresGoToTheLowerIndex) {
  gate_.bias = nullptr;
  const std::vector<float> n(kColumns, 0.0F);  // every logit is 0
  std::vector<std::int32_t> ids;
  Doubles weights;
  choose_plainly(gate_, Doubles(static_cast<std::size_t>(gate_.experts), 0.0), ids, weights);
  const Choice choice = run_route({2, &best_kernels()}, gate_, n, 1);
  EXPECT_EQ(choice.ids, ids);
  EXPECT_EQ(choice.ids.front(), 0);
  EXPECT_EQ(choice.ids.back(), gate_.chosen - 1);
}

TEST(RouterWeights, TheBiasChoosesButDoesNotWeigh) {
  constexpr std::int64_t kExperts = 4;
  const Weight weight(DType::f32, kExperts, 32, std::vector<float>(kExperts * 32, 0.0F));
  const std::vector<float> bias{0.0F, 0.0F, 0.25F, 0.5F}, n(32, 1.0F);
  Gate gate;
  gate.weight = weight.view();
  gate.bias = bias.data();
  gate.experts = kExperts;
  gate.chosen = 2;
  gate.normalise = false;
  gate.scale = 3.0F;
  const Choice choice = run_route({}, gate, n, 1);
  EXPECT_EQ(choice.ids, (std::vector<std::int32_t>{3, 2}));
  EXPECT_EQ(choice.weights, (std::vector<float>{1.5F, 1.5F}));  // 3 sigmoid(0)
}

struct Expert {
  Weight gate, up, down;
  Expert(DType type, DType down_type, std::int64_t d, std::int64_t f, unsigned seed)
      : gate(type, f, d, seed), up(type, f, d, seed + 1), down(down_type, d, f, seed + 2) {}
};

// A layer of experts and what a step of it gives.
class Layer {
 public:
  Layer(const GateCase& c, DType type, DType down, std::int64_t d, std::int64_t f, std::int64_t shared_f)
      : d_(d),
        f_(f),
        shared_f_(shared_f),
        score_(DType::f32, c.experts, d, 60),
        bias_(random_values(c.experts, 61, 0.1F)),
        gain_(random_values(d, 62)) {
    gate_ = {score_.view(), c.bias ? bias_.data() : nullptr,
             c.score,       c.experts,
             c.chosen,      c.groups,
             c.kept,        c.top2,
             c.normalise,   c.scale};
    for (int e = 0; e <= c.experts; ++e) {  // the last is the shared expert
      const bool shared = e == c.experts;
      if (shared && shared_f == 0) break;
      experts_.emplace_back(shared ? DType::bf16 : type, shared ? DType::bf16 : down, d, shared ? shared_f : f,
                            100 + 10 * static_cast<unsigned>(e));
      const Expert& made = experts_.back();
      if (shared)
        shared_ = {made.gate.view(), made.up.view(), made.down.view()};
      else
        views_.push_back({made.gate.view(), made.up.view(), made.down.view()});
    }
  }
  Layer(const Layer&) = delete;
  Layer& operator=(const Layer&) = delete;

  std::vector<float> run(const How& how, std::vector<float> x, std::int64_t rows) const {
    run_step(how, moe_arena_bytes(rows, d_, f_, shared_f_, gate_.experts, gate_.chosen, Arrival::together),
             moe_scratch_bytes(rows, d_, gate_.experts, gate_.chosen), [&](Exec& ex) {
               Tensor tensor = tensor_of(x, rows);
               MoeStep step(ex, tensor, gain_.data(), kEps, gate_, views_.front(), shared_f_ > 0 ? &shared_ : nullptr,
                            Arrival::together);
               std::vector<ExpertView> views;
               for (const std::int32_t e : step.experts()) views.push_back({e, &views_[static_cast<std::size_t>(e)]});
               step.add(views);
               step.finish();
               EXPECT_EQ(ex.arena.used(), 0U);
             });
    return x;
  }

  void check(std::int64_t rows, double tolerance) const {
    const std::vector<float> x = random_values(rows * d_, 70);
    const RowsOp op = [&](const How& how, const std::vector<float>& some, std::int64_t n) { return run(how, some, n); };
    Doubles expected;
    for (std::int64_t t = 0; t < rows; ++t) {
      Doubles y = row_of(x, t, d_);
      const Doubles n = normalised(y, gain_);
      std::vector<std::int32_t> ids;
      Doubles weights;
      choose_plainly(gate_, times(score_, n), ids, weights);
      if (shared_f_ > 0) {
        ids.push_back(gate_.experts);
        weights.push_back(1.0);
      }
      for (std::size_t slot = 0; slot < ids.size(); ++slot) {
        const Expert& expert = experts_[static_cast<std::size_t>(ids[slot])];
        const Doubles out = mlp(expert.gate, expert.up, expert.down, n);
        for (std::size_t i = 0; i < y.size(); ++i) y[i] += weights[slot] * out[i];
      }
      expected.insert(expected.end(), y.begin(), y.end());
    }
    expect_near(one_answer(op, x, rows), expected, tolerance);
  }

 private:
  std::int64_t d_, f_, shared_f_;
  Weight score_;
  std::vector<float> bias_, gain_;
  Gate gate_;
  std::vector<Expert> experts_;
  std::vector<ExpertWeights> views_;
  GatedMlpWeights shared_;
};

TEST(Moe, F32IsTheFormulaInDoublePrecision) {
  Layer({"v3", Gate::Score::sigmoid, 16, 4, 4, 2, true, true, true, 2.5F}, DType::f32, DType::f32, 72, 100, 0)
      .check(60, 5e-5);
}
TEST(Moe, RaggedExpertsWithASharedOne) {
  Layer({"v3", Gate::Score::sigmoid, 12, 3, 1, 1, true, true, true, 2.5F}, DType::q8_0, DType::q5_1, 160, 96, 192)
      .check(60, 4e-2);
}
TEST(Moe, SoftmaxGateAndFourBits) {
  Layer({"v2", Gate::Score::softmax, 8, 2, 1, 1, false, false, false, 1.0F}, DType::q4_0, DType::q8_0, 96, 320, 64)
      .check(20, 4e-2);
}
TEST(Moe, SuperblocksBesideBlocks) {
  Layer({"v3", Gate::Score::sigmoid, 6, 2, 1, 1, true, true, true, 1.5F}, DType::q4_k, DType::q6_k, 256, 512, 64)
      .check(12, 4e-2);
}
TEST(Moe, MoreThreadsThanWork) {
  const Layer layer({"v2", Gate::Score::softmax, 4, 1, 1, 1, false, false, false, 1.0F}, DType::f32, DType::f32, 32, 40,
                    0);
  for (std::int64_t rows : {1, 5}) {
    const std::vector<float> x = random_values(rows * 32, 7);
    EXPECT_TRUE(same_bits(layer.run({9, &best_kernels()}, x, rows), layer.run({1, &best_kernels()}, x, rows)));
  }
}
// The outputs of so many rows do not fit the buffer of all columns: several passes over the columns.
TEST(Moe, ManyRows) {
  const Layer layer({"v3", Gate::Score::sigmoid, 8, 6, 1, 1, true, true, true, 2.5F}, DType::q8_0, DType::q8_0, 544, 64,
                    64);
  constexpr std::int64_t kRows = 400;
  const std::vector<float> x = random_values(kRows * 544, 8), all = layer.run({2, &best_kernels()}, x, kRows);
  for (std::int64_t row : {0, 77, 399}) {
    const std::vector<float> one(x.begin() + row * 544, x.begin() + (row + 1) * 544);
    EXPECT_TRUE(
        same_bits(layer.run({1, &best_kernels()}, one, 1), {all.begin() + row * 544, all.begin() + (row + 1) * 544}));
  }
}

}  // namespace
}  // namespace limpid::ops_test
