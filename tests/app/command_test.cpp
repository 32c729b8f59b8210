// The frame of the command line, run as a user runs it: exit codes, one line of error, pipes that close.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <string>

namespace {

struct Result {
  int code;
  std::string output;
};

// Runs `limpid ARGUMENTS` in a shell with both streams joined, unless the arguments redirect them.
Result shell(const std::string& command) {
  std::FILE* pipe = popen(command.c_str(), "r");
  Result result{-1, ""};
  std::array<char, 4096> buffer;
  while (const std::size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe))
    result.output.append(buffer.data(), n);
  const int status = pclose(pipe);
  result.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

Result limpid(const std::string& arguments) { return shell(std::string(LIMPID_BINARY) + " " + arguments); }

}  // namespace

TEST(Command, VersionAndHelpSucceed) {
  EXPECT_EQ(limpid("--version").output.rfind("limpid ", 0), 0u);
  const Result help = limpid("--help");
  EXPECT_EQ(help.code, 0);
  EXPECT_NE(help.output.find("Examples:"), std::string::npos);
}

TEST(Command, NoCommandShowsHelpAndIsBadUsage) {
  const Result result = limpid("2>&1");
  EXPECT_EQ(result.code, 2);
  EXPECT_NE(result.output.find("Usage"), std::string::npos);
  EXPECT_EQ(limpid("2>/dev/null").output, "");
}

TEST(Command, UnknownWordIsOneLineAndTwo) {
  const Result result = limpid("frobnicate 2>&1 >/dev/null");
  EXPECT_EQ(result.code, 2);
  EXPECT_EQ(result.output.rfind("limpid: ", 0), 0u);
  EXPECT_EQ(std::count(result.output.begin(), result.output.end(), '\n'), 1);
  EXPECT_NE(result.output.find("frobnicate"), std::string::npos);
}

TEST(Command, FullDiskIsAnErrorNotALostLine) {
  const Result result = limpid("--help 2>&1 >/dev/full");
  EXPECT_EQ(result.code, 1);
  EXPECT_NE(result.output.find("standard output"), std::string::npos) << result.output;
}

TEST(Command, ClosedPipeEndsQuietly) {
  const Result result =
      shell("{ (sleep 0.2; " + std::string(LIMPID_BINARY) + " --help; echo code $? >&2) | true; } 2>&1");
  EXPECT_EQ(result.output, "code 1\n");
}
