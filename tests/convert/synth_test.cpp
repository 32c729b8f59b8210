// Synthetic models: their shapes are the real ones', their files load and run, and the same seed gives the same bytes.
#include "convert/synth.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <numeric>

#include "base/error.h"
#include "formats/gguf.h"
#include "models/load.h"
#include "tensor/codec.h"
#include "tests/models/run_forward.h"

namespace limpid {
namespace {

constexpr DType kTypes[] = {DType::f32,     DType::f16,   DType::bf16,   DType::q4_0,    DType::q4_1,   DType::q5_0,
                            DType::q5_1,    DType::q8_0,  DType::q2_k,   DType::q3_k,    DType::q4_k,   DType::q5_k,
                            DType::q6_k,    DType::iq1_s, DType::iq1_m,  DType::iq2_xxs, DType::iq2_xs, DType::iq2_s,
                            DType::iq3_xxs, DType::iq3_s, DType::iq4_nl, DType::iq4_xs};

// A folder that goes with the test.
struct Scratch {
  Scratch() : folder(std::filesystem::temp_directory_path() / ("limpid-synth-" + std::to_string(getpid()))) {
    std::filesystem::create_directories(folder);
  }
  ~Scratch() { std::filesystem::remove_all(folder); }
  std::string file(const std::string& name) const { return (folder / name).string(); }
  std::filesystem::path folder;
};

SynthOptions small(const std::string& shape, int layers, DType type = DType::q8_0) {
  SynthOptions options;
  options.shape = shape;
  options.layers = layers;
  options.type = type;
  options.vocabulary = 320;
  return options;
}

double parameters(const std::vector<SynthTensor>& tensors) {
  double sum = 0;
  for (const SynthTensor& tensor : tensors)
    sum += std::accumulate(tensor.shape.begin(), tensor.shape.end(), 1.0,
                           [](double a, std::int64_t b) { return a * static_cast<double>(b); });
  return sum;
}

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(Synth, ShapesHaveTheParametersOfTheRealModels) {
  SynthOptions options;
  options.shape = "qwen2-1.5b";
  EXPECT_EQ(parameters(synth_tensors(options)), 1'543'714'304.0);  // model.safetensors of Qwen2-1.5B
  options.shape = "llama-8b";
  EXPECT_EQ(parameters(synth_tensors(options)), 8'030'261'248.0);  // Llama-3-8B
  options.shape = "moonlight";
  EXPECT_NEAR(parameters(synth_tensors(options)) / 1e9, 15.96, 0.01);  // "16B"
  options.shape = "r1";
  EXPECT_NEAR(parameters(synth_tensors(options)) / 1e9, 671.03, 0.05);  // "671B", without the MTP layer
}

TEST(Synth, WeightsOfEveryTypeAreFiniteAroundZeroAndASeedsOwn) {
  constexpr std::int64_t n = 256 * 512;
  for (const DType type : kTypes) {
    const std::vector<std::byte> bytes = random_weights(type, n, 7, 3);
    ASSERT_EQ(bytes.size(), row_bytes(type, n)) << info(type).name;
    std::vector<float> values(n);
    decode_row(type, bytes.data(), n, values.data());
    double sum = 0, squares = 0;
    for (const float value : values) {
      ASSERT_TRUE(std::isfinite(value)) << info(type).name;
      sum += value;
      squares += static_cast<double>(value) * value;
    }
    EXPECT_LT(std::abs(sum / n), 0.004) << info(type).name;
    EXPECT_GT(std::sqrt(squares / n), 0.01) << info(type).name;
    EXPECT_LT(std::sqrt(squares / n), 0.04) << info(type).name;
    EXPECT_EQ(bytes, random_weights(type, n, 7, 3)) << info(type).name;
    EXPECT_NE(bytes, random_weights(type, n, 8, 3)) << info(type).name;
    EXPECT_NE(bytes, random_weights(type, n, 7, 4)) << info(type).name;
  }
}

// What llama.cpp's loader reads without a default for these architectures, and what changes a model where it is absent.
TEST(Synth, MetadataIsWhatLlamaCppAsksFor) {
  const Scratch scratch;
  const std::vector<std::string> all = {
      "block_count",    "context_length",       "embedding_length",        "feed_forward_length",
      "vocab_size",     "attention.head_count", "attention.head_count_kv", "attention.layer_norm_rms_epsilon",
      "rope.freq_base", "rope.dimension_count"};
  const std::vector<std::string> latent = {
      "attention.kv_lora_rank",     "attention.key_length",       "attention.value_length", "attention.key_length_mla",
      "attention.value_length_mla", "leading_dense_block_count",  "expert_count",           "expert_used_count",
      "expert_shared_count",        "expert_feed_forward_length", "expert_gating_func",     "expert_weights_scale",
      "expert_weights_norm"};
  for (const auto& [shape, architecture] :
       std::vector<std::pair<std::string, std::string>>{{"qwen2-1.5b", "qwen2"}, {"moonlight", "deepseek2"}}) {
    const std::string path = scratch.file(shape + ".gguf");
    synthesise(small(shape, 1, DType::q4_0), path);
    const GgufFile file(path);
    EXPECT_EQ(file.get<std::string>("general.architecture"), architecture);
    for (const std::string& key : all) EXPECT_TRUE(file.has(architecture + "." + key)) << key;
    for (const std::string& key : latent)
      EXPECT_EQ(file.has(architecture + "." + key), architecture == "deepseek2") << key;
    for (const char* key : {"model", "pre", "tokens", "token_type", "merges", "bos_token_id", "eos_token_id"})
      EXPECT_TRUE(file.has(std::string("tokenizer.ggml.") + key)) << key;
    const std::vector<SynthTensor> wanted = synth_tensors(small(shape, 1, DType::q4_0));
    ASSERT_EQ(file.tensors().size(), wanted.size());
    for (const SynthTensor& tensor : wanted) {
      ASSERT_NE(file.tensor(tensor.name), nullptr) << tensor.name;
      EXPECT_EQ(file.tensor(tensor.name)->type, tensor.type) << tensor.name;
    }
  }
}

TEST(Synth, FilesLoadAndGiveFiniteLogits) {
  const Scratch scratch;
  const auto runs = [&](const SynthOptions& options) {
    const std::string path = scratch.file("model.gguf");
    synthesise(options, path);
    const ModelFiles files = ModelFiles::open(path);
    const std::unique_ptr<Model> model = load_model(files, Precision::fast, 1);
    EXPECT_EQ(model->info().vocabulary, 320);
    model_test::Forward forward(*model, {}, 5);
    const std::vector<float> logits = forward.logits({1, 2, 3, 256, 319});
    EXPECT_TRUE(std::ranges::all_of(logits, [](float x) { return std::isfinite(x); })) << info(options.type).name;
    EXPECT_GT(*std::ranges::max_element(logits), *std::ranges::min_element(logits)) << info(options.type).name;
  };
  for (const DType type :
       {DType::f16, DType::q4_0, DType::q4_k, DType::q6_k, DType::iq1_m, DType::iq2_xs, DType::iq4_xs})
    runs(small("qwen2-1.5b", 1, type));
  runs(small("llama-8b", 1, DType::q2_k));
  runs(small("moonlight", 2, DType::iq1_s));  // a dense layer and one of experts
}

TEST(Synth, ASeedGivesTheSameFileAndAnotherOneAnother) {
  const Scratch scratch;
  SynthOptions options = small("qwen2-1.5b", 1, DType::iq1_s);
  synthesise(options, scratch.file("a"));
  std::uint64_t last = 0, total = 0;
  synthesise(options, scratch.file("b"), [&](std::uint64_t done, std::uint64_t all) {
    EXPECT_GE(done, last);
    last = done, total = all;
  });
  EXPECT_EQ(last, total);
  options.seed = 2;
  synthesise(options, scratch.file("c"));
  const std::string a = bytes_of(scratch.file("a"));
  EXPECT_TRUE(a == bytes_of(scratch.file("b")));
  EXPECT_FALSE(a == bytes_of(scratch.file("c")));
  EXPECT_EQ(a.size(), std::filesystem::file_size(scratch.file("c")));
}

TEST(Synth, WhatIsWrongIsNamed) {
  const Scratch scratch;
  const auto complaint = [&](const SynthOptions& options) -> std::string {
    try {
      synthesise(options, scratch.file("no.gguf"));
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::input);
      return error.what();
    }
    return "";
  };
  EXPECT_NE(complaint(small("gpt-5", 1)).find("gpt-5"), std::string::npos);
  EXPECT_NE(complaint(small("gpt-5", 1)).find("moonlight"), std::string::npos);
  EXPECT_NE(complaint(small("r1", -1)).find("-1"), std::string::npos);
  EXPECT_NE(complaint(small("r1", 1, DType::f8_e4m3)).find("type"), std::string::npos);
  EXPECT_NE(complaint(small("r1", 1, DType::i32)).find("type"), std::string::npos);
  SynthOptions options = small("r1", 1);
  options.vocabulary = 257;
  EXPECT_NE(complaint(options).find("257"), std::string::npos);
  EXPECT_TRUE(std::filesystem::is_empty(scratch.folder));
}

}  // namespace
}  // namespace limpid
