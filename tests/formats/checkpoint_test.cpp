// Directories as transformers writes them: configs in both forms, shards, FP8 factors.
#include "formats/checkpoint.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "formats/safetensors_weights.h"
#include "formats/safetensors_writer.h"
#include "tests/formats/bytes.h"

namespace limpid {
namespace {

bool holds(const std::string& message, const std::string& text) { return message.find(text) != std::string::npos; }

TEST(ConfigJson, AsksByTypeAndNamesTheKey) {
  const ConfigJson config(
      nlohmann::json::parse(R"({"i": 7, "n": -1, "big": 5000000000, "f": 0.5, "b": true, "s": "x", "null": null,
    "ids": [1, 2], "words": ["a", "b"], "mixed": [1, "b"], "rope": {"inner": {"factor": 8}}})"),
      "c.json");
  EXPECT_EQ(config.get<std::int32_t>("i"), 7);
  EXPECT_EQ(config.get<std::int32_t>("n"), -1);
  EXPECT_EQ(config.get<std::int64_t>("big"), 5000000000);
  EXPECT_EQ(config.get<float>("f"), 0.5F);
  EXPECT_EQ(config.get<double>("i"), 7.0);
  EXPECT_TRUE(config.get<bool>("b"));
  EXPECT_EQ(config.get<std::string>("s"), "x");
  EXPECT_EQ(config.get<std::vector<std::int32_t>>("ids"), (std::vector<std::int32_t>{1, 2}));
  EXPECT_EQ(config.get<std::vector<std::string>>("words"), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(config.get<float>("rope.inner.factor"), 8.0F);
  EXPECT_FALSE(config.has("null"));
  EXPECT_FALSE(config.has("s.inner"));
  EXPECT_EQ(config.get_or<std::int32_t>("rope.none", 3), 3);
  EXPECT_EQ(error_of([&] { config.get<std::int32_t>("big"); }),
            "c.json: key 'big': expected an integer from -2147483648 to 2147483647, found 5000000000");
  EXPECT_EQ(error_of([&] { config.get<bool>("i"); }), "c.json: key 'i': expected true or false, found 7");
  EXPECT_EQ(error_of([&] { config.find<std::string>("rope"); }),
            "c.json: key 'rope': expected a string, found {\"inner\":{\"factor\":8}}");
  EXPECT_EQ(error_of([&] { config.get<std::vector<std::string>>("mixed"); }),
            "c.json: key 'mixed': expected an array, each element a string, found [1,\"b\"]");
  EXPECT_EQ(error_of([&] { config.get<float>("null"); }), "c.json: key 'null': expected a number, found no such key");
  EXPECT_EQ(error_of([&] { config.get<std::int32_t>("f"); }),
            "c.json: key 'f': expected an integer from -2147483648 to 2147483647, found 0.5");
  EXPECT_EQ(error_of([] { ConfigJson(nlohmann::json(3), "c.json"); }), "c.json: expected a JSON object, found 3");
}

// config.json of transformers 5 and the published form of the same model give the same.
TEST(Checkpoint, BothFormsOfConfigBecomeOne) {
  const Checkpoint llama(kData + "config_llama3");
  EXPECT_EQ(llama.config().get<double>("rope_theta"), 500000.0);
  EXPECT_EQ(llama.config().get<std::string>("rope_scaling.rope_type"), "llama3");
  EXPECT_EQ(llama.config().get<double>("rope_scaling.factor"), 8.0);
  EXPECT_EQ(llama.config().get<std::int32_t>("rope_scaling.original_max_position_embeddings"), 8192);
  EXPECT_EQ(llama.config().get<std::string>("dtype"), "bfloat16");
  EXPECT_FALSE(llama.config().has("rope_scaling.rope_theta"));
  EXPECT_FALSE(llama.config().has("rope_parameters"));
  const Checkpoint qwen(kData + "config_qwen2");
  EXPECT_EQ(qwen.config().get<double>("rope_theta"), 1000000.0);
  EXPECT_FALSE(qwen.config().has("rope_scaling"));

  const Checkpoint deepseek(kData + "config_deepseek_v3");
  TemporaryFolder folder;
  write_file(
      folder / "config.json",
      R"({"model_type": "deepseek_v3", "rope_theta": 10000, "torch_dtype": "bfloat16", "rope_scaling": {"type": "yarn",
    "factor": 40, "beta_fast": 32, "beta_slow": 1, "mscale": 1.0, "mscale_all_dim": 1.0, "original_max_position_embeddings": 4096}})");
  const Checkpoint published(folder.path());
  EXPECT_EQ(published.config().object()["rope_scaling"], deepseek.config().object()["rope_scaling"]);
  EXPECT_EQ(published.config().object()["rope_theta"], deepseek.config().object()["rope_theta"]);
  EXPECT_EQ(published.config().get<std::string>("dtype"), "bfloat16");
  EXPECT_EQ(deepseek.config().get<std::string>("rope_scaling.rope_type"), "yarn");
}

TEST(Checkpoint, RefusesConfigsThatContradictThemselves) {
  TemporaryFolder folder;
  const auto message = [&](const std::string& text) {
    write_file(folder / "config.json", text);
    return error_of([&] { Checkpoint checkpoint(folder.path()); });
  };
  EXPECT_EQ(message(R"({"rope_theta": 1, "rope_parameters": {"rope_theta": 1, "rope_type": "default"}})"), "");
  EXPECT_TRUE(holds(message(R"({"rope_theta": 2, "rope_parameters": {"rope_theta": 1}})"),
                    "config.json: key 'rope_theta': expected 1 as in rope_parameters, found 2"));
  EXPECT_TRUE(holds(message(R"({"rope_parameters": {"full_attention": {"rope_theta": 1}}})"),
                    "key 'rope_parameters.full_attention': expected one RoPE"));
  EXPECT_TRUE(holds(message(R"({"rope_parameters": 5})"), "key 'rope_parameters': expected an object, found number"));
  EXPECT_TRUE(holds(message(R"({"rope_scaling": []})"), "key 'rope_scaling': expected an object, found array"));
  EXPECT_TRUE(holds(message("[1]"), "config.json: expected a JSON object, found array"));
  EXPECT_TRUE(holds(message("{"), "config.json: byte 2: expected JSON"));
  EXPECT_TRUE(holds(error_of([&] { Checkpoint checkpoint(folder / "none"); }), "none/config.json: No such file"));
}

TEST(Checkpoint, FindsTheFilesBesideTheConfig) {
  TemporaryFolder folder;
  write_file(folder / "config.json", R"({"eos_token_id": 2})");
  {
    const Checkpoint bare(folder.path());
    EXPECT_EQ(bare.tokenizer_json(), std::nullopt);
    EXPECT_EQ(bare.tokenizer_config_json(), std::nullopt);
    EXPECT_EQ(bare.chat_template(), std::nullopt);
    EXPECT_EQ(bare.eos_token_ids(), (std::vector<std::int32_t>{2}));
    EXPECT_FALSE(bare.generation_config().has("temperature"));
  }
  write_file(folder / "generation_config.json", R"({"eos_token_id": [5, 6], "temperature": 0.6})");
  write_file(folder / "tokenizer.json", "{}");
  write_file(folder / "tokenizer_config.json", R"({"chat_template": "in the config"})");
  {
    const Checkpoint full(folder.path());
    EXPECT_EQ(full.eos_token_ids(), (std::vector<std::int32_t>{5, 6}));
    EXPECT_EQ(full.generation_config().get<double>("temperature"), 0.6);
    EXPECT_EQ(full.tokenizer_json(), folder / "tokenizer.json");
    EXPECT_EQ(full.chat_template(), "in the config");
  }
  write_file(folder / "tokenizer_config.json",
             R"({"chat_template": [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}]})");
  EXPECT_EQ(Checkpoint(folder.path()).chat_template(), "d");
  write_file(folder / "chat_template.jinja", "its own file");
  EXPECT_EQ(Checkpoint(folder.path()).chat_template(), "its own file");
}

TEST(SafetensorsWeights, ReadsShardsByTheirIndex) {
  const SafetensorsWeights weights{Checkpoint(kData + "sharded")};
  EXPECT_EQ(weights.format(), WeightSource::Format::safetensors);
  EXPECT_EQ(weights.weights().size(), 3U);
  EXPECT_EQ(weights.files().size(), 2U);
  const Weight& head = weights.at("lm_head.weight");
  EXPECT_EQ(head.file, 1);
  EXPECT_EQ(head.shape, (std::array<std::int64_t, 4>{4, 2, 1, 1}));
  EXPECT_EQ(reinterpret_cast<const float*>(head.data.data())[7], 5.0F);
  EXPECT_EQ(reinterpret_cast<const float*>(weights.at("model.embed_tokens.weight").data.data())[7], 7.0F);
  weights.drop(head);
  EXPECT_EQ(reinterpret_cast<const float*>(head.data.data())[7], 5.0F);
}

TEST(SafetensorsWeights, F8CarriesItsFactors) {
  const SafetensorsWeights weights{Checkpoint(kData + "fp8")};
  ASSERT_EQ(weights.weights().size(), 3U);  // the factors are part of their matrices
  const Weight& up = weights.at("up.weight");
  EXPECT_EQ(up.type, DType::f8_e4m3);
  EXPECT_EQ(up.rows(), 129);
  EXPECT_EQ(up.columns(), 3);
  EXPECT_EQ(std::vector<float>(up.scales.begin(), up.scales.end()), (std::vector<float>{0.125F, 0.25F}));
  const Weight& down = weights.at("down.weight");
  EXPECT_EQ(std::vector<float>(down.scales.begin(), down.scales.end()), (std::vector<float>{0.125F, 0.25F, 0.375F}));
  EXPECT_TRUE(weights.at("norm.weight").scales.empty());
}

TEST(SafetensorsWeights, RefusesWhatDoesNotFit) {
  TemporaryFolder folder;
  const auto config = [&](const std::string& text) { write_file(folder / "config.json", text); };
  const auto message = [&] { return error_of([&] { SafetensorsWeights weights{Checkpoint(folder.path())}; }); };
  const auto expect = [&](const std::string& text) { EXPECT_TRUE(holds(message(), text)) << message(); };
  config("{}");
  expect("expected model.safetensors or model.safetensors.index.json, found neither");
  const auto fp8 = [&](DType type, std::vector<std::int64_t> shape, DType scale_type,
                       std::vector<std::int64_t> scales) {
    SafetensorsWriter out(folder / "model.safetensors");
    if (!scales.empty()) out.add_tensor("w_scale_inv", scale_type, scales);
    out.add_tensor("w", type, shape);
    const auto size = [](DType t, const std::vector<std::int64_t>& dims) {
      auto bytes = static_cast<std::size_t>(info(t).bytes);
      for (const std::int64_t dim : dims) bytes *= static_cast<std::size_t>(dim);
      return bytes;
    };
    if (!scales.empty()) out.write(as_bytes(std::string(size(scale_type, scales), '\0')));
    out.write(as_bytes(std::string(size(type, shape), '\0')));
    out.finish();
  };
  fp8(DType::f8_e4m3, {129, 3}, DType::f32, {2, 1});
  EXPECT_EQ(message(), "");
  fp8(DType::f8_e4m3, {2, 129, 3}, DType::f32, {2, 2, 1});  // experts in one tensor
  EXPECT_EQ(message(), "");
  fp8(DType::f8_e4m3, {129, 3}, DType::f32, {1, 1});
  expect("tensor 'w_scale_inv': expected F32 (2, 1), found F32 (1, 1)");
  fp8(DType::f8_e4m3, {129, 3}, DType::bf16, {2, 1});
  expect("tensor 'w_scale_inv': expected F32 (2, 1), found BF16 (2, 1)");
  fp8(DType::f8_e4m3, {129, 3}, DType::f32, {});
  expect("tensor 'w_scale_inv': expected beside F8_E4M3 tensor 'w', found no such tensor");
  fp8(DType::f8_e4m3, {129}, DType::f32, {2, 1});
  expect("tensor 'w': expected a matrix, because it is F8_E4M3; found shape (129)");
  fp8(DType::bf16, {129, 3}, DType::f32, {2, 1});
  expect("tensor 'w_scale_inv': expected an F8_E4M3 tensor that it scales, found BF16");
  fp8(DType::f32, {1, 1, 1, 1, 1}, DType::f32, {});
  expect("tensor 'w': expected at most 4 dimensions, found shape (1, 1, 1, 1, 1)");
  fp8(DType::f32, {2, 0}, DType::f32, {});
  expect("tensor 'w': expected dimensions of at least 1, found shape (2, 0)");
  fp8(DType::f32, {1}, DType::f32, {});
  EXPECT_EQ(message(), "");
  config(R"({"quantization_config": {"quant_method": "gptq"}})");
  expect("config.json: key 'quantization_config.quant_method': expected \"fp8\", found \"gptq\"");
  config(R"({"quantization_config": {"quant_method": "fp8", "weight_block_size": [64, 64]}})");
  expect("key 'quantization_config.weight_block_size': expected [128, 128], found [64,64]");
  config(R"({"quantization_config": {"quant_method": "fp8", "fmt": "e5m2", "weight_block_size": [128, 128]}})");
  expect("key 'quantization_config.fmt': expected \"e4m3\", found \"e5m2\"");
}

TEST(SafetensorsWeights, RefusesAnIndexThatLies) {
  TemporaryFolder folder;
  for (const auto& entry : std::filesystem::directory_iterator(kData + "sharded"))
    std::filesystem::copy(entry.path(), folder.path());
  const std::string one = "model-00001-of-00002.safetensors", two = "model-00002-of-00002.safetensors";
  const auto message = [&](const std::vector<std::pair<std::string, std::string>>& map) {
    write_safetensors_index(folder.path(), 72, map);
    return error_of([&] { SafetensorsWeights weights{Checkpoint(folder.path())}; });
  };
  using Map = std::vector<std::pair<std::string, std::string>>;
  const Map right = {{"model.embed_tokens.weight", one}, {"model.norm.weight", two}, {"lm_head.weight", two}};
  EXPECT_EQ(message(right), "");
  EXPECT_EQ(nlohmann::json::parse(read_file(folder / "model.safetensors.index.json")),
            nlohmann::json::parse(read_file(kData + "sharded/model.safetensors.index.json")));
  Map map = right;
  map.emplace_back("more", one);
  EXPECT_TRUE(holds(message(map), "tensor 'more': expected in " + one + ", found in no shard"));
  map = right;
  map.pop_back();
  EXPECT_TRUE(
      holds(message(map), "tensor 'lm_head.weight': expected in no shard (it is not in the index), found in " + two));
  map = right;
  map[2].second = one;
  EXPECT_TRUE(holds(message(map), "tensor 'lm_head.weight': expected in " + one + ", found in " + two));
  for (const char* name : {"../model.safetensors", "a/b", "", ".hidden"}) {
    map[2].second = name;
    EXPECT_TRUE(
        holds(message(map), "file of tensor 'lm_head.weight': expected the name of a file in the same directory"))
        << name;
  }
  map[2].second = "none.safetensors";
  EXPECT_TRUE(holds(message(map), "none.safetensors: No such file"));
  map = right;
  map[2].second = "three.safetensors";
  std::filesystem::copy(folder / one, folder / "three.safetensors");
  EXPECT_TRUE(holds(message(map), "tensor 'lm_head.weight': expected in three.safetensors, found in " + two));
  map = right;
  map[0].second = "three.safetensors";
  map.emplace_back("other", one);
  EXPECT_TRUE(
      holds(message(map), "tensor 'model.embed_tokens.weight': expected in three.safetensors, found in " + one));
  write_file(folder / "model.safetensors.index.json", R"({"weight_map": {"a": 1}})");
  EXPECT_TRUE(holds(error_of([&] { SafetensorsWeights weights{Checkpoint(folder.path())}; }),
                    "file of tensor 'a': expected a string, found number"));
  write_file(folder / "model.safetensors.index.json", "{}");
  EXPECT_TRUE(holds(error_of([&] { SafetensorsWeights weights{Checkpoint(folder.path())}; }),
                    "key 'weight_map': expected an object, found none"));
}

}  // namespace
}  // namespace limpid
