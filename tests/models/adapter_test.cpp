// Adapters merged into models: a GGUF file and the directory that it was made from give the same model, the merged
// weights are W + alpha / r B A, files that are none are refused; and what is trained of a Llama GGUF has Hugging Face's
// order of queries and keys.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "formats/json.h"
#include "golden.h"
#include "models/adapter.h"
#include "models/decoder.h"
#include "models/lora.h"
#include "models/packing_plan.h"
#include "run_forward.h"

using namespace limpid;
using namespace limpid::model_test;

namespace {

namespace fs = std::filesystem;

constexpr int kRank = 3;

// An adapter beside every matrix of a model that can have one, of fixed values.
std::string make_adapter(const std::string& model, const std::string& name) {
  const ModelFiles files = ModelFiles::open(model_path(model));
  Decoder decoder(files.config());
  const ParameterStore store(decoder, {.gradients = false});
  LoraAdapter lora(store, {kRank, 6, {}, DType::f32});
  float at = 0;
  for (float& value : lora.values()) value = 0.1F * std::sin(at += 0.7F);
  const std::string out = testing::TempDir() + name;
  fs::remove_all(out);
  lora.save(out, model);
  return out;
}

std::vector<float> logits(const ModelFiles& files, Precision precision = Precision::exact) {
  const Ids ids = Golden::read("llama3").ids;
  const std::unique_ptr<Model> model = load_model(files, precision, 1);
  return Forward(*model, {}, ids.size()).logits(ids);
}

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double largest = a.size() == b.size() ? 0 : 1e9;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    largest = std::max(largest, std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  return largest;
}

std::string message_of(const std::function<void()>& what) {
  try {
    what();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Adapter, GivesTheSameModelInADirectoryAndInAGguf) {
  const std::string adapter = make_adapter("llama3", "adapter_same");
  const ModelFiles directory = ModelFiles::open(model_path("llama3")),
                   gguf = ModelFiles::open(model_path("llama3.gguf"));
  const std::vector<float> base = logits(directory), one = logits(directory.with_adapter(adapter)),
                           two = logits(gguf.with_adapter(adapter));
  EXPECT_GT(largest_difference(base, one), 0.1);
  // What the files' own weights differ by, and what bf16 rounds where the GGUF's are not f32.
  const double files_apart = largest_difference(base, logits(gguf));
  EXPECT_LT(largest_difference(one, two), 10 * files_apart + 0.02 * largest_difference(base, one));
}

TEST(Adapter, MergedWeightsAreTheSum) {
  const std::string path = make_adapter("llama3", "adapter_sum");
  const ModelFiles base = ModelFiles::open(model_path("llama3")), merged = base.with_adapter(path);
  const AdapterFile adapter = AdapterFile::open(path);
  EXPECT_DOUBLE_EQ(adapter.scale(), 2);
  ASSERT_FALSE(adapter.matrices().empty());
  for (const AdapterFile::Matrices& m : adapter.matrices()) {
    const std::vector<float> before = decode_all(base.weights().at(m.name)),
                             after = decode_all(merged.weights().at(m.name));
    for (const std::int64_t at : {std::int64_t{0}, m.rows * m.columns / 2 + 1, m.rows * m.columns - 1}) {
      const std::int64_t o = at / m.columns, k = at % m.columns;
      double sum = 0;
      for (std::int64_t i = 0; i < kRank; ++i)
        sum += 2.0 * static_cast<double>(m.b[static_cast<std::size_t>(o * kRank + i)]) *
               static_cast<double>(m.a[static_cast<std::size_t>(i * m.columns + k)]);
      const double expected = static_cast<double>(before[static_cast<std::size_t>(at)]) + sum;
      EXPECT_NEAR(static_cast<double>(after[static_cast<std::size_t>(at)]), expected, 0.01 * std::fabs(expected) + 1e-6)
          << m.name;
    }
  }
  const Weight& head = merged.weights().at("model.norm.weight");
  EXPECT_EQ(head.data.data(), base.weights().at("model.norm.weight").data.data());
}

TEST(Adapter, OfAnotherModelIsRefused) {
  const std::string adapter = make_adapter("llama3", "adapter_other");
  for (const char* name : {"qwen2", "deepseek_v3", "llama2_odd", "qwen2.gguf"}) {
    const std::string message = message_of([&] { ModelFiles::open(model_path(name)).with_adapter(adapter); });
    EXPECT_NE(message.find("adapter of another model"), std::string::npos) << name << ": " << message;
  }
}

TEST(Adapter, FilesThatAreNoneAreRefused) {
  const std::string adapter = make_adapter("llama3", "adapter_broken"), path = adapter + "/adapter_config.json";
  const nlohmann::json config = read_json(path);
  const auto with = [&](const char* field, const nlohmann::json& value) {
    nlohmann::json changed = config;
    changed[field] = value;
    std::ofstream(path) << changed;
    return message_of([&] { AdapterFile::open(adapter); });
  };
  EXPECT_NE(with("peft_type", "IA3").find("peft_type"), std::string::npos);
  EXPECT_NE(with("use_dora", true).find("use_dora"), std::string::npos);
  EXPECT_NE(with("bias", "all").find("bias"), std::string::npos);
  EXPECT_NE(with("r", 0).find("r: expected"), std::string::npos);
  EXPECT_NE(with("lora_alpha", "x").find("lora_alpha"), std::string::npos);
  EXPECT_EQ(with("bias", "none"), "no error");
  fs::copy_file(model_path("llama3") + "/model.safetensors", adapter + "/adapter_model.safetensors",
                fs::copy_options::overwrite_existing);
  EXPECT_NE(message_of([&] { AdapterFile::open(adapter); }).find("lora_A"), std::string::npos);
  EXPECT_NE(message_of([&] { AdapterFile::open(testing::TempDir() + "nowhere"); }).find("nowhere"), std::string::npos);
}

// The GGUF was made from the directory: its weights, in Hugging Face's order, are the directory's but for rounding.
TEST(LlamaGguf, IsTrainedInHuggingFacesOrder) {
  const ModelFiles directory = ModelFiles::open(model_path("llama3")),
                   gguf = ModelFiles::open(model_path("llama3.gguf"));
  ASSERT_TRUE(gguf.config().rope.interleaved);
  ASSERT_FALSE(training_config(gguf).rope.interleaved);
  Decoder one(training_config(directory)), two(training_config(gguf)), pairs(gguf.config());
  ParameterStore from_directory(one, {.gradients = false}), from_gguf(two, {.gradients = false}),
      as_filed(pairs, {.gradients = false});
  from_directory.load(directory.weights());
  from_gguf.load(gguf.weights());
  as_filed.load(gguf.weights());
  const auto apart = [](const Parameter& a, const Parameter& b) {
    double squares = 0, all = 0;
    for (std::int64_t i = 0; i < a.size(); ++i) {
      squares += std::pow(static_cast<double>(a.values[i]) - static_cast<double>(b.values[i]), 2);
      all += std::pow(static_cast<double>(a.values[i]), 2);
    }
    return std::sqrt(squares / all);
  };
  for (const Parameter& p : from_directory.parameters()) EXPECT_LT(apart(p, from_gguf.at(p.name)), 0.05) << p.name;
  const std::string q = "model.layers.0.self_attn.q_proj.weight";
  EXPECT_GT(apart(from_directory.at(q), as_filed.at(q)), 0.5);  // pairs, as the file has them
  // Saved, both are Hugging Face's.
  const std::string out = testing::TempDir() + "llama_saved";
  for (const ParameterStore* store : {&from_gguf, &as_filed}) {
    fs::create_directories(out);
    store->save(out + "/model.safetensors");
    fs::copy_file(model_path("llama3") + "/config.json", out + "/config.json", fs::copy_options::overwrite_existing);
    Decoder again(directory.config());
    ParameterStore saved(again, {.gradients = false});
    saved.load(ModelFiles::open(out).weights());
    EXPECT_LT(apart(saved.at(q), from_directory.at(q)), 0.05);
  }
}

}  // namespace
