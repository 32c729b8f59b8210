// Names that nobody can guess: of answers, requests, tool calls.
#pragma once

#include <string>
#include <string_view>

namespace limpid {

// `prefix` and 24 letters and digits, 142 bits from the system's generator. Throws Error(system).
std::string random_id(std::string_view prefix);

}  // namespace limpid
