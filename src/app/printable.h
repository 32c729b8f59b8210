// Text that others wrote (a model, a file, a hub) on its way to a terminal: without what would command it. Control
// characters are those of ASCII, DEL, and U+0080 to U+009F, which some terminals take for escapes.
#pragma once

#include <string>
#include <string_view>

namespace limpid {

// Running text: no control characters but line ends and tabs. UTF-8, cut between characters.
std::string printable(std::string_view text);

// For a name within a line: control characters as \n, \t, \x1b, \u009b; bytes that are no UTF-8 as U+FFFD.
std::string visible(std::string_view text);

// printable() where the stream is a terminal; into a file or a pipe every byte as it is.
std::string for_stream(int fd, std::string_view text);

// JSON, which escapes ASCII's control characters itself, with DEL and U+0080 to U+009F as \u escapes: the same value.
std::string visible_json(std::string_view json);

}  // namespace limpid
