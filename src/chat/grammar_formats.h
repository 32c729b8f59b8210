// The formats of JSON schema that can be promised, as sets of strings.
#pragma once

#include <optional>
#include <string>

#include "chat/grammar_dfa.h"

namespace limpid {

// Dates are of the years 1000 to 2999 and exist; times have no leap second. Nothing for formats of numbers ("int32",
// "float", ...), which say nothing about strings. Throws Error(input) with the list of those that are known.
std::optional<Dfa> strings_of_format(const std::string& format, const std::string& where);

}  // namespace limpid
