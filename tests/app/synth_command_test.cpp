// limpid synth as a user runs it; what it writes is tested in tests/convert.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "tests/app/shell.h"

namespace {

TEST(SynthCommand, BadUsageAndAFullDisk) {
  const auto folder = std::filesystem::temp_directory_path() / ("limpid-synth-command-" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  const std::string out = folder / "x.gguf";
  EXPECT_EQ(run_limpid("synth nonsense " + out + " 2>/dev/null").code, 2);
  EXPECT_EQ(run_limpid("synth r1 --type Q9_9 " + out + " 2>/dev/null").code, 2);
  EXPECT_EQ(run_limpid("synth r1 --layers -3 " + out + " 2>/dev/null").code, 2);
  EXPECT_EQ(run_limpid("synth r1 --layers 0 " + out + " 2>/dev/null").code, 2);
  EXPECT_EQ(run_limpid("synth r1 2>/dev/null").code, 2);
  const std::string run = "synth qwen2-1.5b --layers 1 --type IQ1_S ";
  const ShellResult full = run_limpid(run + "/dev/full 2>&1");
  EXPECT_EQ(full.code, 1);
  EXPECT_NE(full.output.find("/dev/full"), std::string::npos) << full.output;
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/full")) << "it was replaced by a file";
  const ShellResult limited = shell("ulimit -f 2000; " + std::string(LIMPID_BINARY) + " " + run + out + " 2>&1");
  EXPECT_EQ(limited.code, 1);
  EXPECT_NE(limited.output.find(out), std::string::npos) << limited.output;
  EXPECT_TRUE(std::filesystem::is_empty(folder)) << "something was left behind";
  std::filesystem::remove_all(folder);
}

TEST(SynthCommand, SaysTheSizeAndLeavesNothingWhenItIsStopped) {
  const auto folder = std::filesystem::temp_directory_path() / ("limpid-synth-stop-" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  const std::string out = folder / "x.gguf", limpid_binary = LIMPID_BINARY;
  // 45 TB: no disk of ours has them.
  const ShellResult large = run_limpid("synth r1 --layers 1000 --type F32 " + out + " 2>&1");
  EXPECT_EQ(large.code, 1);
  EXPECT_NE(large.output.find(" TB would be written, "), std::string::npos) << large.output;
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  for (const std::string signal : {"TERM", "HUP"}) {
    const ShellResult stopped =
        shell("cd " + folder.string() + "; " + limpid_binary + " synth llama-8b --layers 4 --type BF16 x.gguf 2>&1 & " +
              "for i in $(seq 600); do [ -n \"$(find " + folder.string() +
              " -size +1M)\" ] && break; sleep 0.05; done; " + "kill -" + signal + " $!; wait $!; echo code $?");
    EXPECT_NE(stopped.output.find(" to write, "), std::string::npos) << stopped.output;
    EXPECT_NE(stopped.output.find("stopped after"), std::string::npos) << stopped.output;
    EXPECT_NE(stopped.output.find("code 1\n"), std::string::npos) << stopped.output;
    EXPECT_TRUE(std::filesystem::is_empty(folder)) << "something was left behind";
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
