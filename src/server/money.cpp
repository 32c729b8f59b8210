#include "server/money.h"

#include <algorithm>

#include "base/error.h"

namespace limpid {

Micros parse_money(std::string_view text, std::string_view field) {
  const auto refuse = [&]() {
    fail(ErrorKind::input, "{}: expected an amount like \"12.50\" with at most 6 decimals and below 1e9, found '{}'",
         field, text.substr(0, 40));
  };
  std::string_view rest = text;
  const bool negative = rest.starts_with('-');
  if (negative) rest.remove_prefix(1);
  const std::size_t point = std::min(rest.find('.'), rest.size());
  const std::string_view units = rest.substr(0, point);
  const std::string_view decimals = point < rest.size() ? rest.substr(point + 1) : std::string_view();
  const auto digits = [](std::string_view part) {
    return std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
  };
  if (units.empty() || units.size() > 9 || decimals.size() > 6 || !digits(units) || !digits(decimals)) refuse();
  if (point < rest.size() && decimals.empty()) refuse();
  Micros amount = 0;
  for (const char c : units) amount = amount * 10 + (c - '0');
  for (std::size_t i = 0; i < 6; ++i) amount = amount * 10 + (i < decimals.size() ? decimals[i] - '0' : 0);
  return negative ? -amount : amount;
}

std::string format_money(Micros amount) {
  const std::uint64_t magnitude =
      amount < 0 ? 0 - static_cast<std::uint64_t>(amount) : static_cast<std::uint64_t>(amount);
  std::string text =
      fmt::format("{}{}.{:06}", amount < 0 ? "-" : "", magnitude / kMicrosPerUnit, magnitude % kMicrosPerUnit);
  for (int i = 0; i < 4 && text.back() == '0'; ++i) text.pop_back();
  return text;
}

namespace {

std::int64_t bounded(std::int64_t tokens) { return std::clamp<std::int64_t>(tokens, 0, kMostTokens); }

// Prices are at most 1e9 micros and tokens at most 1e9, thrice: below 2^63.
Micros rounded_up(const ModelPrice& price, std::int64_t cached, std::int64_t computed, std::int64_t written) {
  const std::int64_t sum = price.cached * cached + price.prompt * computed + price.completion * written;
  return (sum + 999'999) / 1'000'000;
}

}  // namespace

Micros cost(const ModelPrice& price, const Consumption& consumption) {
  const std::int64_t prompt = bounded(consumption.prompt_tokens);
  const std::int64_t cached = std::min(bounded(consumption.cached_tokens), prompt);
  return rounded_up(price, cached, prompt - cached, bounded(consumption.completion_tokens));
}

Micros most_cost(const ModelPrice& price, const Demand& demand) {
  const ModelPrice dearest{0, std::max(price.cached, price.prompt), price.completion};
  return rounded_up(dearest, 0, bounded(demand.prompt_tokens), bounded(demand.most_completion_tokens));
}

}  // namespace limpid
