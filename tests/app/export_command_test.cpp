// limpid export, as a user runs it: a model that limpid trained, in both formats, answers with the same bits.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/app/shell.h"

namespace {

namespace fs = std::filesystem;

constexpr const char* kConfig = R"({
  "model": {"model_type": "deepseek_v3", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48,
            "q_lora_rank": 16, "kv_lora_rank": 32, "qk_nope_head_dim": 8, "qk_rope_head_dim": 8, "v_head_dim": 8, "first_k_dense_replace": 1,
            "n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16, "n_shared_experts": 1, "num_nextn_predict_layers": 1,
            "max_position_embeddings": 256, "rope_theta": 300},
  "tokenizer": {"vocabulary": 400, "samples": 600}, "steps": 3, "batch_tokens": 192, "length": 64})";

class ExportCommand : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / ("export_" + std::to_string(::getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    std::ofstream(folder_ / "config.json") << kConfig;
    const ShellResult trained =
        run_limpid("train " + at("config.json") + " --data addsub --out " + at("run") + " -t 1 2>&1");
    ASSERT_EQ(trained.code, 0) << trained.output;
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string at(const std::string& name) const { return (folder_ / name).string(); }
  // What is left of limpid logits' line behind the file's name: shape, mode and hash.
  std::string logits(const std::string& model) const {
    const ShellResult result =
        run_limpid("logits " + model + " --ids 0,5,70,30,12,99 --compute exact -o " + at("logits.npy") + " 2>&1");
    EXPECT_EQ(result.code, 0) << result.output;
    return result.output;
  }
  fs::path folder_;
};

TEST_F(ExportCommand, ATrainedModelAnswersAlikeInBothFormats) {
  const ShellResult directory = run_limpid("export " + at("run") + " " + at("st") +
                                           " --to safetensors --advise-temp 0.3 --advise-top-p 0.9 2>&1");
  ASSERT_EQ(directory.code, 0) << directory.output;
  EXPECT_NE(directory.output.find("in F32"), std::string::npos) << directory.output;
  const ShellResult gguf = run_limpid("export " + at("run") + " " + at("model.gguf") + " --to gguf 2>&1");
  ASSERT_EQ(gguf.code, 0) << gguf.output;
  const std::string expected = logits(at("run"));
  EXPECT_EQ(logits(at("st")), expected);
  EXPECT_EQ(logits(at("model.gguf")), expected);
  const std::string messages = "'[{\"role\": \"user\", \"content\": \"What is 3 + 4? \u4e09\"}]'";
  const std::string prompt = shell("echo " + messages + " | " + LIMPID_BINARY + " render --ids " + at("run")).output;
  EXPECT_FALSE(prompt.empty());
  for (const char* name : {"st", "model.gguf"})
    EXPECT_EQ(shell("echo " + messages + " | " + LIMPID_BINARY + " render --ids " + at(name)).output, prompt) << name;
  for (const char* file :
       {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"})
    EXPECT_TRUE(fs::exists(folder_ / "st" / file)) << file;
  const nlohmann::json advice = nlohmann::json::parse(std::ifstream(folder_ / "st" / "generation_config.json"));
  EXPECT_EQ(advice["temperature"], 0.3);
  EXPECT_EQ(advice["top_p"], 0.9);
  EXPECT_EQ(advice["do_sample"], true);
}

TEST_F(ExportCommand, BadUsageIsNamed) {
  EXPECT_EQ(run_limpid("export " + at("run") + " " + at("x") + " 2>&1").code, 2);
  const ShellResult type = run_limpid("export " + at("run") + " " + at("x.gguf") + " --to gguf --type Q4_K 2>&1");
  EXPECT_EQ(type.code, 2);
  EXPECT_NE(type.output.find("expected F32, BF16 or F16 or Q8_0"), std::string::npos) << type.output;
  EXPECT_EQ(run_limpid("export " + at("run") + " " + at("run") + " --to safetensors 2>&1").code, 2);
  EXPECT_FALSE(fs::exists(folder_ / "x.gguf"));
}

}  // namespace
