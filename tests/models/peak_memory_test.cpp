// Loading takes the packed size and 5 % at most, and planning next to nothing: the peak of resident memory of a child process, which counts the pages of
// the mapped file too. The weights are holes in a sparse file; they are mapped and packed like any other.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "models/load.h"

namespace limpid {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kOwnMemory = false;  // a sanitizer's is in the figures
#else
constexpr bool kOwnMemory = true;
#endif

std::uint64_t status_bytes(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(field + ":")) return std::stoull(line.substr(field.size() + 1)) * 1024;
  return 0;
}

// A directory of BF16 safetensors.
class SparseModel {
 public:
  explicit SparseModel(nlohmann::json config)
      : path_(std::filesystem::temp_directory_path() / ("limpid-peak-" + std::to_string(getpid()))) {
    std::filesystem::create_directories(path_);
    std::ofstream(path_ / "config.json") << config;
  }
  ~SparseModel() { std::filesystem::remove_all(path_); }
  std::string path() const { return path_.string(); }

  void add(const std::string& name, std::vector<std::int64_t> shape) {
    std::uint64_t bytes = 2;
    for (const std::int64_t n : shape) bytes *= static_cast<std::uint64_t>(n);
    header_[name] = {{"dtype", "BF16"}, {"shape", shape}, {"data_offsets", {bytes_, bytes_ + bytes}}};
    bytes_ += bytes;
  }
  void write() const {
    std::string header = header_.dump();
    header.resize((header.size() + 7) / 8 * 8, ' ');
    const std::uint64_t size = header.size();
    std::ofstream(path_ / "model.safetensors", std::ios::binary)
            .write(reinterpret_cast<const char*>(&size), sizeof size)
        << header;
    std::filesystem::resize_file(path_ / "model.safetensors", sizeof size + size + bytes_);
  }

 private:
  std::filesystem::path path_;
  nlohmann::json header_;
  std::uint64_t bytes_ = 0;
};

// Opens, plans and loads in a process of its own; its exit code says what was too much.
enum Outcome { fine = 0, planning_took_memory = 10, peak_too_high = 11, failed = 12 };

int load_and_measure(const std::string& path) {
  try {
    const ModelFiles files = ModelFiles::open(path);
    const std::uint64_t before = status_bytes("VmRSS");
    const std::uint64_t packed = packed_model_bytes(files, Precision::fast);
    const std::uint64_t planned = status_bytes("VmHWM") - before;
    const auto model = load_model(files, Precision::fast, 2);
    const std::uint64_t peak = status_bytes("VmHWM") - before;
    std::fprintf(stderr, "packed %.1f MB, planning took %.1f MB, the peak is %.1f MB (%+.1f %%)\n",
                 static_cast<double>(packed) * 1e-6, static_cast<double>(planned) * 1e-6,
                 static_cast<double>(peak) * 1e-6, (static_cast<double>(peak) / static_cast<double>(packed) - 1) * 100);
    if (planned > packed / 50) return planning_took_memory;
    return peak > packed + packed / 20 ? peak_too_high : fine;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return failed;
  }
}

Outcome in_a_child(const std::string& path) {
  const pid_t child = fork();
  if (child == 0) _exit(load_and_measure(path));
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? static_cast<Outcome>(WEXITSTATUS(status)) : failed;
}

TEST(PeakMemory, LlamaWithALargeEmbedding) {
  if (!kOwnMemory) GTEST_SKIP() << "measures the memory of the process";
  SparseModel model({{"model_type", "llama"},
                     {"vocab_size", 20000},
                     {"hidden_size", 1024},
                     {"num_hidden_layers", 3},
                     {"num_attention_heads", 8},
                     {"intermediate_size", 4096},
                     {"tie_word_embeddings", true}});
  model.add("model.embed_tokens.weight", {20000, 1024});
  for (int layer = 0; layer < 3; ++layer) {
    const std::string of = "model.layers." + std::to_string(layer) + ".";
    for (const char* name : {"input_layernorm", "post_attention_layernorm"}) model.add(of + name + ".weight", {1024});
    for (const char* name : {"q_proj", "k_proj", "v_proj", "o_proj"})
      model.add(of + "self_attn." + name + ".weight", {1024, 1024});
    for (const char* name : {"gate_proj", "up_proj"}) model.add(of + "mlp." + name + ".weight", {4096, 1024});
    model.add(of + "mlp.down_proj.weight", {1024, 4096});
  }
  model.add("model.norm.weight", {1024});
  model.write();
  EXPECT_EQ(in_a_child(model.path()), fine);
}

// Keys and values in one matrix, which is decoded: 134 MB of f32 from 67 MB.
TEST(PeakMemory, LatentAttentionWithJointMaps) {
  if (!kOwnMemory) GTEST_SKIP() << "measures the memory of the process";
  SparseModel model({{"model_type", "deepseek_v3"},
                     {"vocab_size", 2000},
                     {"hidden_size", 512},
                     {"num_hidden_layers", 4},
                     {"num_attention_heads", 64},
                     {"intermediate_size", 1024},
                     {"q_lora_rank", 128},
                     {"kv_lora_rank", 512},
                     {"qk_nope_head_dim", 128},
                     {"qk_rope_head_dim", 64},
                     {"v_head_dim", 128},
                     {"first_k_dense_replace", 4},
                     {"tie_word_embeddings", true}});
  model.add("model.embed_tokens.weight", {2000, 512});
  for (int layer = 0; layer < 4; ++layer) {
    const std::string of = "model.layers." + std::to_string(layer) + ".", attention = of + "self_attn.";
    for (const char* name : {"input_layernorm", "post_attention_layernorm"}) model.add(of + name + ".weight", {512});
    model.add(attention + "q_a_proj.weight", {128, 512});
    model.add(attention + "q_a_layernorm.weight", {128});
    model.add(attention + "q_b_proj.weight", {64 * 192, 128});
    model.add(attention + "kv_a_proj_with_mqa.weight", {512 + 64, 512});
    model.add(attention + "kv_a_layernorm.weight", {512});
    model.add(attention + "kv_b_proj.weight", {64 * 256, 512});
    model.add(attention + "o_proj.weight", {512, 64 * 128});
    for (const char* name : {"gate_proj", "up_proj"}) model.add(of + "mlp." + name + ".weight", {1024, 512});
    model.add(of + "mlp.down_proj.weight", {512, 1024});
  }
  model.add("model.norm.weight", {512});
  model.write();
  EXPECT_EQ(in_a_child(model.path()), fine);
}

}  // namespace
}  // namespace limpid
