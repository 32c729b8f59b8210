// The frame of the command line: one file per command, each registering itself through `void add_<verb>(Program&)`
// (commands.h). CLI11 stays behind this header, because it costs seconds per file that includes it.
//
//   void add_tokenize(Program& program) {
//     struct Arguments { std::string model; bool special = false; };
//     auto arguments = std::make_shared<Arguments>();
//     Command command = program.add("tokenize", "Text on standard input to a JSON array of token ids");
//     command.positional("MODEL", arguments->model, "a model or a tokenizer.json");
//     command.flag("--special", arguments->special, "special tokens in the text count as such");
//     command.examples("limpid tokenize smollm2-135m < text");
//     command.run([arguments](const Context& context) { ...; return 0; });
//   }
//
// An Error that leaves the action becomes one line `limpid: ...` on standard error and the exit code of its kind
// (exit_code below).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "kernels/kernels.h"
#include "ops/cache.h"

namespace CLI {
class App;
}

namespace limpid {

enum class Think { automatic, on, off };  // automatic: as the model's template does it
enum class Compute { automatic, exact, fast };

CacheType cache_type_named(const std::string& word);  // "f32", "f16", "bf16", "q8"; throws Error(input)
const char* cache_type_name(CacheType type);

// What several commands share. An empty optional: not given, so the model's own advice or the engine's default counts.
struct Options {
  int threads = 0;                           // -t; 0: default_threads()
  std::int64_t context = 0;                  // -c, tokens; 0: what the model and memory allow
  std::optional<std::uint64_t> seed;         // --seed
  std::optional<double> temperature;         // --temp, >= 0; 0 is greedy
  std::optional<double> top_p;               // --top-p, in (0, 1]
  std::optional<int> top_k;                  // --top-k, >= 0; 0: off
  std::optional<double> min_p;               // --min-p, in [0, 1]; 0: off
  std::optional<double> repetition_penalty;  // --repetition-penalty, in (0, 100]; 1: off
  Think think = Think::automatic;            // --think
  std::optional<std::int64_t> budget;        // --budget: tokens of thinking, >= 0
  Compute compute = Compute::automatic;      // --compute
  std::optional<CacheType> cache;            // --cache
  bool offline = false;                      // --offline: nothing may use the network, whatever else the line asks for
};

struct Context {
  Options options;

  int threads() const;  // -t, or default_threads()
  const KernelTable& kernels()
      const;  // LIMPID_ISA (scalar, avx2, avx512) or the best; Error(unsupported) where the machine lacks it
};

class Command {
 public:
  Command(CLI::App& app, Options& options) : app_(&app), options_(&options) {}

  // References must outlive the parse: keep them in a shared_ptr that the action holds. Numbers are parsed strictly
  // (number.h) and refused with their range.
  Command& positional(const std::string& name, std::string& value, const std::string& help, bool required = true);
  Command& positionals(const std::string& name, std::vector<std::string>& values, const std::string& help,
                       bool required = true);
  Command& option(const std::string& names, std::string& value, const std::string& help, bool required = false);
  Command& option(const std::string& names, std::optional<std::string>& value, const std::string& help);
  Command& option(const std::string& names, std::vector<std::string>& values, const std::string& help);  // repeated
  Command& option(const std::string& names, std::int64_t& value, std::int64_t least, std::int64_t most,
                  const std::string& help);
  Command& option(const std::string& names, double& value, double least, double most, const std::string& help);
  Command& choice(const std::string& names, std::string& value, const std::vector<std::string>& allowed,
                  const std::string& help);
  Command& flag(const std::string& names, bool& value, const std::string& help);

  Command& threads();              // -t
  Command& threads_and_compute();  // -t, --compute
  Command& cache_type();           // --cache
  Command& engine_options();       // -t, -c, --compute, --cache
  Command& thinking_option();      // --think
  // --seed, --temp, --top-p, --top-k, --min-p, --repetition-penalty, --think, --budget
  Command& sampling_options();

  Command& examples(const std::string& lines);  // shown below the help, one command a line
  Command subcommand(const std::string& name, const std::string& help);
  void run(std::function<int(const Context&)> action);  // returns the exit code

 private:
  CLI::App* app_;
  Options* options_;
};

class Program {
 public:
  explicit Program(CLI::App& app) : app_(&app) {}
  Command add(const std::string& name, const std::string& help);
  Options& options() { return options_; }

 private:
  CLI::App* app_;
  Options options_;
};

// 2 for what the user can mend (input, not_found, unsupported), 1 for what failed (resources, system, cancelled).
int exit_code(ErrorKind kind);

}  // namespace limpid
