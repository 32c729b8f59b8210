// Unicode normalization forms (UAX #15) over valid UTF-8. Pure functions, linear in the length of the text; text that
// is already in form C (nearly all text) is only scanned.
#pragma once

#include <string>
#include <string_view>

namespace limpid {

enum class NormalForm { nfc, nfd, nfkc, nfkd };

// True when normalize(text, nfc) certainly equals text; false: it may or may not.
bool is_surely_nfc(std::string_view text);

std::string normalize(std::string_view text, NormalForm form);

}  // namespace limpid
