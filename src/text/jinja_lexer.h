// Splits a Jinja template into tokens the way Hugging Face configures Jinja2: trim_blocks and lstrip_blocks on, one
// final newline dropped, line endings normalised. White space control (`{%-`, `-%}`, `{%+`) is applied here, so that
// the parser sees plain data.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace limpid::jinja {

struct Token {
  enum class Type {
    data,
    variable_begin,
    variable_end,
    block_begin,
    block_end,
    name,
    string,
    integer,
    real,
    punctuation,
    end
  };
  Type type = Type::end;
  std::string text;  // decoded for strings, without underscores for numbers
  int line = 1;

  bool is(std::string_view punctuation) const { return type == Type::punctuation && text == punctuation; }
  bool is_name(std::string_view name) const { return type == Type::name && text == name; }
};

// Ends with a token of type end. Throws Error(input) "line N: ...".
std::vector<Token> tokenize(std::string_view source);

}  // namespace limpid::jinja
