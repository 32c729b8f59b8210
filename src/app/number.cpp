#include "app/number.h"

#include <charconv>
#include <limits>
#include <optional>

#include "base/error.h"

namespace limpid {

namespace {

template <typename T>
std::optional<T> whole(const std::string& text) {
  T value{};
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && rest == end ? std::optional(value) : std::nullopt;
}

}  // namespace

std::int64_t parse_integer(const std::string& text, std::int64_t least, std::int64_t most) {
  const std::optional<std::int64_t> value = whole<std::int64_t>(text);
  if (!value || *value < least || *value > most)
    fail(ErrorKind::input, "expected a whole number from {} to {}, found '{}'", least, most, text);
  return *value;
}

std::uint64_t parse_unsigned(const std::string& text) {
  const std::optional<std::uint64_t> value = whole<std::uint64_t>(text);
  if (!value)
    fail(ErrorKind::input, "expected a whole number from 0 to {}, found '{}'",
         std::numeric_limits<std::uint64_t>::max(), text);
  return *value;
}

double parse_real(const std::string& text, double least, double most, bool above) {
  const std::optional<double> value = whole<double>(text);
  if (!value || !(*value >= least && *value <= most) || (above && *value == least))
    fail(ErrorKind::input, "expected a number {} {:g} {} {:g}, found '{}'", above ? "above" : "from", least,
         above ? "and at most" : "to", most, text);
  return *value;
}

}  // namespace limpid
