// Text of anybody's in a page of HTML. Pure functions.
#pragma once

#include <string>
#include <string_view>

namespace limpid {

// What shows `text` as it is, between tags or in an attribute between quotes: markup is escaped, bytes that are no
// UTF-8 and control characters but line ends and tabs become U+FFFD.
std::string html_text(std::string_view text);

}  // namespace limpid
