// Standard output for commands: a write that fails is an error, not a lost line. A reader that went away (`limpid ... |
// head`) ends the command quietly: BrokenPipe is no fault of anybody. SIGPIPE is ignored by main().
#pragma once

#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace limpid {

struct BrokenPipe {};

// Throws BrokenPipe, or Error(system) when the disk is full.
void write_out(std::string_view text);
void flush_out();

template <typename... Args>
void print(fmt::format_string<Args...> format, Args&&... args) {
  write_out(fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace limpid
