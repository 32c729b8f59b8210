// limpid train, as a user runs it: the same bytes for a seed, whatever the threads and however often it was killed;
// what is wrong is named and the last checkpoint stays.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "tests/app/shell.h"

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

json nano() {
  return json::parse(R"({
    "model": {"model_type": "deepseek_v3", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48,
              "q_lora_rank": 16, "kv_lora_rank": 32, "qk_nope_head_dim": 8, "qk_rope_head_dim": 8, "v_head_dim": 8, "first_k_dense_replace": 1,
              "n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16, "n_shared_experts": 1, "num_nextn_predict_layers": 1,
              "max_position_embeddings": 256, "rope_theta": 300},
    "tokenizer": {"vocabulary": 400, "samples": 600},
    "steps": 24, "batch_tokens": 192, "forward_tokens": 128, "length": 64, "fim": 0.1, "balance_loss": 1e-4, "checkpoint_steps": 2,
    "schedule": {"learning_rate": 0.01, "warmup_steps": 4, "mtp_weight": 0.3,
                 "rate": {"pieces": [{"until": 0.5, "to": 1}, {"until": 1, "to": 0.1, "shape": "cosine"}]},
                 "batch": {"from": 0.5, "pieces": [{"until": 0.3, "to": 1, "shape": "linear"}]}},
    "optimiser": {"kind": "muon"}})");
}

class TrainCommand : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / ("train_" + std::to_string(::getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string file(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name) << text;
    return (folder_ / name).string();
  }
  std::string at(const std::string& name) const { return (folder_ / name).string(); }
  ShellResult train(const json& config, const std::string& out, const std::string& more = "-t 1") const {
    const std::string path = file(out + ".json", config.dump());
    return run_limpid("train " + path + " --data addsub --out " + at(out) + " " + more + " 2>&1");
  }
  static std::string bytes(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  // What two runs must have alike: the model, the checkpoint, the metrics but for the time.
  std::string result(const std::string& out) const {
    std::string all = bytes(folder_ / out / "model.safetensors") + bytes(folder_ / out / "checkpoint.limpid") +
                      bytes(folder_ / out / "config.json");
    std::ifstream metrics(folder_ / out / "metrics.jsonl");
    for (std::string line; std::getline(metrics, line);) {
      json one = json::parse(line);
      one.erase("seconds");
      all += one.dump() + "\n";
    }
    return all;
  }
  fs::path folder_;
};

TEST_F(TrainCommand, ASeedGivesTheSameBytesOnAnyThreadsAndAnotherOthers) {
  const ShellResult one = train(nano(), "one", "-t 1");
  ASSERT_EQ(one.code, 0) << one.output;
  EXPECT_NE(one.output.find("24 steps"), std::string::npos) << one.output;
  ASSERT_EQ(train(nano(), "two", "-t 2").code, 0);
  EXPECT_EQ(result("one"), result("two"));
  json other = nano();
  other["seed"] = 2;
  ASSERT_EQ(train(other, "other", "-t 2").code, 0);
  EXPECT_NE(bytes(folder_ / "one/model.safetensors"), bytes(folder_ / "other/model.safetensors"));
  // The metrics show learning, and other commands take the model.
  std::vector<double> losses;
  std::ifstream metrics(folder_ / "one/metrics.jsonl");
  for (std::string line; std::getline(metrics, line);) losses.push_back(json::parse(line)["loss"]);
  ASSERT_EQ(losses.size(), 24U);
  EXPECT_NEAR(losses.front(), std::log(400.0), 1);
  EXPECT_LT(losses.back(), 0.8 * losses.front());
  EXPECT_EQ(run_limpid("logits " + at("one") + " --ids 0,5,6 --check >/dev/null 2>&1").code, 0);
}

// A child that trains, killed without warning after `milliseconds`. Its exit code; -1: it was killed.
int train_and_kill(const std::vector<std::string>& arguments, int milliseconds) {
  std::vector<char*> argv;
  for (const std::string& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    const int nowhere = ::open("/dev/null", O_WRONLY);
    ::dup2(nowhere, 1), ::dup2(nowhere, 2);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
  ::kill(child, SIGKILL);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(TrainCommand, KilledFiftyTimesItEndsWithTheSameBytes) {
  const auto start = std::chrono::steady_clock::now();
  ASSERT_EQ(train(nano(), "whole").code, 0);
  const double all = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  const std::string expected = result("whole");
  const std::vector<std::string> arguments = {LIMPID_BINARY, "train",      at("whole.json"), "--data", "addsub",
                                              "--out",       at("killed"), "--resume",       "-t",     "1"};
  std::mt19937 random(20261122);
  for (int kills = 0; kills < 50;) {
    // Within the time that a run takes; on a busy machine within less, so that the test ends.
    const int code = train_and_kill(
        arguments, static_cast<int>(std::uniform_real_distribution<double>(0, std::min(all, 500.0))(random)));
    if (code == -1) {
      ++kills;
      continue;
    }
    ASSERT_EQ(code, 0);  // it was faster
    ASSERT_EQ(result("killed"), expected) << "after " << kills << " kills";
    fs::remove_all(folder_ / "killed");
  }
  ASSERT_EQ(train(nano(), "killed", "--resume -t 1").code, 0);
  EXPECT_EQ(result("killed"), expected);
}

TEST_F(TrainCommand, AnInterruptMakesACheckpointAndResumeGoesOn) {
  json config = nano();
  config["checkpoint_steps"] = 1000;
  ASSERT_EQ(train(config, "whole").code, 0);
  config["steps"] = 24;
  const std::string path = file("i.json", config.dump());
  const std::string run = "train " + path + " -t 1 --data addsub --out " + at("i");
  // Interrupted after its first line of metrics.
  const ShellResult stopped =
      shell("(" + std::string(LIMPID_BINARY) + " " + run + " 2>&1 & pid=$!; while [ ! -s " + at("i/metrics.jsonl") +
            " ]; do sleep 0.01; done; kill -TERM $pid; wait $pid; echo code $?)");
  const bool early = stopped.output.find("--resume goes on") != std::string::npos;
  if (early) {
    EXPECT_NE(stopped.output.find("code 1"), std::string::npos) << stopped.output;
  }
  const ShellResult again = run_limpid(run + " 2>&1");
  EXPECT_EQ(again.code, 2);
  EXPECT_NE(again.output.find("--resume"), std::string::npos) << again.output;
  EXPECT_EQ(run_limpid(run + " --resume >/dev/null 2>&1").code, 0);
  EXPECT_EQ(result("i"), result("whole"));
}

TEST_F(TrainCommand, ACheckpointOfAnotherConfigurationIsRefused) {
  ASSERT_EQ(train(nano(), "run").code, 0);
  json other = nano();
  other["schedule"]["learning_rate"] = 0.02;
  ShellResult refused = train(other, "run", "--resume -t 1");
  EXPECT_EQ(refused.code, 2);
  for (const char* named : {"another configuration", "config.schedule.learning_rate", "0.01", "0.02"})
    EXPECT_NE(refused.output.find(named), std::string::npos) << refused.output;
  other = nano();
  other["checkpoint_steps"] = 7;  // may change
  EXPECT_EQ(train(other, "run", "--resume -t 1").code, 0);
  // One bit, and a cut.
  const std::string whole = bytes(folder_ / "run/checkpoint.limpid");
  std::string bad = whole;
  bad[bad.size() / 2] ^= 4;
  std::ofstream(folder_ / "run/checkpoint.limpid", std::ios::binary) << bad;
  refused = train(nano(), "run", "--resume -t 1");
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.output.find("checksum"), std::string::npos) << refused.output;
  for (const std::size_t size : {std::size_t{0}, std::size_t{10}, std::size_t{100}, whole.size() - 1}) {
    std::ofstream(folder_ / "run/checkpoint.limpid", std::ios::binary) << whole.substr(0, size);
    refused = train(nano(), "run", "--resume -t 1");
    EXPECT_EQ(refused.code, 2);
    EXPECT_NE(refused.output.find("checkpoint.limpid"), std::string::npos) << refused.output;
  }
}

TEST_F(TrainCommand, BadConfigurationsAreNamed) {
  const auto refused = [&](const std::function<void(json&)>& change, const std::vector<std::string>& named) {
    json config = nano();
    change(config);
    const ShellResult r = train(config, "bad");
    EXPECT_EQ(r.code, 2) << r.output;
    for (const std::string& name : named) EXPECT_NE(r.output.find(name), std::string::npos) << r.output;
    EXPECT_LT(std::count(r.output.begin(), r.output.end(), '\n'), 4) << r.output;
    fs::remove_all(folder_ / "bad");
  };
  refused([](json& c) { c["learning_rate"] = 1; }, {"learning_rate", "unknown"});
  refused([](json& c) { c["model"]["hidden_sise"] = 32; }, {"model.hidden_sise", "unknown"});
  refused([](json& c) { c["schedule"]["warm_up"] = 3; }, {"schedule.warm_up", "unknown"});
  refused([](json& c) { c.erase("model"); }, {"model"});
  refused([](json& c) { c["model"].erase("hidden_size"); }, {"hidden_size"});
  refused([](json& c) { c["tokens"] = 100; }, {"steps", "tokens", "both"});
  refused([](json& c) { c["model"]["vocab_size"] = 100; }, {"vocab_size", "100", "400"});
  refused([](json& c) { c["forward_tokens"] = 32; }, {"forward_tokens", "32", "64"});
  refused([](json& c) { c["model"]["num_nextn_predict_layers"] = 3; }, {"multi-token prediction", "3"});
  const std::string path = file("good.json", nano().dump());
  EXPECT_EQ(run_limpid("train " + path + " --data nothing --out " + at("x") + " >/dev/null 2>&1").code, 2);
  EXPECT_EQ(run_limpid("train " + at("no.json") + " --data mix --out " + at("x") + " >/dev/null 2>&1").code, 2);
}

TEST_F(TrainCommand, DivergenceStopsWithAdviceAndKeepsTheCheckpoint) {
  json config = nano();
  config["steps"] = 400;
  config["optimiser"] = {{"kind", "adamw"}, {"clip", 0}};
  config["schedule"] = {{"learning_rate", 10}};
  config["divergence"] = 0.5;
  const ShellResult r = train(config, "wild");
  EXPECT_EQ(r.code, 2);
  for (const char* named : {"step", "learning_rate", "checkpoint"})
    EXPECT_NE(r.output.find(named), std::string::npos) << r.output;
  EXPECT_FALSE(fs::exists(folder_ / "wild/model.safetensors"));
}

// The advice of a run that diverged can be followed: with the field named, the run goes on from its checkpoint.
TEST_F(TrainCommand, ADivergedRunGoesOnWithAnotherSchedule) {
  json config = nano();
  config["steps"] = 120;
  config["optimiser"] = {{"kind", "adamw"}, {"clip", 0}};
  config["schedule"] = {{"learning_rate", 10}, {"warmup_steps", 400}};  // it climbs past what the model bears
  config["divergence"] = 0.1;
  const ShellResult r = train(config, "wild");
  ASSERT_EQ(r.code, 2) << r.output;
  for (const char* named : {"diverges", "is intact", "--resume --change"})
    EXPECT_NE(r.output.find(named), std::string::npos) << r.output;
  config["schedule"] = {{"learning_rate", 0.001}};
  config["divergence"] = 20;
  ShellResult refused = train(config, "wild", "-t 1 --resume");
  EXPECT_EQ(refused.code, 2);
  refused = train(config, "wild", "-t 1 --resume --change seed");
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.output.find("--change seed: a run that goes on may change schedule, optimiser.clip, divergence"),
            std::string::npos)
      << refused.output;
  const ShellResult followed = train(config, "wild", "-t 1 --resume --change schedule,divergence");
  EXPECT_EQ(followed.code, 0) << followed.output;
  EXPECT_TRUE(fs::exists(folder_ / "wild/model.safetensors"));
  const std::string changes = bytes(folder_ / "wild/changes.jsonl");
  EXPECT_NE(changes.find(R"("field":"schedule.learning_rate","from":10,"to":0.001)"), std::string::npos) << changes;
  EXPECT_NE(changes.find(R"("field":"schedule.warmup_steps","from":400,"to":null)"), std::string::npos) << changes;
}

// The size of files is limited below what a checkpoint takes: as on a full disk, writing fails in the middle.
TEST_F(TrainCommand, AFullDiskLeavesTheLastCheckpoint) {
  json config = nano();
  config["steps"] = 400;
  config["checkpoint_steps"] = 1000;
  const std::string run = std::string(LIMPID_BINARY) + " train " + file("run.json", config.dump()) +
                          " -t 1 --data addsub --out " + at("run");
  shell("(" + run + " 2>&1 & pid=$!; while [ ! -s " + at("run/metrics.jsonl") +
        " ]; do sleep 0.01; done; kill -TERM $pid; wait $pid)");
  const std::string good = bytes(folder_ / "run/checkpoint.limpid");
  ASSERT_GT(good.size(), 450U << 10);
  config["checkpoint_steps"] = 1;
  file("run.json", config.dump());
  const ShellResult r = shell("(trap '' XFSZ; ulimit -f 400; " + run + " --resume 2>&1)");
  EXPECT_EQ(r.code, 1) << r.output;
  EXPECT_NE(r.output.find("checkpoint.limpid"), std::string::npos) << r.output;
  EXPECT_NE(r.output.find("File too large"), std::string::npos) << r.output;
  EXPECT_EQ(bytes(folder_ / "run/checkpoint.limpid"), good);
  std::size_t files = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator(folder_ / "run")) ++files;
  EXPECT_EQ(files, 5U) << "config.json, two of the tokenizer, metrics, checkpoint: nothing half written";
}

TEST_F(TrainCommand, TrainsOnFilesAndNamesABrokenLine) {
  ASSERT_EQ(train(nano(), "base").code, 0);  // for its tokenizer
  std::string lines;
  for (int i = 0; i < 200; ++i)
    lines +=
        json({{"prompt", "What is " + std::to_string(i) + " + 1?"}, {"completion", std::to_string(i + 1)}}).dump() +
        "\n";
  const std::string data = file("data.jsonl", lines),
                    text = file("notes.txt", "One and two are three.\n\nTwo and two are four.\n");
  json config = nano();
  config["tokenizer"] = "base";  // beside the configuration
  config["mask_documents"] = false;
  const std::string path = file("files.json", config.dump());
  const std::string run = "train " + path + " --data " + data + "," + text + " --out ";
  ShellResult r = run_limpid(run + at("files") + " 2>&1");
  EXPECT_EQ(r.code, 0) << r.output;
  ASSERT_EQ(run_limpid(run + at("files_again") + " -t 1 >/dev/null 2>&1").code, 0);
  EXPECT_EQ(result("files"), result("files_again"));
  file("data.jsonl", lines + "{\"prompt\": \n");
  r = run_limpid(run + at("broken") + " 2>&1");
  EXPECT_EQ(r.code, 2);
  EXPECT_NE(r.output.find("data.jsonl:201"), std::string::npos) << r.output;
}

}  // namespace
