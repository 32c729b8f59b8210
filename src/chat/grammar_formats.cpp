#include "chat/grammar_formats.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace limpid {

namespace {

const std::string kDate =
    "([12]\\d{3}-((0[13578]|1[02])-(0[1-9]|[12]\\d|3[01])|(0[469]|11)-(0[1-9]|[12]\\d|30)|02-(0[1-9]|1\\d|2[0-8]))"
    "|([12]\\d(0[48]|[2468][048]|[13579][26])|(1[26]|2[048])00)-02-29)";
const std::string kTime = "([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,6})?(Z|[+-]([01]\\d|2[0-3]):[0-5]\\d)";
const std::string kLabel = "[a-zA-Z0-9]([a-zA-Z0-9-]{0,30}[a-zA-Z0-9])?";
const std::string kHost = kLabel + "(\\." + kLabel + "){0,5}";
const std::string kAtom = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,20}";
const std::string kOctet = "(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
const std::string kIpv4 = kOctet + "(\\." + kOctet + "){3}";
const std::string kGroup = "[0-9a-fA-F]{1,4}";

std::string ipv6() {
  std::string out = "(" + kGroup + ":){7}" + kGroup;
  // "::" stands for two groups or more: `before` of them in front, the rest behind.
  for (int before = 0; before <= 6; ++before) {
    const std::string front = before == 0 ? "" : kGroup + "(:" + kGroup + "){" + std::to_string(before - 1) + "}";
    const int most = 6 - before;
    const std::string back = most == 0 ? "" : "(" + kGroup + "(:" + kGroup + "){0," + std::to_string(most - 1) + "})?";
    out += "|" + front + "::" + back;
  }
  return out;
}

std::string duration() {
  const std::string time = "T(\\d{1,9}H(\\d{1,9}M(\\d{1,9}S)?)?|\\d{1,9}M(\\d{1,9}S)?|\\d{1,9}S)";
  const std::string date = "(\\d{1,9}Y(\\d{1,9}M(\\d{1,9}D)?)?|\\d{1,9}M(\\d{1,9}D)?|\\d{1,9}D)";
  return "P(" + date + "(" + time + ")?|" + time + "|\\d{1,9}W)";
}

std::string uri() {
  const std::string character = "([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})";
  return "[a-z][a-z0-9+.-]{0,15}://" + kHost + "(:[1-9]\\d{0,3})?(/" + character + "*)*(\\?(" + character +
         "|[/?])*)?(#(" + character + "|[/?])*)?";
}

}  // namespace

std::optional<Dfa> strings_of_format(const std::string& format, const std::string& where) {
  constexpr std::array<std::string_view, 6> numbers{"int32", "int64", "uint32", "uint64", "float", "double"};
  if (std::ranges::find(numbers, format) != numbers.end()) return std::nullopt;
  const std::array<std::pair<std::string_view, std::string>, 10> known{
      {{"date-time", kDate + "T" + kTime},
       {"date", kDate},
       {"time", kTime},
       {"duration", duration()},
       {"email", kAtom + "(\\." + kAtom + "){0,2}@" + kLabel + "(\\." + kLabel + "){1,4}"},
       {"hostname", kHost},
       {"ipv4", kIpv4},
       {"ipv6", ipv6()},
       {"uuid", "[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"},
       {"uri", uri()}}};
  for (const auto& [name, pattern] : known)
    if (name == format) return strings_matching("^(" + pattern + ")$", where);
  fail(ErrorKind::input,
       "{}: format \"{}\" is not known; date-time, date, time, duration, email, hostname, ipv4, ipv6, uuid and uri are",
       where, format);
}

}  // namespace limpid
