// The few things about URLs that decide where a token may go: the origin, joining a Location with the address it came
// from, escaping a path.
#pragma once

#include <string>
#include <string_view>

namespace limpid {

// "https://host:443" of an http or https address: scheme and host in lower case, the port always written. Throws
// Error(input) for anything else, a user name or a password in the address included: two addresses share a secret only
// if their origins are equal.
std::string url_origin(std::string_view url);

// The address that a Location header means, which may be relative (RFC 3986, section 5.2). Throws Error(input) as
// url_origin does.
std::string url_join(const std::string& base, std::string_view location);

// Escapes everything but letters, digits, "-._~" and "/".
std::string url_escape_path(std::string_view path);

// Escapes "/" too: one segment.
std::string url_escape_segment(std::string_view segment);

}  // namespace limpid
