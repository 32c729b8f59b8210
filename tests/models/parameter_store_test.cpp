// The store of parameters holds what the loader loads: the same logits to the bit, from either format, and through a
// file that the loader reads again.
#include "models/parameter_store.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <set>

#include "golden.h"
#include "run_forward.h"

using namespace limpid;
using namespace limpid::model_test;

namespace {

class StoredModel : public testing::TestWithParam<const char*> {};

INSTANTIATE_TEST_SUITE_P(Models, StoredModel,
                         testing::Values("llama3", "llama3.gguf", "llama2_odd", "qwen2", "qwen2.gguf", "deepseek_v3",
                                         "deepseek_v3.gguf", "moonlight", "deepseek_v2_lite"),
                         [](const auto& model) {
                           std::string name = model.param;
                           std::ranges::replace(name, '.', '_');
                           return name;
                         });

void pack(const ParameterStore& store, int threads) {
  ThreadTeam team(threads);
  team.run([&](int thread) { store.pack(thread, threads); });
}

TEST_P(StoredModel, GivesTheLogitsOfTheLoader) {
  const ModelFiles files = ModelFiles::open(model_path(GetParam()));
  const Ids ids = Golden::read(GetParam()).ids;
  const auto expected = run(*load_model(files, Precision::exact, 1), ids, {});
  Decoder decoder(files.config());
  ParameterStore store(decoder, {});
  store.load(files.weights());
  pack(store, 3);
  EXPECT_EQ(run(decoder, ids, {}), expected);

  if (files.weights().format() != WeightSource::Format::safetensors) return;
  const std::filesystem::path folder =
      std::filesystem::path(testing::TempDir()) / ("stored_" + std::string(GetParam()));
  std::filesystem::create_directories(folder);
  std::filesystem::copy_file(model_path(GetParam()) + "/config.json", folder / "config.json",
                             std::filesystem::copy_options::overwrite_existing);
  store.save((folder / "model.safetensors").string());
  EXPECT_EQ(run(*load_model(ModelFiles::open(folder.string()), Precision::exact, 1), ids, {}), expected);
  std::filesystem::remove_all(folder);
}

TEST(ParameterStore, InitialValuesDependOnTheSeedAndTheNameAlone) {
  const ModelFiles files = ModelFiles::open(model_path("deepseek_v3"));
  Decoder first(files.config()), second(files.config());
  ParameterStore a(first, {}), b(second, {.gradients = false});
  a.initialise(5);
  b.initialise(5);
  ASSERT_EQ(a.values().size(), b.values().size());
  EXPECT_TRUE(std::equal(a.values().begin(), a.values().end(), b.values().begin()));
  b.initialise(6);
  std::set<std::string> names;
  std::int64_t values = 0;
  for (std::size_t i = 0; i < a.parameters().size(); ++i) {
    const Parameter &p = a.parameters()[i], &q = b.parameters()[i];
    EXPECT_TRUE(names.insert(p.name).second) << p.name;
    values += p.size();
    EXPECT_EQ(p.gradient == nullptr, p.kind == ParameterKind::balance) << p.name;
    EXPECT_EQ(q.gradient, nullptr);
    if (p.is_vector()) {
      EXPECT_EQ(p.values[p.size() - 1], p.kind == ParameterKind::gain ? 1.0F : 0.0F) << p.name;
      continue;
    }
    double squares = 0, product = 0;
    for (std::int64_t k = 0; k < p.size(); ++k) {
      squares += static_cast<double>(p.values[k]) * static_cast<double>(p.values[k]);
      product += static_cast<double>(p.values[k]) * static_cast<double>(q.values[k]);
    }
    EXPECT_LT(std::fabs(product), 0.2 * squares) << p.name << ": another seed, other values";
    const double spread = std::sqrt(squares / static_cast<double>(p.size()));
    if (p.kind == ParameterKind::embedding) {
      EXPECT_NEAR(spread, 0.5, 0.05);
    } else if (p.kind == ParameterKind::head) {
      EXPECT_NEAR(spread, 0.02, 0.002);
    } else if (p.kind == ParameterKind::expert) {
      const double usual = 1 / std::sqrt(static_cast<double>(p.columns));
      EXPECT_NEAR(spread, p.name.find("down_proj") == std::string::npos ? usual : usual / 2, usual / 5) << p.name;
    }
  }
  EXPECT_EQ(values, a.size());
}

TEST(ParameterStore, Bf16IsWhatTheLoaderMakesOfRoundedWeights) {
  const ModelFiles files = ModelFiles::open(model_path("qwen2"));
  const Ids ids = Golden::read("qwen2").ids;
  Decoder decoder(files.config());
  ParameterStore store(decoder, {.packed = DType::bf16});
  store.load(files.weights());
  pack(store, 2);
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / "stored_bf16";
  std::filesystem::create_directories(folder);
  std::filesystem::copy_file(model_path("qwen2") + "/config.json", folder / "config.json",
                             std::filesystem::copy_options::overwrite_existing);
  // Gains and biases are rounded in the file: round the masters alike.
  store.save((folder / "model.safetensors").string(), DType::bf16);
  const ModelFiles rounded = ModelFiles::open(folder.string());
  store.load(rounded.weights());
  EXPECT_EQ(run(decoder, ids, {}), run(*load_model(rounded, Precision::fast, 1), ids, {}));
  std::filesystem::remove_all(folder);
}

TEST(ParameterStore, AMisshapenTensorIsNamed) {
  const ModelFiles files = ModelFiles::open(model_path("qwen2"));
  ModelConfig config = files.config();
  config.feed_forward += 2;
  Decoder decoder(config);
  ParameterStore store(decoder, {});
  try {
    store.load(files.weights());
    FAIL() << "loaded";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("mlp.gate_proj.weight"), std::string::npos) << error.what();
  }
  EXPECT_THROW(store.at("model.nothing"), Error);
}

}  // namespace
