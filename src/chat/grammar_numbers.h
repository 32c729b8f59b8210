// JSON numbers within bounds, as sets of texts. Integers are written without fraction or exponent, with at most
// kMostDigits digits; numbers with at most as many in front of the point and behind it, and an exponent of at most two
// digits where there is no bound. A number beside an exclusive bound has at most 15 digits, so that it does not become
// the bound when it is read as a double.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "chat/grammar_dfa.h"

namespace limpid {

inline constexpr int kMostDigits = 18;

// By minimum, maximum, exclusiveMinimum, exclusiveMaximum and multipleOf of the schema (grammar_schema.h's form). Empty
// where there is no such number. Throws Error(input) for a multipleOf that cannot be held.
Dfa numbers_of(const nlohmann::ordered_json& schema, bool integer, const std::string& where);

}  // namespace limpid
