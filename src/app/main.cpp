// limpid: parses the line, runs one command, turns what was thrown into one line on standard error and an exit code:
// 0 done, 1 failed, 2 bad usage or input.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <new>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "app/commands.h"
#include "app/output.h"
#include "app/printable.h"
#include "app/usage.h"

namespace limpid {

namespace {

constexpr const char* kExamples =
    R"(MODEL is a .gguf file (or the first part of a split one), a directory of safetensors, or a name in the store.
Nothing leaves this machine, and the network is used only for what asks for it by name: `pull`; a model "to fetch" that
is chosen in the menu of `chat`, or fetched in the app of `serve`; a teacher's URL given to `traces` or `distill`.
--offline forbids it altogether.
Exit codes: 0 done, 1 failed, 2 bad usage or input.

Examples:
  limpid doctor                                what this machine has and which models fit
  limpid pull r1-distill-qwen-1.5b:Q4_K_M      fetch a model into the store
  limpid models                                what is in the store
  limpid COMMAND --help                        the options of a command, with examples
)";

int complain(const char* message, int code) {
  std::fprintf(stderr, "limpid: %s\n", visible(message).c_str());
  return code;
}

// A path that is not there or not ours to read is input; what else a file system may say is its failure.
int exit_code_of(const std::filesystem::filesystem_error& error) {
  for (const std::errc bad :
       {std::errc::permission_denied, std::errc::no_such_file_or_directory, std::errc::not_a_directory,
        std::errc::filename_too_long, std::errc::too_many_symbolic_link_levels})
    if (error.code() == bad) return 2;
  return 1;
}

int parse_and_run(int argc, char** argv) {
  CLI::App app("DeepSeek-class models on your own machine");
  app.name("limpid");
  app.set_version_flag("--version", "limpid " LIMPID_VERSION);
  app.require_subcommand(0, 1);
  app.footer(kExamples);
  Program program(app);
  app.add_flag("--offline", program.options().offline, "never use the network");  // before the command, or behind it
  add_commands(program);
  std::vector<std::string> words(argv + 1, argv + argc);
  if (!words.empty() && words.front() == "help") {  // `limpid help run`
    words.erase(words.begin());
    words.emplace_back("--help");
  }
  std::ranges::reverse(words);  // as CLI11 takes them
  try {
    app.parse(std::move(words));
  } catch (const CLI::RuntimeError& result) {  // a command's own exit code
    return result.get_exit_code();
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    return complain(usage_error(app, error).c_str(), 2);
  }
  if (app.get_subcommands().empty()) {
    std::fputs(app.help().c_str(), stderr);
    return 2;
  }
  return 0;
}

int run_program(int argc, char** argv) {
  try {
    const int code = parse_and_run(argc, argv);
    flush_out();
    return code;
  } catch (const BrokenPipe&) {
    return 1;
  } catch (const Error& error) {
    std::fflush(stdout);
    return complain(error.what(), exit_code(error.kind()));
  } catch (const std::filesystem::filesystem_error& error) {  // its text names the path
    std::fflush(stdout);
    return complain(error.what(), exit_code_of(error));
  } catch (const std::bad_alloc&) {
    return complain("out of memory", 1);
  } catch (const std::exception& error) {
    return complain(error.what(), 1);
  }
}

}  // namespace

}  // namespace limpid

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error of write(), which says so where it happens
  std::signal(SIGXFSZ, SIG_IGN);  // likewise a file that grows past its limit
  return limpid::run_program(argc, argv);
}
