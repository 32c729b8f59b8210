// What is said of a line that CLI11 refuses: what is wrong with it, what was probably meant, and where the help is.
#pragma once

#include <string>

namespace CLI {
class App;
class ParseError;
}  // namespace CLI

namespace limpid {

// "unknown command 'runn'; did you mean run? (see `limpid --help`)"
std::string usage_error(const CLI::App& app, const CLI::ParseError& error);

}  // namespace limpid
