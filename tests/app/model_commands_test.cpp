// The commands that run a model, as a user runs them: on tiny models, and on SmolLM2 where tools/get-smollm2 put it.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "tests/app/shell.h"
#include "tests/app/tiny_models.h"

namespace {

using Json = nlohmann::json;

std::string scratch(const std::string& name) {
  return (std::filesystem::temp_directory_path() / ("limpid-" + std::to_string(getpid()) + "-" + name)).string();
}

Json json_of(const std::string& arguments) {
  const ShellResult result = run_limpid(arguments);
  EXPECT_EQ(result.code, 0) << arguments;
  return Json::parse(result.output, nullptr, false);
}

TEST(ModelCommands, InspectCountsWhatIsThere) {
  const Json tiny = json_of("inspect --json --tensors " + kTinyModels + "moonlight.gguf");
  EXPECT_EQ(tiny["architecture"], "deepseek_v3");
  EXPECT_LT(tiny["active_parameters"], tiny["parameters"]);
  std::int64_t bytes = 0;
  for (const Json& tensor : tiny["tensors"]) bytes += tensor["bytes"].get<std::int64_t>();
  EXPECT_EQ(tiny["bytes"], bytes);
  EXPECT_EQ(json_of("inspect --json " + kTinyModels + "llama3.gguf")["parameters"],
            json_of("inspect --json " + kTinyModels + "llama3")["parameters"]);  // the same model in both formats
}

TEST(ModelCommands, LogitsAreAnArrayOfTokensByVocabulary) {
  const std::string file = scratch("logits.npy");
  const ShellResult result = run_limpid("logits " + kTinyModels + "deepseek_v3 --ids 1,2,3 -t 1 -o " + file);
  EXPECT_EQ(result.code, 0);
  EXPECT_NE(result.output.find("exact"), std::string::npos) << result.output;  // F32 safetensors
  std::ifstream in(file, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(in)), {});
  const auto vocabulary = json_of("inspect --json " + kTinyModels + "deepseek_v3")["vocabulary"].get<std::size_t>();
  ASSERT_GT(bytes.size(), 10u);
  EXPECT_EQ(bytes.substr(0, 6), "\x93NUMPY");
  EXPECT_NE(bytes.find("'shape': (3, " + std::to_string(vocabulary) + ")"), std::string::npos);
  const std::size_t header = 10u + static_cast<unsigned char>(bytes[8]) + 256u * static_cast<unsigned char>(bytes[9]);
  EXPECT_EQ(header % 64, 0u);
  EXPECT_EQ(bytes.size(), header + 3 * vocabulary * 4);
  std::filesystem::remove(file);
}

TEST(ModelCommands, OneAnswerIsProvedOnThisMachine) {
  for (const std::string model : {"llama3.gguf", "moonlight.gguf"})
    for (const std::string compute : {"exact", "fast"}) {
      const ShellResult result = run_limpid("logits --check -t 2 " + kTinyModels + model + " --compute " + compute);
      EXPECT_EQ(result.code, 0) << result.output;
      EXPECT_NE(result.output.find("token by token"), std::string::npos);
      EXPECT_EQ(result.output.find("DIFFERENT"), std::string::npos) << result.output;
    }
}

TEST(ModelCommands, WhatIsMissingOrWrongIsNamed) {
  const std::string tiny = kTinyModels + "llama3.gguf";
  EXPECT_EQ(run_limpid("logits " + tiny + " 2>/dev/null -o /dev/null").code, 2);
  EXPECT_NE(run_limpid("logits " + tiny + " --ids 1,99999999 -o /dev/null 2>&1").output.find("99999999"),
            std::string::npos);
  EXPECT_EQ(run_limpid("logits " + tiny + " --ids 1 -o /nowhere/x.npy 2>/dev/null").code, 2);
  EXPECT_EQ(run_limpid("logits " + tiny + " --ids 1 -o - 2>/dev/null").code, 2);
  EXPECT_FALSE(std::filesystem::exists("-"));
  EXPECT_EQ(run_limpid("bench " + tiny + " -p 0 -n 0 2>/dev/null").code, 2);
}

TEST(ModelCommands, BenchGivesTheSameLogitsEachTime) {
  const std::string run = "bench --json -p 70 -n 5 -r 1 " + kTinyModels + "qwen2.gguf";
  const Json one = json_of(run + " -t 1"), two = json_of(run + " -t 2");
  EXPECT_EQ(one["logits_hash"], two["logits_hash"]);
  EXPECT_GT(one["prefill_tps"]["median"], 0);
  EXPECT_GT(one["decode_tps"]["median"], 0);
  EXPECT_GT(one["memory_gbs"], 0);
}

TEST(ModelCommands, ATokenizerOfAnotherModelIsNoPerplexity) {
  const std::filesystem::path folder = scratch("mismatch");
  std::filesystem::create_directories(folder);
  for (const char* name : {"config.json", "model.safetensors"})
    std::filesystem::copy_file(kTinyModels + "llama3/" + name, folder / name);  // 99 tokens
  for (const char* name : {"tokenizer.json", "tokenizer_config.json"})
    std::filesystem::copy_file(REPO_DIR "/weights/r1-nano/" + std::string(name), folder / name);  // 1024
  const ShellResult result =
      run_limpid("perplexity " + folder.string() + " " REPO_DIR "/tests/app/data/text.txt -c 32 -t 1 2>&1");
  EXPECT_EQ(result.code, 2) << result.output;
  EXPECT_NE(result.output.find("the model has 0 to 98"), std::string::npos) << result.output;
  EXPECT_NE(result.output.find(folder.string()), std::string::npos) << result.output;
  std::filesystem::remove_all(folder);
}

TEST(ModelCommands, AWindowOfTwoTokensScoresNothing) {
  const ShellResult result = run_limpid("perplexity " + kTinyModels + "llama3.gguf /dev/null --context 2 2>&1");
  EXPECT_EQ(result.code, 2);
  EXPECT_NE(result.output.find("--context: expected a whole number from 3"), std::string::npos) << result.output;
}

TEST(ModelCommands, TheCacheTypeIsChosen) {
  const std::string run = "bench --json -t 1 -p 70 -n 3 -r 1 " + kTinyModels + "qwen2.gguf";
  const Json usual = json_of(run), f16 = json_of(run + " --cache f16"), q8 = json_of(run + " --cache q8");
  EXPECT_EQ(usual["cache"], "f16");
  EXPECT_EQ(q8["cache"], "q8");
  EXPECT_EQ(usual["logits_hash"], f16["logits_hash"]);
  EXPECT_NE(q8["logits_hash"], f16["logits_hash"]) << "keys and values are rounded otherwise";
  const ShellResult refused = run_limpid("bench --compute exact --cache q8 " + kTinyModels + "qwen2.gguf 2>&1");
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.output.find("--cache q8"), std::string::npos) << refused.output;
}

TEST(ModelCommands, RunAnswersAndCounts) {
  NEED_SMOLLM2();
  const std::string run =
      "run " + smollm2() + " -p 'What is the capital of France?' --temp 0 --compute exact -n 20 --json";
  const Json answer = json_of(run);
  EXPECT_NE(answer["answer"].get<std::string>().find("Paris"), std::string::npos) << answer;
  EXPECT_EQ(answer["finish_reason"], "stop");
  EXPECT_EQ(answer["usage"]["completion_tokens"], answer["ids"].size());
  EXPECT_EQ(answer["logits_hash"].get<std::string>().size(), 16u);
  EXPECT_EQ(json_of(run + " -t 1")["logits_hash"], answer["logits_hash"]);
}

TEST(ModelCommands, AStopTextIsNotShown) {
  NEED_SMOLLM2();
  const Json answer = json_of("run " + smollm2() + " --raw -p 'A, B, C, D, E, F,' --temp 0 -n 30 --stop J --json");
  EXPECT_EQ(answer["answer"].get<std::string>().find('J'), std::string::npos);
}

TEST(ModelCommands, ChatAnswersLineByLineFromAPipe) {
  NEED_SMOLLM2();
  const std::string file = scratch("chat.json");
  const ShellResult result = shell("printf 'What is the capital of France?\\n/save " + file + "\\nAnd of Italy?' | " +
                                   LIMPID_BINARY " chat " + smollm2() + " --temp 0 --compute exact 2>&1");
  EXPECT_EQ(result.code, 0);
  EXPECT_NE(result.output.find("Paris"), std::string::npos) << result.output;
  EXPECT_NE(result.output.find("Rome"), std::string::npos) << result.output;
  EXPECT_EQ(result.output.find('\x1b'), std::string::npos);
  std::ifstream in(file);
  const Json saved = Json::parse(in, nullptr, false);
  ASSERT_EQ(saved["messages"].size(), 2u);
  EXPECT_EQ(saved["messages"][1]["role"], "assistant");
  std::filesystem::remove(file);
}

TEST(ModelCommands, PerplexityIsLlamaCpps) {
  NEED_SMOLLM2();
  // llama-perplexity of llama.cpp (in llama-cpp-python 0.3.36), -c 512, on the same file and text: 21.1670.
  const Json result = json_of("perplexity --json " + smollm2() + " " REPO_DIR "/tests/app/data/text.txt");
  EXPECT_NEAR(result["perplexity"].get<double>() / 21.1670, 1.0, 0.005);
}

}  // namespace
