// limpid recipe and limpid report as a user runs them: killed without warning at any moment and taken up again, the
// same bytes; what is wrong is named.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <thread>

#include "tests/app/shell.h"

namespace {

namespace fs = std::filesystem;

class RecipeCommand : public testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }
  std::string at(const std::string& name) const { return (folder_ / name).string(); }
  static std::string bytes(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  // Models, data, tokenizers and evaluations.
  std::map<std::string, std::string> results(const std::string& out) const {
    std::map<std::string, std::string> files;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder_ / out)) {
      const std::string name = entry.path().filename().string();
      if (name == "model.safetensors" || name == "traces.jsonl" || name == "samples.jsonl" ||
          name == "tokenizer.json" || name.ends_with("-free.json"))
        files[fs::relative(entry.path(), folder_ / out).string()] = bytes(entry.path());
    }
    return files;
  }
  const fs::path folder_ = fs::path(testing::TempDir()) / ("recipe_" + std::to_string(::getpid()));
};

// A child that is killed without warning after `milliseconds`. Its exit code; -1: it was killed.
int run_and_kill(const std::vector<std::string>& arguments, int milliseconds) {
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

TEST_F(RecipeCommand, KilledAgainAndAgainItEndsWithTheSameBytes) {
  const auto start = std::chrono::steady_clock::now();
  const ShellResult whole = run_limpid("recipe smoke --out " + at("whole") + " -t 1 2>&1");
  ASSERT_EQ(whole.code, 0) << whole.output;
  EXPECT_NE(whole.output.find("every stage is done"), std::string::npos) << whole.output;
  EXPECT_NE(whole.output.find("pass@1"), std::string::npos) << whole.output;
  EXPECT_NE(whole.output.find("zero, reasoning none  12 of 12 answers  100%"), std::string::npos) << whole.output;
  const double all = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  const std::vector<std::string> arguments = {LIMPID_BINARY, "recipe",   "smoke", "--out",
                                              at("killed"),  "--resume", "-t",    "1"};
  std::mt19937 random(20261122);
  int code = -1;
  for (int kills = 0; kills < 12 && code == -1; ++kills)
    code = run_and_kill(arguments, static_cast<int>(std::uniform_real_distribution<double>(0, all / 3)(random)));
  const ShellResult last = run_limpid("recipe smoke --out " + at("killed") + " --resume -t 1 2>&1");
  ASSERT_EQ(last.code, 0) << last.output;
  const auto expected = results("whole"), found = results("killed");
  EXPECT_GT(expected.size(), 15U);
  ASSERT_EQ(expected.size(), found.size());
  for (const auto& [name, content] : expected) EXPECT_TRUE(found.contains(name) && found.at(name) == content) << name;

  // The page of a finished run, and what --watch does with one: it ends.
  EXPECT_EQ(run_limpid("report " + at("whole") + " --watch --out " + at("page.html")).output, at("page.html") + "\n");
  EXPECT_EQ(bytes(at("page.html")).find("http-equiv=\"refresh\""), std::string::npos);
  EXPECT_NE(bytes(at("page.html")).find("<h1>smoke</h1>"), std::string::npos);
}

TEST_F(RecipeCommand, MistakesAreNamed) {
  ShellResult r = run_limpid("recipe r3 --out " + at("x") + " 2>&1");
  EXPECT_EQ(r.code, 2);
  EXPECT_NE(r.output.find("r1-nano"), std::string::npos) << r.output;
  r = run_limpid("recipe smoke --stage nothing --out " + at("x") + " 2>&1");
  EXPECT_EQ(r.code, 2);
  EXPECT_NE(r.output.find("no stage \"nothing\""), std::string::npos) << r.output;
  std::ofstream(at("bad.json"))
      << R"({"stages": [{"stage": "a", "kind": "train", "config": {"model": {"model_type": "llama"}, "steps": 3, "lerning": 1}}]})";
  r = run_limpid("recipe " + at("bad.json") + " --out " + at("x") + " 2>&1");
  EXPECT_EQ(r.code, 2);
  EXPECT_NE(r.output.find("lerning"), std::string::npos) << r.output;
  r = run_limpid("report " + at("nowhere") + " 2>&1");
  EXPECT_EQ(r.code, 2);
  EXPECT_NE(r.output.find("nowhere"), std::string::npos) << r.output;
}

}  // namespace
