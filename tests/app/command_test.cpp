// The frame of the command line, run as a user runs it: exit codes, one line of error, pipes that close.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/app/shell.h"

TEST(Command, VersionAndHelpSucceed) {
  EXPECT_EQ(limpid("--version").output.rfind("limpid ", 0), 0u);
  const ShellResult help = limpid("--help");
  EXPECT_EQ(help.code, 0);
  EXPECT_NE(help.output.find("Examples:"), std::string::npos);
}

TEST(Command, NoCommandShowsHelpAndIsBadUsage) {
  const ShellResult result = limpid("2>&1");
  EXPECT_EQ(result.code, 2);
  EXPECT_NE(result.output.find("Usage"), std::string::npos);
  EXPECT_EQ(limpid("2>/dev/null").output, "");
}

TEST(Command, UnknownWordIsOneLineAndTwo) {
  const ShellResult result = limpid("frobnicate 2>&1 >/dev/null");
  EXPECT_EQ(result.code, 2);
  EXPECT_EQ(result.output.rfind("limpid: ", 0), 0u);
  EXPECT_EQ(std::count(result.output.begin(), result.output.end(), '\n'), 1);
  EXPECT_NE(result.output.find("frobnicate"), std::string::npos);
}

TEST(Command, FullDiskIsAnErrorNotALostLine) {
  const ShellResult result = limpid("--help 2>&1 >/dev/full");
  EXPECT_EQ(result.code, 1);
  EXPECT_NE(result.output.find("standard output"), std::string::npos) << result.output;
}

TEST(Command, ClosedPipeEndsQuietly) {
  const ShellResult result =
      shell("{ (sleep 0.2; " + std::string(LIMPID_BINARY) + " --help; echo code $? >&2) | true; } 2>&1");
  EXPECT_EQ(result.output, "code 1\n");
}
