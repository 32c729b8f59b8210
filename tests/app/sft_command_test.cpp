// limpid sft, merge, traces and distill, as a user runs them: on all weights and by adapters, taken up with the same bytes, and with
// what is wrong named.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/app/shell.h"

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class SftCommand : public testing::Test {
 protected:
  // A model to go on from: a tiny Llama that was trained a little.
  static void SetUpTestSuite() {
    folder_ = fs::path(testing::TempDir()) / ("sft_" + std::to_string(::getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    const json config = json::parse(R"({
      "model": {"model_type": "llama", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
                "intermediate_size": 48, "max_position_embeddings": 256, "rope_theta": 300, "tie_word_embeddings": true},
      "tokenizer": {"vocabulary": 400, "samples": 600}, "steps": 30, "batch_tokens": 192, "length": 96,
      "schedule": {"learning_rate": 0.01}})");
    const ShellResult made =
        run_limpid("train " + file("base.json", config.dump()) + " --data addsub --out " + at("base") + " -t 1 2>&1");
    ASSERT_EQ(made.code, 0) << made.output;
  }
  static void TearDownTestSuite() { fs::remove_all(folder_); }

  static std::string file(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
    return at(name);
  }
  static std::string at(const std::string& name) { return (folder_ / name).string(); }
  static std::string bytes(const std::string& name) {
    std::ifstream in(folder_ / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static json settings(bool lora) {
    json config = json::parse(
        R"({"steps": 16, "batch_tokens": 192, "length": 96, "checkpoint_steps": 2, "schedule": {"learning_rate": 0.01},
                                  "optimiser": {"decay": 0}})");
    if (lora) config["lora"] = {{"rank", 4}};
    return config;
  }
  static ShellResult sft(const json& config, const std::string& out, const std::string& more = "-t 1 --data addsub") {
    return run_limpid("sft " + file(out + ".json", config.dump()) + " --model " + at("base") + " --out " + at(out) +
                      " " + more + " 2>&1");
  }
  static std::vector<double> losses(const std::string& out) {
    std::vector<double> result;
    std::ifstream metrics(folder_ / out / "metrics.jsonl");
    for (std::string line; std::getline(metrics, line);) result.push_back(json::parse(line).at("loss"));
    return result;
  }
  static std::string logits_of(const std::string& model) {
    const ShellResult result = run_limpid("logits " + model + " --ids 0,5,6,17 -o " + at("logits.npy") + " 2>&1");
    EXPECT_EQ(result.code, 0) << result.output;
    return bytes("logits.npy");
  }
  // Two replies to learn by heart: the loss falls whatever the base knows.
  static std::string replies() {
    return file("replies.jsonl", R"({"prompt": "7 + 5", "completion": "<think>\n\n</think>\n\n12"}
{"messages": [{"role": "user", "content": "3 + 4"}, {"role": "assistant", "content": "7"}]}
)");
  }
  static fs::path folder_;
};
fs::path SftCommand::folder_;

TEST_F(SftCommand, AllWeightsGoOnFromWhereTheyAre) {
  const ShellResult made = sft(settings(false), "full", "-t 2 --data " + replies());
  ASSERT_EQ(made.code, 0) << made.output;
  const std::vector<double> loss = losses("full");
  ASSERT_EQ(loss.size(), 16U);
  EXPECT_LT(loss.back(), 0.3 * loss.front());
  EXPECT_EQ(run_limpid("logits " + at("full") + " --ids 0,5,6 --check >/dev/null 2>&1").code, 0);
  EXPECT_NE(bytes("full/model.safetensors"), bytes("base/model.safetensors"));
  EXPECT_EQ(bytes("full/model.safetensors").size(), bytes("base/model.safetensors").size());
}

TEST_F(SftCommand, AnAdapterIsSmallIsTakenUpToTheSameBytesAndMerges) {
  const std::string data = " --data " + replies();
  const ShellResult made = sft(settings(true), "lora", "-t 1" + data);
  ASSERT_EQ(made.code, 0) << made.output;
  const std::vector<double> loss = losses("lora");
  EXPECT_LT(loss.back(), loss.front());
  EXPECT_LT(bytes("lora/adapter_model.safetensors").size(), bytes("base/model.safetensors").size());
  ASSERT_EQ(sft(settings(true), "two", "-t 2" + data).code, 0);
  EXPECT_EQ(bytes("two/adapter_model.safetensors"), bytes("lora/adapter_model.safetensors"));
  // Stopped in the middle by a signal, and taken up.
  const std::string run = "sft " + file("cut.json", settings(true).dump()) + " -t 1" + data + " --model " + at("base") +
                          " --out " + at("cut");
  shell("(" + std::string(LIMPID_BINARY) + " " + run + " 2>&1 & pid=$!; while [ ! -s " + at("cut/metrics.jsonl") +
        " ]; do sleep 0.01; done; kill -TERM $pid; wait $pid)");
  ASSERT_EQ(run_limpid(run + " --resume >/dev/null 2>&1").code, 0);
  EXPECT_EQ(bytes("cut/adapter_model.safetensors"), bytes("lora/adapter_model.safetensors"));

  const ShellResult merged = run_limpid("merge " + at("base") + " " + at("lora") + " " + at("merged") + " 2>&1");
  ASSERT_EQ(merged.code, 0) << merged.output;
  const std::string one = logits_of(at("merged"));
  EXPECT_NE(one, logits_of(at("base")));
  // Trained on, the merged model has the loss that the adapter ended with, not the base's.
  json more = settings(false);
  more["steps"] = 1;
  const std::string path = file("more.json", more.dump());
  ASSERT_EQ(run_limpid("sft " + path + " -t 1" + data + " --model " + at("merged") + " --out " + at("more") +
                       " >/dev/null 2>&1")
                .code,
            0);
  EXPECT_LT(losses("more").front(), 0.5 * (loss.front() + loss.back()));
  // The model and its adapter, named together.
  EXPECT_EQ(logits_of(at("base") + "+" + at("lora")), one);
  const ShellResult nowhere = run_limpid("logits " + at("base") + "+nowhere --ids 0,5,6 --check 2>&1");
  EXPECT_EQ(nowhere.code, 2);
  EXPECT_NE(nowhere.output.find("no adapter nowhere"), std::string::npos) << nowhere.output;
}

// The model inside the program has no directory: it is written into the store for those that need one.
TEST_F(SftCommand, TheBuiltInModelTeachesAndLearnsByItsName) {
  if (run_limpid("inspect r1-nano >/dev/null 2>&1").code != 0)
    GTEST_SKIP() << "this program was built without weights/r1-nano";
  const auto run = [](const std::string& arguments) {
    return shell("LIMPID_HOME=" + at("home") + " " + LIMPID_BINARY + " " + arguments + " 2>&1");
  };
  const ShellResult asked =
      run("traces " + file("t.json", R"({"mix": "addsub", "problems": 4, "samples": 2, "max_tokens": 64})") +
          " --teacher R1-Nano --out " + at("t.jsonl") + " -t 1");
  ASSERT_EQ(asked.code, 0) << asked.output;
  EXPECT_GT(bytes("t.jsonl").size(), 0U);
  json config = settings(true);
  config["steps"] = 2;
  const ShellResult made = run("sft " + file("nano.json", config.dump()) + " --model r1-nano --data " + replies() +
                               " --out " + at("nano") + " -t 1");
  ASSERT_EQ(made.code, 0) << made.output;
  EXPECT_EQ(json::parse(bytes("nano/adapter_config.json")).at("base_model_name_or_path"), "r1-nano");
  EXPECT_EQ(bytes("home/built-in/r1-nano/model.safetensors").size(),
            fs::file_size(fs::path(REPO_DIR) / "weights/r1-nano/model.safetensors"));
  const ShellResult both = run("logits r1-nano+" + at("nano") + " --ids 0,5,6 -o " + at("both.npy"));
  EXPECT_EQ(both.code, 0) << both.output;
}

// "smollm2+think" without a model of the name smollm2: the adapter says which model it is for, and the catalogue its name.
TEST_F(SftCommand, AnAdapterFindsItsBaseByTheBeginningOfItsName) {
  json config = settings(true);
  config["steps"] = 2;
  ASSERT_EQ(sft(config, "short", "-t 1 --data " + replies()).code, 0);
  fs::create_directories(folder_ / "here/weights");
  fs::copy(folder_ / "short", folder_ / "here/weights/smollm2-tiny");
  const std::string in_here = "cd " + at("here") + " && LIMPID_HOME=" + at("store") + " " + LIMPID_BINARY + " ";
  const std::string logits = "logits smollm2+tiny --ids 0,5,6,17 -o " + at("by-name.npy") + " 2>&1";
  EXPECT_EQ(shell(in_here + logits).code, 2);  // for a directory called base, which is no published model
  json adapter = json::parse(bytes("short/adapter_config.json"));
  adapter["base_model_name_or_path"] = "HuggingFaceTB/SmolLM2-135M-Instruct";
  std::ofstream(folder_ / "here/weights/smollm2-tiny/adapter_config.json") << adapter.dump();
  const ShellResult missing = shell(in_here + logits);
  EXPECT_EQ(missing.code, 2);
  EXPECT_NE(missing.output.find("limpid pull smollm2-135m"), std::string::npos) << missing.output;
  fs::create_directories(folder_ / "store/models/smollm2-135m@Q4_1");
  std::ofstream(folder_ / "store/models/smollm2-135m@Q4_1/model.json")
      << json{{"version", 1}, {"name", "smollm2-135m:Q4_1"}, {"path", at("base")}, {"bytes", 1}, {"adopted", true}}
             .dump();
  const ShellResult found = shell(in_here + logits);
  ASSERT_EQ(found.code, 0) << found.output;
  EXPECT_EQ(bytes("by-name.npy"), logits_of(at("base") + "+" + at("short")));
}

TEST_F(SftCommand, WhatIsWrongIsNamed) {
  const auto says = [&](const json& config, const std::string& name, const std::string& what,
                        const std::string& more = "-t 1 --data addsub") {
    const ShellResult result = sft(config, name, more);
    EXPECT_EQ(result.code, 2) << result.output;
    EXPECT_NE(result.output.find(what), std::string::npos) << result.output;
  };
  json config = settings(true);
  config["lora"]["ranks"] = 3;
  says(config, "e1", "lora.ranks: unknown field");
  config = settings(true);
  config["lora"]["targets"] = {"q_proj", "kv_b_proj"};
  says(config, "e2", "kv_b_proj");
  config = settings(false);
  config["model"] = {{"model_type", "llama"}};
  says(config, "e3", "model: fine-tuning");
  says(settings(false), "e4", "broken.jsonl:2",
       "-t 1 --data " + file("broken.jsonl", "{\"prompt\": \"a\", \"completion\": \"b\"}\n{\"prompt\": \n"));
  config = settings(true);
  ASSERT_EQ(sft(config, "e5").code, 0);
  says(config, "e5", "--resume");
  config["lora"]["rank"] = 5;
  says(config, "e5", "lora.rank was 4, is 5", "-t 1 --data addsub --resume");
  const ShellResult merge = run_limpid("merge " + at("base") + " " + at("base") + " " + at("e6") + " 2>&1");
  EXPECT_EQ(merge.code, 2);
  EXPECT_NE(merge.output.find("adapter_config.json"), std::string::npos) << merge.output;
}

TEST_F(SftCommand, AStudentLearnsWhatATeacherSaysRightly) {
  json config = {{"traces",
                  {{"mix", "addsub"},
                   {"problems", 12},
                   {"samples", 2},
                   {"keep", 0},
                   {"chunk", 5},
                   {"max_tokens", 40},
                   {"correct", false},
                   {"well_formed", false},
                   {"reasoned", false},
                   {"language", 0}}},
                 {"train", settings(true)}};
  const std::string run = " --teacher " + at("base") + " --model " + at("base") + " -t 1";
  const ShellResult made = run_limpid("distill " + file("d.json", config.dump()) + run + " --out " + at("d") + " 2>&1");
  if (made.output.find("none is kept") == std::string::npos) {
    ASSERT_EQ(made.code, 0) << made.output;
    EXPECT_FALSE(bytes("d/traces.jsonl").empty());
    EXPECT_FALSE(bytes("d/adapter_model.safetensors").empty());
  }
  config["traces"]["correct"] = config["traces"]["well_formed"] = config["traces"]["reasoned"] = true;
  config["traces"]["max_tokens"] = 2;  // nothing can be right
  const ShellResult none =
      run_limpid("distill " + file("d2.json", config.dump()) + run + " --out " + at("d2") + " 2>&1");
  EXPECT_EQ(none.code, 2);
  EXPECT_NE(none.output.find("of 24 answers of the teacher none is kept"), std::string::npos) << none.output;
  config["train"]["model"] = {{"model_type", "llama"}};
  EXPECT_NE(run_limpid("distill " + file("d3.json", config.dump()) + run + " --out " + at("d3") + " 2>&1")
                .output.find("lora: unknown field"),
            std::string::npos);
  const ShellResult offline =
      run_limpid("traces --offline " + file("t.json", R"({"problems": 2})") +
                 " --teacher http://127.0.0.1:9/v1 --teacher-model m --out " + at("t.jsonl") + " 2>&1");
  EXPECT_EQ(offline.code, 2);
  EXPECT_NE(offline.output.find("--offline"), std::string::npos) << offline.output;
  // R1 distils into dense models of two architectures: a student from nothing of each.
  for (const char* kind : {"llama", "qwen2"}) {
    json student = config;
    student["traces"]["correct"] = student["traces"]["well_formed"] = student["traces"]["reasoned"] = false;
    student["traces"]["max_tokens"] = 40;
    student["train"] = {{"model",
                         {{"model_type", kind},
                          {"hidden_size", 32},
                          {"num_hidden_layers", 1},
                          {"intermediate_size", 48},
                          {"num_attention_heads", 2},
                          {"num_key_value_heads", 1},
                          {"max_position_embeddings", 256}}},
                        {"tokenizer", at("base")},
                        {"steps", 6},
                        {"batch_tokens", 128},
                        {"length", 96},
                        {"schedule", {{"learning_rate", 0.01}}}};
    const std::string out = std::string("student-") + kind;
    const ShellResult learned = run_limpid("distill " + file(out + ".json", student.dump()) + " --teacher " +
                                           at("base") + " -t 1 --out " + at(out) + " 2>&1");
    ASSERT_EQ(learned.code, 0) << learned.output;
    EXPECT_EQ(json::parse(bytes(out + "/config.json"))["model_type"], kind);
    EXPECT_FALSE(bytes(out + "/traces.jsonl").empty());
    std::istringstream metrics(bytes(out + "/metrics.jsonl"));
    std::vector<double> losses;
    for (std::string line; std::getline(metrics, line);) losses.push_back(json::parse(line)["loss"]);
    ASSERT_EQ(losses.size(), 6U);
    EXPECT_LT(losses.back(), losses.front());
    // It is asked as any model is.
    EXPECT_EQ(run_limpid("eval " + at(out) + " addsub -n 2 -k 1 --level 1 --max-tokens 8 2>&1").code, 0);
  }
  const ShellResult down = run_limpid("traces " + file("t.json", R"({"problems": 2})") +
                                      " --teacher http://127.0.0.1:9/v1 --out " + at("t.jsonl") + " 2>&1");
  EXPECT_EQ(down.code, 2);
  EXPECT_NE(down.output.find("--teacher-model"), std::string::npos) << down.output;
}

}  // namespace
