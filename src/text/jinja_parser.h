// Parses a Jinja template into its tree, with Jinja2's grammar and precedence. The nesting of expressions and blocks is
// limited, so that neither parsing nor evaluation can exhaust the stack.
#pragma once

#include <string_view>

#include "text/jinja_ast.h"

namespace limpid::jinja {

// Throws Error(input | unsupported) "line N: ...".
Block parse(std::string_view source);

}  // namespace limpid::jinja
