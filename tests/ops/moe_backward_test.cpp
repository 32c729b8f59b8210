// Gradients of mixtures of experts by finite differences: both gates, with and without normalised weights, groups and a
// shared expert; the balance loss; what is counted; the sign rule.
#include "gradient_world.h"
#include "ops/moe_step.h"

namespace limpid::ops_test {
namespace {

constexpr int kMoeExperts = 6, kChosen = 2;
constexpr std::int64_t kMoeRows = 11, kWidth = 12, kHidden = 21, kShared = 19;

struct TrainedGate {
  const char* name;
  Gate::Score score;
  int groups, kept;
  bool normalise, shared;
};
void PrintTo(const TrainedGate& gate, std::ostream* out) { *out << gate.name; }

// The layer's parameters in a world, and its forward.
class TrainedLayer {
 public:
  TrainedLayer(GradientWorld& world, const TrainedGate& c) : case_(c) {
    gain_ = &world.parameter(1, kWidth);
    router_ = &world.parameter(kMoeExperts, kWidth);
    for (int e = 0; e < kMoeExperts; ++e) experts_.push_back(mlp(world, kHidden));
    if (c.shared) shared_ = mlp(world, kShared);
  }
  Gate gate() const {
    Gate gate;
    gate.weight = router_->view();
    gate.bias = bias_.data();
    gate.score = case_.score;
    gate.experts = kMoeExperts;
    gate.chosen = kChosen;
    gate.groups = case_.groups;
    gate.kept_groups = case_.kept;
    gate.normalise = case_.normalise;
    gate.scale = 1.7F;
    return gate;
  }
  void forward(Exec& ex, Tensor& x) const {
    const Gate of = gate();
    std::vector<ExpertWeights> weights;
    for (const Mlp& e : experts_) weights.push_back({e.gate->view(), e.up->view(), e.down->view()});
    GatedMlpWeights shared;
    if (case_.shared) shared = {shared_.gate->view(), shared_.up->view(), shared_.down->view()};
    MoeStep step(ex, x, gain_->values.data(), kEps, of, weights.front(), case_.shared ? &shared : nullptr,
                 Arrival::together, 3);
    std::vector<ExpertView> views;
    for (const std::int32_t e : step.experts()) views.push_back({e, &weights[static_cast<std::size_t>(e)]});
    step.add(views);
    step.finish();
  }

  struct Mlp {
    Parameter *gate = nullptr, *up = nullptr, *down = nullptr;
  };
  static Mlp mlp(GradientWorld& world, std::int64_t f) {
    return {&world.parameter(f, kWidth), &world.parameter(f, kWidth), &world.parameter(kWidth, f, 0.2F)};
  }
  TrainedGate case_;
  Parameter *gain_, *router_;
  std::vector<Mlp> experts_;
  Mlp shared_;
  std::vector<float> bias_ = random_values(kMoeExperts, 77, 0.05F);
};

class MoeBackward : public ::testing::TestWithParam<TrainedGate> {};
INSTANTIATE_TEST_SUITE_P(Gates, MoeBackward,
                         ::testing::Values(TrainedGate{"v3", Gate::Score::sigmoid, 1, 1, true, true},
                                           TrainedGate{"v3_groups", Gate::Score::sigmoid, 3, 2, true, false},
                                           TrainedGate{"v2", Gate::Score::softmax, 1, 1, false, true},
                                           TrainedGate{"softmax_normalised", Gate::Score::softmax, 1, 1, true, false},
                                           TrainedGate{"sigmoid_plain", Gate::Score::sigmoid, 1, 1, false, false}),
                         [](const auto& gate) { return std::string(gate.param.name); });

// More than kFewRows rows; the choice must not flip within a step of the differences, or the test would not pass.
TEST_P(MoeBackward, FiniteDifferences) {
  GradientWorld world(kMoeRows, kWidth, 1);
  const TrainedLayer layer(world, GetParam());
  world.on([&](Exec& ex, Tensor& x) {
    layer.forward(ex, x);
    return x;
  });
  world.check();
}

TEST(MoeBackwardRows, FewAndTwoLayers) {
  GradientWorld world(2, kWidth, 5);
  const TrainedGate gate{"v3", Gate::Score::sigmoid, 1, 1, true, true};
  const TrainedLayer first(world, gate), second(world, gate);
  world.on([&](Exec& ex, Tensor& x) {
    first.forward(ex, x);
    second.forward(ex, x);
    return x;
  });
  world.check();
}

TEST(MoeBackwardRows, ForwardIsTheSameWithATapeAndCounts) {
  for (const std::int64_t rows : {2, 40}) {
    GradientWorld world(1, 1, 1);
    TrainedLayer layer(world, {"v3", Gate::Score::sigmoid, 1, 1, true, true});
    Tape tape;
    MoeTraining training;
    tape.moe = &training;
    for (Parameter* p : {layer.gain_, layer.router_, layer.shared_.gate, layer.shared_.up, layer.shared_.down})
      p->add_to(tape);
    for (const TrainedLayer::Mlp& e : layer.experts_)
      for (Parameter* p : {e.gate, e.up, e.down}) p->add_to(tape);
    const std::vector<float> x = random_values(rows * kWidth, 3);
    const auto run = [&](Tape* with) {
      std::vector<float> out = x, gradient(x.size());
      run_step({2}, kArena, kScratch, [&](Exec& ex) {
        ex.tape = with;
        Tensor in = tensor_of(out, rows);
        in.gradient = gradient.data();
        layer.forward(ex, in);
      });
      return out;
    };
    EXPECT_TRUE(same_bits(run(nullptr), run(&tape)));
    EXPECT_EQ(tape.recorded(), 1U);
    ASSERT_EQ(training.layers.size(), 4U);
    EXPECT_TRUE(training.layers[0].counts.empty());
    std::int64_t sum = 0;
    for (const std::int64_t count : training.layers[3].counts) sum += count;
    EXPECT_EQ(sum, rows * kChosen);
  }
}

// Equations 17 to 20 in double precision, of one sequence.
double plain_balance(const TrainedLayer& layer, const std::vector<float>& x, std::int64_t first, std::int64_t rows) {
  const Gate gate = layer.gate();
  std::vector<double> f(kMoeExperts), p(kMoeExperts);
  for (std::int64_t t = first; t < first + rows; ++t) {
    const Doubles n = normalised(row_of(x, t, kWidth), layer.gain_->values);
    std::vector<double> s(kMoeExperts);
    double sum = 0;
    for (std::size_t e = 0; e < kMoeExperts; ++e) {
      double logit = 0;
      for (std::size_t i = 0; i < kWidth; ++i)
        logit += n[i] * static_cast<double>(layer.router_->values[e * kWidth + i]);
      s[e] = gate.score == Gate::Score::sigmoid ? 1 / (1 + std::exp(-logit)) : std::exp(logit);
      sum += s[e];
    }
    for (std::size_t e = 0; e < kMoeExperts; ++e) {
      const auto above = std::ranges::count_if(s, [&](double other) { return other > s[e]; });
      f[e] += above < kChosen ? static_cast<double>(kMoeExperts) / (kChosen * static_cast<double>(rows)) : 0.0;
      p[e] += s[e] / sum / static_cast<double>(rows);
    }
  }
  double loss = 0;
  for (std::size_t e = 0; e < kMoeExperts; ++e) loss += f[e] * p[e];
  return loss;
}

TEST(MoeBalance, TheSequenceWiseLoss) {
  for (const Gate::Score score : {Gate::Score::sigmoid, Gate::Score::softmax}) {
    GradientWorld world(kMoeRows, kWidth, 1);
    TrainedLayer layer(world, {"v3", score, 1, 1, true, false});
    const std::vector<BatchSequence> sequences{{0, 4, 0, nullptr}, {4, 7, 0, nullptr}};
    MoeTraining training;
    training.sequences = sequences;
    world.on([&](Exec& ex, Tensor& x) {
      if (ex.thread == 0 && ex.tape != nullptr) ex.tape->moe = &training;
      ex.sync();
      layer.forward(ex, x);
      return x;
    });
    const std::vector<float> without = world.gradients({});
    constexpr float kFactor = 8;
    training.balance = kFactor;
    training.layers.clear();
    const std::vector<float> with = world.gradients({});
    std::vector<float> x = random_values(kMoeRows * kWidth, 1);
    const auto loss = [&] {
      return static_cast<double>(kFactor) * (plain_balance(layer, x, 0, 4) + plain_balance(layer, x, 4, 7));
    };
    EXPECT_NEAR(training.layers.at(3).balance_loss, loss(), 1e-5 * loss());
    for (const KernelTable* table : kernel_tables())
      for (int threads : {1, 2, 3}) EXPECT_TRUE(same_bits(world.gradients({threads, table}), with)) << table->isa;
    std::vector<float> got(with.size());
    Doubles wanted;
    for (std::size_t i = 0; i < with.size(); ++i) got[i] = with[i] - without[i];
    for (std::vector<float>* values : {&x, &layer.gain_->values, &layer.router_->values})
      for (float& value : *values) {
        const float before = value;
        value = before + 1e-3F;
        const double above = loss(), high = static_cast<double>(value);
        value = before - 1e-3F;
        wanted.push_back((above - loss()) / (high - static_cast<double>(value)));
        value = before;
      }
    got.resize(wanted.size());  // the experts come after: the balance loss does not see them
    expect_near(got, wanted, 2e-3);
    for (std::size_t i = wanted.size(); i < with.size(); ++i) EXPECT_EQ(with[i], without[i]);
  }
}

TEST(MoeBalance, TheSignRule) {
  const std::vector<std::int64_t> counts{4, 0, 2, 2};
  std::vector<float> bias{0.5F, 0.0F, -1.0F, 0.25F};
  balance_bias(counts, 0.125F, bias.data());
  EXPECT_EQ(bias, (std::vector<float>{0.375F, 0.125F, -1.0F, 0.25F}));
  EXPECT_DOUBLE_EQ(max_violation(counts), 1.0);
  EXPECT_DOUBLE_EQ(max_violation(std::vector<std::int64_t>{3, 3}), 0.0);
  EXPECT_DOUBLE_EQ(max_violation(std::vector<std::int64_t>{0, 0}), 0.0);
}

}  // namespace
}  // namespace limpid::ops_test
