#include "app/ids.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "base/error.h"

namespace limpid {

namespace {

constexpr std::string_view kWhiteSpace = " \t\r\n";

std::string_view trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kWhiteSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kWhiteSpace) - begin + 1);
}

}  // namespace

std::vector<std::int32_t> parse_ids(std::string_view text, const std::string& where) {
  std::string_view rest = trim(text);
  if (rest.starts_with('[')) {
    if (!rest.ends_with(']'))
      fail(ErrorKind::input, "{}: the list of ids begins with '[' and does not end with ']'", where);
    rest = trim(rest.substr(1, rest.size() - 2));
  }
  std::vector<std::int32_t> ids;
  const char* at = rest.data();
  const char* const end = at + rest.size();
  const auto skip = [&] {
    while (at < end && kWhiteSpace.find(*at) != std::string_view::npos) ++at;
  };
  while (at < end) {
    std::int32_t id = 0;
    const auto [next, error] = std::from_chars(at, end, id);
    const bool whole = next == end || *next == ',' || kWhiteSpace.find(*next) != std::string_view::npos;
    if (error != std::errc() || !whole || id < 0)
      fail(ErrorKind::input, "{}: expected a token id (0 to 2147483647) at byte {}, found '{}'", where,
           at - text.data(), std::string_view(at, static_cast<std::size_t>(std::min<std::ptrdiff_t>(end - at, 20))));
    ids.push_back(id);
    at = next;
    skip();
    if (at == end || *at != ',') continue;
    ++at;
    skip();
    if (at == end) fail(ErrorKind::input, "{}: a comma at the end of the list of ids", where);
  }
  return ids;
}

std::string format_ids(std::span<const std::int32_t> ids) { return fmt::format("[{}]", fmt::join(ids, ",")); }

}  // namespace limpid
