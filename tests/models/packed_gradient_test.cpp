// Gradients of whole models against PyTorch's (make_packed_gradient_goldens.py): two packed documents, in f32, and the same
// bits for any number of threads. With multi-token prediction, whose embedding and head are the main model's.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include <cmath>
#include <fstream>

#include "golden.h"
#include "models/decoder.h"
#include "models/parameter_store.h"
#include "models/training_memory.h"
#include "ops/loss.h"
#include "ops/moe_training.h"
#include "run_forward.h"

using namespace limpid;
using namespace limpid::model_test;

namespace {

struct PackedCase {
  std::string model;
  bool mtp = false;
};

// The documents of a golden as one batch, and as the batch and targets of the layer of multi-token prediction.
struct Packed {
  Ids ids, positions, next, outputs, targets, mtp_outputs, mtp_targets, pages;
  std::vector<BatchSequence> sequences;
  std::vector<float> weights, mtp_weights;

  Packed(const nlohmann::json& golden, const Ids& text) {
    std::vector<std::int32_t> first_page;
    for (const auto& document : golden.at("documents")) {
      const std::int32_t begin = document.at(0), n = static_cast<std::int32_t>(document.at(1)) - begin,
                         row = static_cast<std::int32_t>(ids.size());
      first_page.push_back(static_cast<std::int32_t>(pages.size()));
      for (std::int32_t p = 0; p < n; p += 64) pages.push_back(static_cast<std::int32_t>(pages.size()));
      sequences.push_back({row, n, 0, nullptr});
      const auto id = [&](std::int32_t i) { return text[static_cast<std::size_t>(begin + i)]; };
      for (std::int32_t i = 0; i < n; ++i) {
        ids.push_back(id(i));
        positions.push_back(i);
        next.push_back(i + 1 < n ? id(i + 1) : 0);
        if (i + 1 < n) {
          outputs.push_back(row + i);
          targets.push_back(id(i + 1));
        }
        if (i + 2 < n) {
          mtp_outputs.push_back(row + i);
          mtp_targets.push_back(id(i + 2));
        }
      }
    }
    for (std::size_t s = 0; s < sequences.size(); ++s) sequences[s].pages = pages.data() + first_page[s];
    weights.assign(targets.size(), 1.0F / static_cast<float>(targets.size()));
    const float lambda = golden.at("lambda");
    mtp_weights.assign(mtp_targets.size(), lambda / static_cast<float>(mtp_targets.size()));
  }
};

class Gradients {
 public:
  explicit Gradients(const PackedCase& of)
      : case_(of), files_(ModelFiles::open(model_path(of.model))), config_(files_.config()) {
    std::ifstream file(model_path(of.model) + (of.mtp ? "/packed_mtp_gradients.json" : "/packed_gradients.json"));
    golden_ = nlohmann::json::parse(file);
    config_.mtp_own_embedding = config_.mtp_own_head = false;
    decoder_ = std::make_unique<Decoder>(config_);
    store_ = std::make_unique<ParameterStore>(*decoder_, ParameterStore::Options{.mtp = of.mtp});
    store_->load(files_.weights());
    store_->pack(0, 1);
  }

  // All gradients as the store lays them out. `loss` in the order main, multi-token prediction.
  std::vector<float> run(int threads) {
    const Packed packed(golden_, Golden::read(case_.model).ids);
    ThreadTeam team(threads);
    Tape tape;
    tape.moe = &moe;
    store_->register_in(tape);
    store_->zero_gradients(0, 1);
    const CacheLayout layout = decoder_->cache_layout(CacheType::f32);
    const std::size_t bytes = page_bytes(layout) * packed.pages.size(),
                      layers = static_cast<std::size_t>(config_.layers) + (case_.mtp ? 1 : 0);
    const HugeBuffer pool = nan(bytes * layers), arena = nan(kArena);
    std::vector<HugeBuffer> scratch;
    const std::size_t scratch_bytes = training_scratch_bytes(*decoder_, config_, static_cast<int>(packed.ids.size()));
    for (int i = 0; i < threads; ++i) scratch.push_back(nan(scratch_bytes));
    std::vector<CacheLayer> cache;
    for (std::size_t l = 0; l < layers; ++l) cache.push_back({layout, pool.data() + bytes * l});
    team.run([&](int thread) {
      Exec ex;
      ex.thread = thread;
      ex.threads = threads;
      ex.barrier = &team.barrier();
      ex.kernels = &best_kernels();
      ex.arena = Arena({arena.data(), kArena});
      ex.scratch = Arena({scratch[static_cast<std::size_t>(thread)].data(), scratch_bytes});
      ex.poison = true;
      ex.tape = &tape;
      const double sum = forward(ex, packed, cache);
      tape.backward(ex);
      EXPECT_EQ(ex.scratch.used(), 0U);
      if (thread == 0) loss = sum;
    });
    const std::span<const float> all = store_->gradients();
    return {all.begin(), all.end()};
  }

  const nlohmann::json& golden() const { return golden_; }
  const ParameterStore& store() const { return *store_; }
  const ModelConfig& config() const { return config_; }
  double loss = 0;
  MoeTraining moe;

 private:
  static constexpr std::size_t kArena = std::size_t{32} << 20;
  static HugeBuffer nan(std::size_t size) {
    HugeBuffer buffer(size);
    std::memset(buffer.data(), 0xFF, size);
    return buffer;
  }
  double forward(Exec& ex, const Packed& packed, std::span<const CacheLayer> cache) const {
    const Batch batch{packed.ids, packed.positions, packed.sequences, packed.outputs};
    const Batch next{packed.next, packed.positions, packed.sequences, packed.mtp_outputs};
    const Tensor hidden = decoder_->hidden(ex, batch, cache.first(static_cast<std::size_t>(config_.layers)));
    const auto lost = [&](const Tensor& logits, const Ids& targets, const std::vector<float>& weights) {
      LossRows rows;
      rows.targets = targets;
      rows.weights = weights;
      const Tensor logprobs = ex.alloc(DType::f32, {logits.rows()});
      return token_loss(ex, logits, rows, {logprobs.f32(), targets.size()}).loss;
    };
    double sum = lost(decoder_->logits(ex, hidden, batch), packed.targets, packed.weights);
    if (case_.mtp) {
      const MtpOutput out = decoder_->mtp_forward(ex, 0, hidden, MtpInput::normed, next, cache.back());
      sum += lost(out.logits, packed.mtp_targets, packed.mtp_weights);
    }
    return sum;
  }

  PackedCase case_;
  ModelFiles files_;
  ModelConfig config_;
  nlohmann::json golden_;
  std::unique_ptr<Decoder> decoder_;
  std::unique_ptr<ParameterStore> store_;
};

class PackedGradients : public testing::TestWithParam<PackedCase> {};
INSTANTIATE_TEST_SUITE_P(Models, PackedGradients,
                         testing::Values(PackedCase{"llama3"}, PackedCase{"deepseek_v3"},
                                         PackedCase{"deepseek_v3", true}, PackedCase{"deepseek_v2"}),
                         [](const auto& of) { return of.param.model + (of.param.mtp ? "_mtp" : ""); });

TEST_P(PackedGradients, ArePyTorchs) {
  Gradients gradients(GetParam());
  gradients.run(2);
  const nlohmann::json& golden = gradients.golden();
  const double expected_loss = golden.at("loss");
  EXPECT_NEAR(gradients.loss, expected_loss, 1e-5 * expected_loss);
  std::size_t trained = 0;
  for (const Parameter& p : gradients.store().parameters()) trained += p.gradient != nullptr ? 1 : 0;
  EXPECT_EQ(golden.at("gradients").size(), trained);
  double worst = 0;
  for (const nlohmann::json& kept : golden.at("gradients")) {
    const std::string name = kept.at("name");
    SCOPED_TRACE(name);
    const Parameter& parameter = gradients.store().at(name);
    ASSERT_EQ(parameter.size(), kept.at("size").get<std::int64_t>());
    double squares = 0, projection = 0;
    for (std::int64_t i = 0; i < parameter.size(); ++i) {
      const double g = static_cast<double>(parameter.gradient[i]);
      squares += g * g;
      projection +=
          g *
          (static_cast<double>(static_cast<std::uint64_t>(i) * 2654435761U % (std::uint64_t{1} << 32)) / 0x1p31 - 1);
    }
    const double norm = kept.at("norm"), usual = norm / std::sqrt(static_cast<double>(parameter.size()));
    EXPECT_NEAR(std::sqrt(squares), norm, 1e-4 * norm);
    if (norm == 0) continue;  // an expert that nobody chose
    EXPECT_NEAR(projection, kept.at("projection").get<double>(), 1e-4 * norm);
    const nlohmann::json& samples = kept.at("samples");
    for (std::size_t k = 0; k < samples.size(); ++k) {
      const std::size_t at = k * static_cast<std::size_t>(parameter.size() - 1) / (samples.size() - 1);
      const double error = std::fabs(static_cast<double>(parameter.gradient[at]) - samples[k].get<double>()) / usual;
      worst = std::max(worst, error);
      EXPECT_LT(error, 1e-3) << "value " << at;
    }
  }
  RecordProperty("worst_error_of_a_value", std::to_string(worst));
}

TEST_P(PackedGradients, MoveByNoBitWithThreads) {
  Gradients gradients(GetParam());
  const std::vector<float> expected = gradients.run(1);
  for (const int threads : {2, 3}) {
    const std::vector<float> got = gradients.run(threads);
    EXPECT_EQ(std::memcmp(got.data(), expected.data(), got.size() * sizeof(float)), 0) << threads << " threads";
  }
}

TEST(PackedGradientsLoads, EveryLayerOfExpertsIsCounted) {
  Gradients gradients({"deepseek_v3", true});
  gradients.run(2);
  const ModelConfig& config = gradients.config();
  ASSERT_EQ(gradients.moe.layers.size(), static_cast<std::size_t>(config.layers) + 1);
  const std::int64_t rows = gradients.golden().at("documents").back().at(1);
  for (int layer = 0; layer <= config.layers; ++layer) {
    std::int64_t sum = 0;
    for (const std::int64_t count : gradients.moe.layer(layer).counts) sum += count;
    EXPECT_EQ(sum, layer < config.dense_layers ? 0 : rows * config.experts_chosen) << "layer " << layer;
  }
}

}  // namespace
