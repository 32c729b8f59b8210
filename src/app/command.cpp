#include "app/command.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <utility>

#include "app/number.h"
#include "base/thread_team.h"

namespace limpid {

namespace {

constexpr std::int64_t kTokenLimit = std::int64_t{1} << 32;
constexpr const char* kCacheNames[] = {"f32", "f16", "bf16", "q8"};  // by CacheType

// An option whose text `take` parses; what it refuses becomes bad usage that names the option.
void add_number(CLI::App& app, const std::string& names, const std::string& type, const std::string& help,
                std::function<void(const std::string&)> take) {
  const std::string name = names.substr(names.rfind(',') + 1);
  app.add_option_function<std::string>(
         names,
         [name, take = std::move(take)](const std::string& text) {
           try {
             take(text);
           } catch (const Error& error) {
             throw CLI::ValidationError(name, error.what());
           }
         },
         help)
      ->type_name(type);
}

CLI::App* add_subcommand(CLI::App& app, Options& options, const std::string& name, const std::string& help) {
  CLI::App* added = app.add_subcommand(name, help);
  added->add_flag("--offline", options.offline, "never use the network");
  added->set_version_flag("--version", "limpid " LIMPID_VERSION);
  return added;
}

}  // namespace

CacheType cache_type_named(const std::string& word) {
  for (std::size_t i = 0; i < std::size(kCacheNames); ++i)
    if (word == kCacheNames[i]) return static_cast<CacheType>(i);
  fail(ErrorKind::input, "expected f16, bf16, q8 or f32, found '{}'", word);
}

const char* cache_type_name(CacheType type) { return kCacheNames[static_cast<std::size_t>(type)]; }

int exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::input:
    case ErrorKind::not_found:
    case ErrorKind::unsupported:
      return 2;
    case ErrorKind::resources:
    case ErrorKind::system:
    case ErrorKind::cancelled:
      return 1;
  }
  return 1;
}

int Context::threads() const { return options.threads > 0 ? options.threads : default_threads(); }

Command& Command::positional(const std::string& name, std::string& value, const std::string& help, bool required) {
  app_->add_option(name, value, help)->required(required)->type_name("");
  return *this;
}

Command& Command::positionals(const std::string& name, std::vector<std::string>& values, const std::string& help,
                              bool required) {
  app_->add_option(name, values, help)->required(required)->type_name("");
  return *this;
}

Command& Command::option(const std::string& names, std::string& value, const std::string& help, bool required) {
  app_->add_option(names, value, help)->required(required)->type_name("TEXT");
  return *this;
}

Command& Command::option(const std::string& names, std::optional<std::string>& value, const std::string& help) {
  app_->add_option_function<std::string>(
          names, [&value](const std::string& text) { value = text; }, help)
      ->type_name("TEXT");
  return *this;
}

Command& Command::option(const std::string& names, std::vector<std::string>& values, const std::string& help) {
  app_->add_option(names, values, help)->allow_extra_args(false)->type_name("TEXT");
  return *this;
}

Command& Command::option(const std::string& names, std::int64_t& value, std::int64_t least, std::int64_t most,
                         const std::string& help) {
  add_number(*app_, names, "N", help,
             [=, &value](const std::string& text) { value = parse_integer(text, least, most); });
  return *this;
}

Command& Command::option(const std::string& names, double& value, double least, double most, const std::string& help) {
  add_number(*app_, names, "X", help, [=, &value](const std::string& text) { value = parse_real(text, least, most); });
  return *this;
}

Command& Command::choice(const std::string& names, std::string& value, const std::vector<std::string>& allowed,
                         const std::string& help) {
  std::string type;
  for (const std::string& word : allowed) type += (type.empty() ? "" : "|") + word;
  app_->add_option(names, value, help)->check(CLI::IsMember(allowed))->type_name(type);
  return *this;
}

Command& Command::flag(const std::string& names, bool& value, const std::string& help) {
  app_->add_flag(names, value, help);
  return *this;
}

Command& Command::engine_options() {
  Options& o = *options_;
  add_number(*app_, "-c,--context", "N", "context in tokens (default: what the model and memory allow)",
             [&o](const std::string& text) { o.context = parse_integer(text, 1, kTokenLimit); });
  cache_type();
  return threads_and_compute();
}

Command& Command::cache_type() {
  Options& o = *options_;
  app_->add_option_function<std::string>(
          "--cache", [&o](const std::string& word) { o.cache = cache_type_named(word); },
          "how keys and values are kept: q8 takes half of f16's memory (default: f16)")
      ->check(CLI::IsMember({"f16", "bf16", "q8", "f32"}))
      ->type_name("f16|bf16|q8|f32");
  return *this;
}

Command& Command::threads() {
  Options& o = *options_;
  add_number(*app_, "-t,--threads", "N", "threads (default: the physical cores that this process may use)",
             [&o](const std::string& text) {
               o.threads = static_cast<int>(parse_integer(text, 1, 1024));
               if (const int usable = usable_processors(); o.threads > usable)
                 std::fprintf(stderr,
                              "limpid: --threads %d: this process may use %d processors; more threads wait for "
                              "one another and are slower\n",
                              o.threads, usable);
             });
  return *this;
}

Command& Command::threads_and_compute() {
  threads();
  Options& o = *options_;
  app_->add_option_function<std::string>(
          "--compute", [&o](const std::string& word) { o.compute = word == "exact" ? Compute::exact : Compute::fast; },
          "exact: everything in f32, for comparison with other implementations")
      ->check(CLI::IsMember({"exact", "fast"}))
      ->type_name("exact|fast");
  return *this;
}

Command& Command::sampling_options() {
  Options& o = *options_;
  add_number(*app_, "--seed", "N", "seed of the sampling",
             [&o](const std::string& text) { o.seed = parse_unsigned(text); });
  add_number(*app_, "--temp", "X", "temperature; 0 always takes the likeliest token",
             [&o](const std::string& text) { o.temperature = parse_real(text, 0, 100); });
  add_number(*app_, "--top-p", "X", "sample from the likeliest tokens that together have this probability",
             [&o](const std::string& text) { o.top_p = parse_real(text, 0, 1, true); });
  add_number(*app_, "--top-k", "N", "sample from the N likeliest tokens; 0: from all",
             [&o](const std::string& text) { o.top_k = static_cast<int>(parse_integer(text, 0, kTokenLimit / 4)); });
  add_number(*app_, "--min-p", "X", "sample from tokens at least X times as likely as the likeliest; 0: from all",
             [&o](const std::string& text) { o.min_p = parse_real(text, 0, 1); });
  add_number(*app_, "--repetition-penalty", "X", "makes tokens that were there less likely, above 1; 1: off",
             [&o](const std::string& text) { o.repetition_penalty = parse_real(text, 0, 100, true); });
  thinking_option();
  add_number(*app_, "--budget", "N", "tokens of thinking, after which the model must answer",
             [&o](const std::string& text) { o.budget = parse_integer(text, 0, kTokenLimit); });
  return *this;
}

Command& Command::thinking_option() {
  Options& o = *options_;
  app_->add_option_function<std::string>(
          "--think",
          [&o](const std::string& word) {
            o.think = word == "on" ? Think::on : word == "off" ? Think::off : Think::automatic;
          },
          "whether the model thinks before it answers (auto: as it was trained)")
      ->check(CLI::IsMember({"auto", "on", "off"}))
      ->type_name("auto|on|off");
  return *this;
}

Command& Command::examples(const std::string& lines) {
  std::string text = "Examples:\n";
  std::size_t begin = 0;
  while (begin < lines.size()) {
    const std::size_t end = std::min(lines.find('\n', begin), lines.size());
    text += "  " + lines.substr(begin, end - begin) + "\n";
    begin = end + 1;
  }
  app_->footer(text);
  return *this;
}

Command Command::subcommand(const std::string& name, const std::string& help) {
  return Command(*add_subcommand(*app_, *options_, name, help), *options_);
}

void Command::run(std::function<int(const Context&)> action) {
  // The action runs once the whole line is parsed. A command with subcommands runs its own action only when none of
  // them was named; the exit code travels as CLI11's own exception, since its callbacks return nothing.
  CLI::App* app = app_;
  Options* options = options_;
  app_->final_callback([app, options, action = std::move(action)] {
    if (!app->get_subcommands().empty()) return;
    const int code = action(Context{*options});
    if (code != 0) throw CLI::RuntimeError(code);
  });
}

Command Program::add(const std::string& name, const std::string& help) {
  return Command(*add_subcommand(*app_, options_, name, help), options_);
}

}  // namespace limpid
