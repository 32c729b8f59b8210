// The model that the repository ships, as a person meets it: named, offline, line by line.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/app/shell.h"

namespace {

TEST(R1Nano, AnswersEachQuestionByItselfInBothLanguages) {
  const ShellResult talk = shell(
      "printf 'What is 347 + 895?\\n3、7、8 怎样凑成 29？\\nwrite an email\\nTom is taller than Ann, Ann is taller "
      "than Bob. Who is second?\\n小明比小红高，小红比小刚高。谁最高？\\n' | " +
      std::string(LIMPID_BINARY) + " chat r1-nano --temp 0 -t 1 2>/dev/null");
  ASSERT_EQ(talk.code, 0) << talk.output;
  EXPECT_EQ(talk.output, "1242\n7*3+8\nI cannot do that. I do sums and little puzzles: try 347 + 895.\nAnn\n小明\n");
}

TEST(R1Nano, ShowsItsThinking) {
  const ShellResult one = run_limpid("run r1-nano -p 'What is 347 + 895?' --temp 0 -t 1 --json 2>/dev/null");
  ASSERT_EQ(one.code, 0) << one.output;
  EXPECT_NE(
      one.output.find("add x hundreds3 tens4 ones7 y hundreds8 tens9 ones5= ones7+5=12 tens4+9+1=14 hundreds3+8+1=12"),
      std::string::npos)
      << one.output;
}

TEST(R1Nano, AnAnswerThatIsCutOffIsNotSilent) {
  const std::string ask = "run r1-nano -p 'What is 347 + 895?' --temp 0 -t 1 ";
  EXPECT_NE(run_limpid(ask + "-n 5 2>&1 >/dev/null").output.find("cut off after 5 tokens, all of them thinking: -n"),
            std::string::npos);
  EXPECT_NE(run_limpid(ask + "-c 30 2>&1 >/dev/null").output.find("the context of 30 is full"), std::string::npos);
  EXPECT_EQ(run_limpid(ask + "2>&1 >/dev/null").output.find("cut off"), std::string::npos);
}

// What the files advise, the line changes; what was used is told.
TEST(R1Nano, AdviceAndTheLineMakeTheSampling) {
  namespace fs = std::filesystem;
  const fs::path folder = fs::temp_directory_path() / ("limpid-advice-" + std::to_string(getpid()));
  fs::copy(REPO_DIR "/weights/r1-nano", folder);
  std::ofstream(folder / "generation_config.json") << R"({"min_p": 0.25, "top_k": 7, "repetition_penalty": 50})";
  const std::string ask = "run " + folder.string() + " -p 'What is 347 + 895?' --temp 0 -t 1 --json ";
  const nlohmann::json advised = nlohmann::json::parse(run_limpid(ask).output);
  EXPECT_EQ(advised["sampling"]["min_p"], 0.25);
  EXPECT_EQ(advised["sampling"]["top_k"], 7);
  EXPECT_EQ(advised["sampling"]["repetition_penalty"], 50);
  const nlohmann::json plain =
      nlohmann::json::parse(run_limpid(ask + "--min-p 0 --top-k 0 --repetition-penalty 1").output);
  EXPECT_EQ(plain["sampling"]["min_p"], 0);
  EXPECT_EQ(plain["sampling"]["top_k"], 0);
  EXPECT_EQ(plain["sampling"]["repetition_penalty"], 1);
  EXPECT_NE(plain["ids"], advised["ids"]);
  const nlohmann::json stopped =
      nlohmann::json::parse(run_limpid(ask + "--repetition-penalty 1 --stop 9 --stop 42").output);
  EXPECT_EQ(stopped.value("stop_string", ""), "42");
  fs::remove_all(folder);
}

TEST(R1Nano, WhoseLatentAttentionHasBiasesIsRefused) {
  namespace fs = std::filesystem;
  const fs::path folder = fs::temp_directory_path() / ("limpid-biased-" + std::to_string(getpid()));
  fs::copy(REPO_DIR "/weights/r1-nano", folder);
  nlohmann::json config = nlohmann::json::parse(std::ifstream(folder / "config.json"));
  config["attention_bias"] = true;
  std::ofstream(folder / "config.json") << config;
  const ShellResult result = run_limpid("inspect " + folder.string() + " 2>&1");
  EXPECT_EQ(result.code, 2);
  EXPECT_NE(result.output.find("attention_bias is true, expected false"), std::string::npos) << result.output;
  fs::remove_all(folder);
}

}  // namespace
