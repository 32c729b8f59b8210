// Numbers as people type them: the whole text or nothing, in decimal, within a range that a refusal names. Nothing wraps
// round, saturates or is cut.
#pragma once

#include <cstdint>
#include <string>

namespace limpid {

// Throw Error(input): "expected a whole number from 1 to 16, found '17'".
std::int64_t parse_integer(const std::string& text, std::int64_t least, std::int64_t most);
std::uint64_t parse_unsigned(const std::string& text);
// above: `least` itself is refused. No number is infinite or NaN.
double parse_real(const std::string& text, double least, double most, bool above = false);

}  // namespace limpid
