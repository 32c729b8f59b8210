// Python's str, on UTF-8 bytes: what templates do to text. Positions and lengths are in code points, as in Python; a
// byte that is not UTF-8 counts as one character and passes through unchanged. White space and case follow Unicode
// (simple case mappings).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace limpid::jinja {

// The character at byte `at`: its code point (the byte itself where it is no UTF-8) and its size in bytes.
struct Character {
  char32_t code;
  std::size_t size;
};
Character character_at(std::string_view text, std::size_t at);
void append_character(std::string& out, char32_t code);
std::size_t character_count(std::string_view text);
std::vector<std::string_view> characters(std::string_view text);
bool is_ascii(std::string_view text);

std::size_t find_bytes(std::string_view text, std::string_view what,
                       std::size_t from);  // linear in both; npos if it is not there
bool is_space(char32_t code);              // str.isspace of one character

enum class Side { left, right, both };
std::string_view strip(std::string_view text, Side side);                        // white space
std::string_view strip(std::string_view text, std::string_view set, Side side);  // any of the characters of `set`
std::vector<std::string_view> split(std::string_view text, std::int64_t limit);  // at runs of white space
std::vector<std::string_view> split(std::string_view text, std::string_view separator, std::int64_t limit,
                                    bool from_right);
std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends);
// Both throw Error(resources), before they allocate, where the result would have more than `most` bytes.
std::string replace(std::string_view text, std::string_view what, std::string_view with, std::int64_t limit,
                    std::size_t most);
std::string join(const std::vector<std::string_view>& pieces, std::string_view between, std::size_t most);
std::string upper(std::string_view text);
std::string lower(std::string_view text);
std::string title(std::string_view text);
std::string capitalize(std::string_view text);
bool all_of_class(std::string_view text,
                  const char* name);  // wctype name: "alpha", "digit", "alnum", "upper", ...; false if empty
std::string escape_html(std::string_view text);
void append_quoted(std::string& out, std::string_view text);  // repr(str)

}  // namespace limpid::jinja
