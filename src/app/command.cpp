#include "app/command.h"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <limits>
#include <map>

#include "base/thread_team.h"

namespace limpid {

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

Command& Command::option(const std::string& names, std::int64_t& value, std::int64_t least, std::int64_t most,
                         const std::string& help) {
  app_->add_option(names, value, help)->check(CLI::Range(least, most))->type_name("N");
  return *this;
}

Command& Command::option(const std::string& names, double& value, double least, double most, const std::string& help) {
  app_->add_option(names, value, help)->check(CLI::Range(least, most))->type_name("X");
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
  app_->add_option("-c,--context", o.context, "context in tokens (default: what the model and memory allow)")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 32))
      ->type_name("N");
  return threads_and_compute();
}

Command& Command::threads() {
  app_->add_option("-t,--threads", options_->threads, "threads (default: the physical cores that this process may use)")
      ->check(CLI::Range(1, 1024))
      ->type_name("N");
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
  app_->add_option_function<std::uint64_t>(
          "--seed", [&o](std::uint64_t seed) { o.seed = seed; }, "seed of the sampling")
      ->type_name("N");
  app_->add_option_function<double>(
          "--temp", [&o](double t) { o.temperature = t; }, "temperature; 0 always takes the likeliest token")
      ->check(CLI::Range(0.0, 100.0))
      ->type_name("X");
  app_->add_option_function<double>(
          "--top-p", [&o](double p) { o.top_p = p; },
          "sample from the likeliest tokens that together have this probability")
      ->check(CLI::Range(std::numeric_limits<double>::min(), 1.0, "FLOAT in (0 - 1]"))
      ->type_name("X");
  thinking_option();
  app_->add_option_function<std::int64_t>(
          "--budget", [&o](std::int64_t n) { o.budget = n; }, "tokens of thinking, after which the model must answer")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1} << 32))
      ->type_name("N");
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
  CLI::App* app = app_->add_subcommand(name, help);
  app->add_flag("--offline", options_->offline, "never use the network");
  return Command(*app, *options_);
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
  CLI::App* app = app_->add_subcommand(name, help);
  app->add_flag("--offline", options_.offline, "never use the network");
  return Command(*app, options_);
}

}  // namespace limpid
