// Runs limpid as a user does: in a shell.
#pragma once

#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>

struct ShellResult {
  int code;
  std::string output;
};

// Standard output, and standard error where the command joins it.
inline ShellResult shell(const std::string& command) {
  std::FILE* pipe = popen(command.c_str(), "r");
  ShellResult result{-1, ""};
  std::array<char, 4096> buffer;
  while (const std::size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe))
    result.output.append(buffer.data(), n);
  const int status = pclose(pipe);
  result.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

inline ShellResult run_limpid(const std::string& arguments) {
  return shell(std::string(LIMPID_BINARY) + " " + arguments);
}

// SmolLM2-135M-Instruct Q4_1, which tools/get-smollm2 fetches; empty: not here, and the test is skipped.
inline std::string smollm2() {
  const char* path = std::getenv("LIMPID_SMOLLM2");
  return path == nullptr ? "" : path;
}
#define NEED_SMOLLM2()   \
  if (smollm2().empty()) \
  GTEST_SKIP() << "LIMPID_SMOLLM2 is not set: tools/test sets it to what tools/get-smollm2 prints"
