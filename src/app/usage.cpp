#include "app/usage.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <vector>

#include "hub/catalogue.h"

namespace limpid {

namespace {

constexpr std::size_t kQuoted = 60;  // bytes of what was typed

std::string quoted(std::string text) {
  if (text.size() > kQuoted) {
    std::size_t end = kQuoted;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // not within a character
    text = text.substr(0, end) + "...";
  }
  return "'" + text + "'";
}

std::string did_you_mean(const std::string& word, const std::vector<std::string>& known) {
  const std::vector<std::string> near = near_names(word, known, 1);
  return near.empty() ? "" : fmt::format("; did you mean {}?", near.front());
}

// The option that takes a text as its prompt, as people type it; nothing where a command has none.
bool takes_prompt(const CLI::App& command) {
  return std::ranges::any_of(command.get_options(), [](const CLI::Option* option) {
    return option->check_lname("prompt") && option->get_type_name() == "TEXT";
  });
}

std::string unexpected(const CLI::App& command, const std::vector<std::string>& words) {
  const auto option = std::ranges::find_if(words, [](const std::string& word) { return word.starts_with('-'); });
  std::string word = option == words.end() ? words.front() : *option;  // what follows an unknown option is its value
  if (word.starts_with('-') && word.size() > 1) {
    word = word.substr(0, word.find('='));
    std::vector<std::string> known;
    for (const CLI::Option* each : command.get_options())
      for (const std::string& name : each->get_lnames()) known.push_back("--" + name);
    return fmt::format("unknown option {}{}", quoted(word), did_you_mean(word, known));
  }
  if (!command.get_subcommands([](const CLI::App*) { return true; }).empty()) {
    std::vector<std::string> known;
    for (const CLI::App* other : command.get_subcommands([](const CLI::App*) { return true; }))
      known.push_back(other->get_name());
    return fmt::format("unknown command {}{}", quoted(word), did_you_mean(word, known));
  }
  if (takes_prompt(command)) return fmt::format("{0} was not expected; did you mean -p {0}?", quoted(word));
  return fmt::format("{} was not expected", quoted(word));
}

}  // namespace

std::string usage_error(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App* command = &app;
  std::string path = app.get_name();
  while (!command->get_subcommands().empty()) {
    command = command->get_subcommands().front();
    path += " " + command->get_name();
  }
  const std::vector<std::string> words = app.remaining(true);
  const bool extra = dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr && !words.empty();
  return fmt::format("{} (see `{} --help`)", extra ? unexpected(*command, words) : error.what(), path);
}

}  // namespace limpid
