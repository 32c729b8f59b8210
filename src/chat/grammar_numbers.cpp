#include "chat/grammar_numbers.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "base/error.h"

namespace limpid {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kLargest = 999'999'999'999'999'999;  // kMostDigits digits
constexpr std::size_t kMostFraction = 30;
constexpr std::int64_t kMostListed = 1000;  // multiples that are listed one by one

std::string digits(std::size_t least, std::size_t most) { return fmt::format("\\d{{{},{}}}", least, most); }

std::string digit_range(char first, char last) { return fmt::format("[{}-{}]", first, last); }

// Digit strings as long as `bound` and at least (at most) it.
std::string at_least(std::string_view bound) {
  if (bound.find_first_not_of('0') == std::string_view::npos) return digits(bound.size(), bound.size());
  std::string out = std::string(1, bound[0]) + at_least(bound.substr(1));
  if (bound[0] < '9')
    out += "|" + digit_range(static_cast<char>(bound[0] + 1), '9') + digits(bound.size() - 1, bound.size() - 1);
  return "(" + out + ")";
}
std::string at_most(std::string_view bound) {
  if (bound.find_first_not_of('9') == std::string_view::npos) return digits(bound.size(), bound.size());
  std::string out = std::string(1, bound[0]) + at_most(bound.substr(1));
  if (bound[0] > '0')
    out += "|" + digit_range('0', static_cast<char>(bound[0] - 1)) + digits(bound.size() - 1, bound.size() - 1);
  return "(" + out + ")";
}

// Digit strings of one length from `low` to `high`.
std::string between(std::string_view low, std::string_view high) {
  if (low.empty()) return "";
  const char a = low[0], b = high[0];
  if (a == b) return std::string(1, a) + between(low.substr(1), high.substr(1));
  std::string out = a + at_least(low.substr(1)) + "|" + b + at_most(high.substr(1));
  if (a + 1 < b)
    out +=
        "|" + digit_range(static_cast<char>(a + 1), static_cast<char>(b - 1)) + digits(low.size() - 1, low.size() - 1);
  return "(" + out + ")";
}

constexpr const char* kNothing = "[]";

// 0 <= low, high <= kLargest; without leading zeros.
std::string whole_numbers(std::int64_t low, std::int64_t high) {
  if (low > high) return kNothing;
  std::string out;
  std::int64_t power = 1;  // 10 to the digits before
  for (int n = 1; n <= kMostDigits; ++n, power *= 10) {
    const std::int64_t first = std::max(low, n == 1 ? 0 : power), last = std::min(high, power * 9 + (power - 1));
    if (first > last) continue;
    out += (out.empty() ? "" : "|") + between(std::to_string(first), std::to_string(last));
  }
  return "(" + out + ")";
}

std::string integers(std::int64_t low, std::int64_t high) {
  const std::string plus = whole_numbers(std::max<std::int64_t>(low, 0), high);
  const std::string minus = whole_numbers(std::max<std::int64_t>(-high, 1), -low);
  return "(" + plus + "|-" + minus + ")";
}

// A bound, written out: sign, digits in front of the point without leading zeros, digits behind it without zeros at the
// end.
struct Decimal {
  bool negative = false;
  std::string whole, fraction;
};

Decimal decimal(const Json& number, const std::string& where) {
  std::string text = number.dump();
  Decimal out;
  out.negative = text[0] == '-';
  if (out.negative) text.erase(0, 1);
  long exponent = 0;
  if (const std::size_t e = text.find_first_of("eE"); e != std::string::npos) {
    exponent = std::strtol(text.c_str() + e + 1, nullptr, 10);
    text.resize(e);
  }
  const std::size_t point = std::min(text.find('.'), text.size());
  std::string all = text.substr(0, point) + (point < text.size() ? text.substr(point + 1) : "");
  long place = static_cast<long>(point) + exponent;  // of the point in `all`
  if (place < 0) {
    all.insert(0, static_cast<std::size_t>(-place), '0');
    place = 0;
  }
  if (static_cast<std::size_t>(place) > all.size()) all.append(static_cast<std::size_t>(place) - all.size(), '0');
  out.whole = all.substr(0, static_cast<std::size_t>(place));
  out.fraction = all.substr(static_cast<std::size_t>(place));
  out.whole.erase(0, std::min(out.whole.find_first_not_of('0'), out.whole.size()));
  if (out.whole.empty()) out.whole = "0";
  out.fraction.erase(out.fraction.find_last_not_of('0') + 1);
  if (out.fraction.size() > kMostFraction)
    fail(ErrorKind::input, "{}: the bound {} has more than {} digits behind its point", where, number.dump(),
         kMostFraction);
  out.negative = out.negative && (out.whole != "0" || !out.fraction.empty());
  return out;
}

// What may stand behind a whole part that equals the bound's: nothing, or a point and digits.
std::string fraction_above(const std::string& bound, bool inclusive, std::size_t most) {
  // From the end: digits behind a beginning that is equal so far.
  std::string rest =
      inclusive ? fmt::format("({})?", digits(1, most)) : fmt::format("0{{0,{}}}[1-9]\\d{{0,{}}}", most, most);
  for (std::size_t i = bound.size(); i-- > 0;) {
    std::string next = std::string(1, bound[i]) + rest;
    if (bound[i] < '9') next += "|" + digit_range(static_cast<char>(bound[i] + 1), '9') + "(" + digits(0, most) + ")";
    rest = "(" + next + ")";
  }
  if (!bound.empty()) return "\\." + rest;
  return inclusive ? fmt::format("(\\.{})?", digits(1, most)) : "\\." + rest;
}

std::string fraction_below(const std::string& bound, bool inclusive, std::size_t most) {
  if (bound.empty()) return inclusive ? fmt::format("(\\.0{{1,{}}})?", most) : kNothing;
  std::string rest = inclusive ? fmt::format("(0{{1,{}}})?", most) : kNothing;
  for (std::size_t i = bound.size(); i-- > 0;) {
    std::string next = std::string(1, bound[i]) + rest;
    if (i + 1 < bound.size()) next += "|" + std::string(1, bound[i]);
    if (bound[i] > '0') next += "|" + digit_range('0', static_cast<char>(bound[i] - 1)) + "(" + digits(0, most) + ")";
    rest = "(" + next + ")";
  }
  return "(\\." + rest + ")?";
}

std::int64_t clamped(const std::string& whole) {
  return whole.size() > static_cast<std::size_t>(kMostDigits) ? kLargest + 1 : std::strtoll(whole.c_str(), nullptr, 10);
}

// Numbers without a sign that are at least (at most) the bound without its sign.
std::string above(const Decimal& bound, bool inclusive, std::size_t most) {
  const std::int64_t whole = clamped(bound.whole);
  const std::string more = whole_numbers(whole + 1, kLargest) + fmt::format("(\\.{})?", digits(1, most));
  if (whole > kLargest) return kNothing;
  return "(" + more + "|" + bound.whole + fraction_above(bound.fraction, inclusive, most) + ")";
}
std::string number_below(const Decimal& bound, bool inclusive, std::size_t most) {
  const std::int64_t whole = clamped(bound.whole);
  const std::string less = whole_numbers(0, std::min(whole - 1, kLargest)) + fmt::format("(\\.{})?", digits(1, most));
  if (whole > kLargest) return less;
  return "(" + less + "|" + bound.whole + fraction_below(bound.fraction, inclusive, most) + ")";
}

struct Bound {
  Json value;
  bool inclusive = true;
};
// The tighter of two keywords.
std::optional<Bound> bound(const Json& schema, const char* inclusive, const char* exclusive, bool low) {
  std::optional<Bound> out;
  if (schema.contains(inclusive)) out = Bound{schema[inclusive], true};
  if (schema.contains(exclusive)) {
    const Json& value = schema[exclusive];
    if (!out || (low ? value >= out->value : value <= out->value)) out = Bound{value, false};
  }
  return out;
}

// Texts whose digits make a multiple: the remainder so far is the state.
Dfa multiples(std::int64_t of) {
  Dfa out;
  Dfa::State start;
  start.edges.push_back({{'-', '-'}, static_cast<std::int32_t>(of + 1)});
  for (int pass = 0; pass < 2; ++pass) {
    Dfa::State state;
    for (char32_t d = 0; d < 10; ++d)
      state.edges.push_back({{'0' + d, '0' + d}, static_cast<std::int32_t>(static_cast<std::int64_t>(d) % of + 1)});
    if (pass == 0) {
      start.edges.insert(start.edges.end(), state.edges.begin(), state.edges.end());
      out.states.push_back(start);
    } else {
      for (std::int64_t r = 0; r < of; ++r) {
        Dfa::State remainder;
        remainder.accepts = r == 0;
        for (char32_t d = 0; d < 10; ++d)
          remainder.edges.push_back(
              {{'0' + d, '0' + d}, static_cast<std::int32_t>((r * 10 + static_cast<std::int64_t>(d)) % of + 1)});
        out.states.push_back(std::move(remainder));
      }
      out.states.push_back(std::move(state));  // behind the sign
    }
  }
  return out;
}

Dfa whole(const std::string& pattern, const std::string& where) {
  return strings_matching("^(" + pattern + ")$", where);
}

Dfa integers_of(const Json& schema, const std::string& where) {
  std::int64_t low = -kLargest, high = kLargest;
  if (const auto b = bound(schema, "minimum", "exclusiveMinimum", true)) {
    const double value = b->value.get<double>();
    if (value > 1e18) return {};
    if (value >= -1e18) {
      const auto least =
          b->value.is_number_integer() ? b->value.get<std::int64_t>() : static_cast<std::int64_t>(std::ceil(value));
      const bool beside = !b->inclusive && static_cast<double>(least) == value;
      low = std::max(low, least + (beside ? 1 : 0));
    }
  }
  if (const auto b = bound(schema, "maximum", "exclusiveMaximum", false)) {
    const double value = b->value.get<double>();
    if (value < -1e18) return {};
    if (value <= 1e18) {
      const auto most =
          b->value.is_number_integer() ? b->value.get<std::int64_t>() : static_cast<std::int64_t>(std::floor(value));
      const bool beside = !b->inclusive && static_cast<double>(most) == value;
      high = std::min(high, most - (beside ? 1 : 0));
    }
  }
  if (low > high) return {};
  if (!schema.contains("multipleOf")) return whole(integers(low, high), where);
  const double step = schema["multipleOf"].get<double>();
  if (std::floor(step) != step || step > static_cast<double>(kLargest))
    fail(ErrorKind::input, "{}/multipleOf: expected a whole number, found {}", where, schema["multipleOf"].dump());
  const auto of = static_cast<std::int64_t>(step);
  const std::int64_t first = low / of, last = high / of;  // toward zero: outside at most at one end
  if (last - first <= kMostListed) {
    std::string list = kNothing;
    for (std::int64_t k = first; k <= last; ++k)
      if (k * of >= low && k * of <= high) list += "|" + std::to_string(k * of);
    return list.size() > 4000 ? intersect(whole(integers(low, high), where), multiples(of), where) : whole(list, where);
  }
  if (of > static_cast<std::int64_t>(kMostDfaStates))
    fail(ErrorKind::input, "{}/multipleOf: {} is too large for this range", where, of);
  return intersect(whole(integers(low, high), where), multiples(of), where);
}

}  // namespace

Dfa numbers_of(const Json& schema, bool integer, const std::string& where) {
  // Multiples of a whole number are whole; of a fraction nobody can tell, for a double is none.
  if (integer || schema.contains("multipleOf")) return integers_of(schema, where);
  const auto low = bound(schema, "minimum", "exclusiveMinimum", true);
  const auto high = bound(schema, "maximum", "exclusiveMaximum", false);
  if (!low && !high) return whole("-?(0|[1-9]\\d{0,17})(\\.\\d{1,18})?([eE][+-]?\\d{1,2})?", where);
  std::size_t most = kMostDigits;  // digits behind the point
  for (const auto* b : {&low, &high})
    if (*b && !(*b)->inclusive && (*b)->value.get<double>() != 0) {
      const std::size_t before = decimal((*b)->value, where).whole.size();
      most = std::min<std::size_t>(most, before >= 14 ? 1 : 15 - before);
    }
  const std::string any = whole_numbers(0, kLargest) + fmt::format("(\\.{})?", digits(1, most));
  Dfa out = whole("-?" + any, where);
  if (low) {
    const Decimal b = decimal(low->value, where);
    const std::string ok =
        b.negative ? "(" + any + "|-" + number_below(b, low->inclusive, most) + ")" : above(b, low->inclusive, most);
    out = intersect(out, whole(ok, where), where);
  }
  if (high) {
    const Decimal b = decimal(high->value, where);
    const bool zero = b.whole == "0" && b.fraction.empty();
    std::string ok;
    if (b.negative || (zero && !high->inclusive)) {
      ok = "-" + above(b, high->inclusive, most);
    } else {
      ok = "(-" + any + "|" + number_below(b, high->inclusive, most) + ")";
    }
    out = intersect(out, whole(ok, where), where);
  }
  return out;
}

}  // namespace limpid
