// The target of a request (origin-form: "/path?query"), checked and decoded. One reading of it for everybody behind the
// server: a path that two readers could take for two things is refused.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace limpid {

struct RequestTarget {
  std::string path;   // percent-decoded; begins with '/', holds no "//", no "." or ".." segment, no control character
  std::string query;  // after '?', as it came
};

// Refused (`why` says it, for a 400): not origin-form, a character that has to be escaped, a '#', "%" without two
// hexadecimal digits, a path that is no UTF-8 or holds a control character, a backslash or "." and ".." segments, all
// of them also in escaped form. Several '/' in a row become one.
std::optional<RequestTarget> parse_target(std::string_view target, std::string& why);

// "name", "name:port", "[::1]:port": what a Host header may hold.
bool valid_host(std::string_view host);

}  // namespace limpid
