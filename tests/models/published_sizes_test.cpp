// The configurations of Qwen2 and Llama that R1 was distilled into, up to the largest (Qwen2's 72B beside them): a
// directory with such a config.json and every tensor in its published name and shape is taken whole. The weights are
// holes in a sparse file; nobody reads them.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "models/load.h"

namespace limpid {
namespace {

struct Published {
  const char* name;
  const char* type;
  std::int64_t width, feed_forward, layers, heads, kv_heads, vocabulary;
  std::int64_t parameters;  // as the hub counts them
};

constexpr Published kPublished[] = {
    {"R1_Distill_Qwen_1_5B", "qwen2", 1536, 8960, 28, 12, 2, 151936, 1777088000},
    {"R1_Distill_Qwen_7B", "qwen2", 3584, 18944, 28, 28, 4, 152064, 7615616512},
    {"R1_Distill_Llama_8B", "llama", 4096, 14336, 32, 32, 8, 128256, 8030261248},
    {"R1_Distill_Qwen_14B", "qwen2", 5120, 13824, 48, 40, 8, 152064, 14770033664},
    {"R1_Distill_Qwen_32B", "qwen2", 5120, 27648, 64, 40, 8, 152064, 32763876352},
    {"R1_Distill_Llama_70B", "llama", 8192, 28672, 80, 64, 8, 128256, 70553706496},
    {"Qwen2_5_72B", "qwen2", 8192, 29568, 80, 64, 8, 152064, 72706203648},
};

class Directory {
 public:
  explicit Directory(const Published& model)
      : path_(std::filesystem::temp_directory_path() /
              (std::string("limpid-") + model.name + std::to_string(getpid()))) {
    std::filesystem::create_directories(path_);
    std::ofstream(path_ / "config.json") << nlohmann::json{{"model_type", model.type},
                                                           {"vocab_size", model.vocabulary},
                                                           {"hidden_size", model.width},
                                                           {"num_hidden_layers", model.layers},
                                                           {"max_position_embeddings", 131072},
                                                           {"num_attention_heads", model.heads},
                                                           {"num_key_value_heads", model.kv_heads},
                                                           {"intermediate_size", model.feed_forward}};
    list(model);
    std::string header = header_.dump();
    header.resize((header.size() + 7) / 8 * 8, ' ');
    const std::uint64_t size = header.size();
    std::ofstream file(path_ / "model.safetensors", std::ios::binary);
    file.write(reinterpret_cast<const char*>(&size), sizeof size) << header;
    file.close();
    std::filesystem::resize_file(path_ / "model.safetensors",
                                 sizeof size + size + 2 * static_cast<std::uint64_t>(values));
  }
  ~Directory() { std::filesystem::remove_all(path_); }
  std::string path() const { return path_.string(); }

  std::int64_t values = 0;

 private:
  void add(const std::string& name, std::vector<std::int64_t> shape) {
    const std::int64_t begin = values;
    values += shape.size() == 1 ? shape[0] : shape[0] * shape[1];
    header_[name] = {{"dtype", "BF16"}, {"shape", shape}, {"data_offsets", {2 * begin, 2 * values}}};
  }
  void list(const Published& m) {
    const std::int64_t kv = m.width / m.heads * m.kv_heads;
    add("model.embed_tokens.weight", {m.vocabulary, m.width});
    for (std::int64_t i = 0; i < m.layers; ++i) {
      const std::string layer = "model.layers." + std::to_string(i) + ".";
      for (const auto& [name, rows] : {std::pair{"q", m.width}, {"k", kv}, {"v", kv}}) {
        add(layer + "self_attn." + name + "_proj.weight", {rows, m.width});
        if (std::string(m.type) == "qwen2") add(layer + "self_attn." + name + "_proj.bias", {rows});
      }
      add(layer + "self_attn.o_proj.weight", {m.width, m.width});
      add(layer + "mlp.gate_proj.weight", {m.feed_forward, m.width});
      add(layer + "mlp.up_proj.weight", {m.feed_forward, m.width});
      add(layer + "mlp.down_proj.weight", {m.width, m.feed_forward});
      add(layer + "input_layernorm.weight", {m.width});
      add(layer + "post_attention_layernorm.weight", {m.width});
    }
    add("model.norm.weight", {m.width});
    add("lm_head.weight", {m.vocabulary, m.width});
  }

  std::filesystem::path path_;
  nlohmann::json header_;
};

class PublishedSizes : public testing::TestWithParam<Published> {};

TEST_P(PublishedSizes, EveryTensorIsAskedForAndNoneLeftOver) {
  const Directory directory(GetParam());
  ASSERT_EQ(directory.values, GetParam().parameters);
  const ModelFiles files = ModelFiles::open(directory.path());
  const auto packed = static_cast<double>(packed_model_bytes(files, Precision::fast));
  const auto stored = 2 * static_cast<double>(GetParam().parameters);
  EXPECT_GT(packed, 0.999 * stored);  // norms and biases are elsewhere
  EXPECT_LT(packed, 1.001 * stored);  // strips are padded
}

INSTANTIATE_TEST_SUITE_P(Models, PublishedSizes, testing::ValuesIn(kPublished),
                         [](const auto& model) { return std::string(model.param.name); });

}  // namespace
}  // namespace limpid
