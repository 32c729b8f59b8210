// The frame of the command line, run as a user runs it: exit codes, one line of error, pipes that close.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/app/shell.h"

TEST(Command, VersionAndHelpSucceed) {
  EXPECT_EQ(run_limpid("--version").output.rfind("limpid ", 0), 0u);
  const ShellResult help = run_limpid("--help");
  EXPECT_EQ(help.code, 0);
  EXPECT_NE(help.output.find("Examples:"), std::string::npos);
  EXPECT_EQ(run_limpid("help").output, help.output);
  EXPECT_EQ(run_limpid("help run").output, run_limpid("run --help").output);
  EXPECT_EQ(run_limpid("run nothing --version").output, run_limpid("--version").output);
}

TEST(Command, OfflineStandsBeforeTheCommandToo) {
  const ShellResult result = run_limpid("--offline pull r1 2>&1");
  EXPECT_EQ(result.code, 2);
  EXPECT_NE(result.output.find("offline"), std::string::npos) << result.output;
  EXPECT_EQ(result.output, run_limpid("pull r1 --offline 2>&1").output);
}

TEST(Command, MoreThreadsThanProcessorsAreNotSilent) {
  const ShellResult result = shell("taskset -c 0 " LIMPID_BINARY " run nothing -p x -t 2 2>&1");
  EXPECT_NE(result.output.find("--threads 2: this process may use 1 processor"), std::string::npos) << result.output;
  EXPECT_EQ(shell("taskset -c 0 " LIMPID_BINARY " run nothing -p x -t 1 2>&1").output.find("--threads"),
            std::string::npos);
}

TEST(Command, NoCommandShowsHelpAndIsBadUsage) {
  const ShellResult result = run_limpid("2>&1");
  EXPECT_EQ(result.code, 2);
  EXPECT_NE(result.output.find("Usage"), std::string::npos);
  EXPECT_EQ(run_limpid("2>/dev/null").output, "");
}

TEST(Command, UnknownWordIsOneLineAndTwo) {
  const ShellResult result = run_limpid("frobnicate 2>&1 >/dev/null");
  EXPECT_EQ(result.code, 2);
  EXPECT_EQ(result.output.rfind("limpid: ", 0), 0u);
  EXPECT_EQ(std::count(result.output.begin(), result.output.end(), '\n'), 1);
  EXPECT_NE(result.output.find("frobnicate"), std::string::npos);
}

TEST(Command, WhatWasProbablyMeantIsSaid) {
  const auto said = [](const std::string& words) {
    const ShellResult result = run_limpid(words + " 2>&1 </dev/null");
    EXPECT_EQ(result.code, 2) << words;
    EXPECT_EQ(std::count(result.output.begin(), result.output.end(), '\n'), 1) << result.output;
    return result.output;
  };
  const auto expect = [&](const std::string& words, const std::string& piece) {
    const std::string text = said(words);
    EXPECT_NE(text.find(piece), std::string::npos) << words << ": " << text;
  };
  expect("runn", "unknown command 'runn'; did you mean run? (see `limpid --help`)");
  expect("xyzzy", "unknown command 'xyzzy' (see `limpid --help`)");
  expect("models ad x", "unknown command 'ad'; did you mean add? (see `limpid models --help`)");
  expect("run model 'Why is the sky blue?'", "did you mean -p 'Why is the sky blue?'? (see `limpid run --help`)");
  expect("run model --tmp 0.5", "unknown option '--tmp'; did you mean --temp? (see `limpid run --help`)");
  expect("run", "MODEL is required (see `limpid run --help`)");
  expect("inspect a b", "'b' was not expected (see `limpid inspect --help`)");
  expect("doctor --context 5", "unknown option '--context'");
  expect("synth r1 x.gguf --type Q9", "Q8_0, Q2_K");
}

TEST(Command, NumbersAreTakenWholeOrRefusedWithTheirRange) {
  const struct {
    const char *words, *piece;
  } cases[] = {
      {"--seed -1", "--seed: expected a whole number from 0 to 18446744073709551615, found '-1'"},
      {"--seed 99999999999999999999999", "found '99999999999999999999999'"},
      {"--seed 0x10", "found '0x10'"},
      {"--seed ''", "found ''"},
      {"-n 99999999999999999999999", "--tokens: expected a whole number from 1 to 2147483647"},
      {"-n 1.5", "found '1.5'"},
      {"-t 0", "--threads: expected a whole number from 1 to 1024"},
      {"-c -5", "--context: expected"},
      {"--budget 1e3", "--budget: expected"},
      {"--temp nan", "--temp: expected a number from 0 to 100, found 'nan'"},
      {"--temp inf", "found 'inf'"},
      {"--temp 0.5x", "found '0.5x'"},
      {"--temp -1", "found '-1'"},
      {"--top-p 0", "--top-p: expected a number above 0 and at most 1, found '0'"},
      {"--top-p 1.0001", "found '1.0001'"},
      {"--top-k -1", "--top-k: expected a whole number from 0"},
      {"--min-p 1.5", "--min-p: expected a number from 0 to 1, found '1.5'"},
      {"--repetition-penalty 0", "--repetition-penalty: expected a number above 0"},
      {"--stop ''", "--stop: the text is empty"},
      {"--special", "--special: only with --raw"},
      {"--raw --system you", "--system: --raw has no messages"},
      {"--cache q4", "--cache: q4 not in {f16,bf16,q8,f32}"},
  };
  for (const auto& [words, piece] : cases) {
    const ShellResult result = run_limpid("run nothing -p x " + std::string(words) + " 2>&1");
    EXPECT_EQ(result.code, 2) << words;
    EXPECT_NE(result.output.find(piece), std::string::npos) << words << ": " << result.output;
  }
  // The ends of the range are in it: what is refused then is the model.
  for (const std::string words : {"--seed 18446744073709551615", "--seed 0", "--temp 0", "--temp 100", "--top-p 1"})
    EXPECT_NE(run_limpid("run nothing -p x " + words + " 2>&1").output.find("nothing"), std::string::npos) << words;
}

TEST(Command, AnEmptyPromptIsRefused) {
  for (const std::string words : {"-p '' < /dev/null", "-p '' < /etc/passwd", "< /dev/null", "-p - < /dev/null"}) {
    const ShellResult result = run_limpid("run nothing " + words + " 2>&1");
    EXPECT_EQ(result.code, 2) << words;
    EXPECT_NE(result.output.find("the prompt is empty"), std::string::npos) << words << ": " << result.output;
  }
}

TEST(Command, ErrorsCommandNoTerminal) {
  const ShellResult result = run_limpid("inspect \"$(printf 'a\\033[31m\\302\\233b')\" 2>&1");
  EXPECT_EQ(result.code, 2);
  EXPECT_EQ(result.output.find('\x1b'), std::string::npos) << result.output;
  EXPECT_NE(result.output.find("a\\x1b[31m\\u009bb"), std::string::npos) << result.output;
}

TEST(Command, FullDiskIsAnErrorNotALostLine) {
  const ShellResult result = run_limpid("--help 2>&1 >/dev/full");
  EXPECT_EQ(result.code, 1);
  EXPECT_NE(result.output.find("standard output"), std::string::npos) << result.output;
}

TEST(Command, ClosedPipeEndsQuietly) {
  const ShellResult result =
      shell("{ (sleep 0.2; " + std::string(LIMPID_BINARY) + " --help; echo code $? >&2) | true; } 2>&1");
  EXPECT_EQ(result.output, "code 1\n");
}
