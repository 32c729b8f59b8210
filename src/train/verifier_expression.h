// Exact evaluation of an arithmetic expression that a model wrote.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace limpid {

// Whether text is an expression of whole numbers, + - * / (also × x · ÷ − and the full-width forms of brackets) with
// the usual precedence and brackets, has exactly the value `value` as a fraction, and uses each of `numbers` once and
// nothing else. A tail "= value" is allowed, with the right value. Anything else is false: other characters, division by
// zero, numbers over 10^9, a value that overflows 64 bits, more than 256 bytes, brackets more than 32 deep.
bool reaches(std::string_view text, std::span<const std::int64_t> numbers, std::int64_t value);

}  // namespace limpid
