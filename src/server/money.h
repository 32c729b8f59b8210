// Money in whole millionths ("micros") of the currency's unit: sums are exact, nothing is rounded but the price of a
// request, once.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "server/admission.h"

namespace limpid {

using Micros = std::int64_t;

inline constexpr Micros kMicrosPerUnit = 1'000'000;
inline constexpr Micros kMostMicros = 1'000'000'000 * kMicrosPerUnit;  // of one amount: sums stay far from overflow

// "12.5" -> 12500000. At most 6 decimals, magnitude up to kMostMicros; throws Error(input) naming `field`.
Micros parse_money(std::string_view text, std::string_view field);
// "12.50": at least 2 decimals, no more than it takes.
std::string format_money(Micros amount);

// Micros per million tokens. As DeepSeek's price list: a prompt's token found in the cache, one that is computed, one
// that is written.
struct ModelPrice {
  Micros cached = 0, prompt = 0, completion = 0;
  bool operator==(const ModelPrice&) const = default;
};

inline constexpr std::int64_t kMostTokens = 1'000'000'000;  // of a request; beyond, it is taken for this many

// What a request costs, rounded up to a micro.
Micros cost(const ModelPrice& price, const Consumption& consumption);
// The most that a request can cost: no token of the prompt in the cache, everything written that may be.
Micros most_cost(const ModelPrice& price, const Demand& demand);

}  // namespace limpid
