#include "text/unicode.h"

#include <cstring>

namespace limpid {

namespace {

bool is_continuation(unsigned char u) { return (u & 0xC0) == 0x80; }

// Second bytes are restricted after E0, ED, F0 and F4 (no overlong forms, no surrogates, nothing above U+10FFFF).
bool second_byte_fits(unsigned char first, unsigned char second) {
  switch (first) {
    case 0xE0:
      return second >= 0xA0 && second <= 0xBF;
    case 0xED:
      return second >= 0x80 && second <= 0x9F;
    case 0xF0:
      return second >= 0x90 && second <= 0xBF;
    case 0xF4:
      return second >= 0x80 && second <= 0x8F;
    default:
      return is_continuation(second);
  }
}

}  // namespace

Utf8Step utf8_step(std::string_view bytes) {
  const auto first = static_cast<unsigned char>(bytes[0]);
  if (first < 0x80) return {Utf8State::valid, 1};
  if (first < 0xC2 || first > 0xF4) return {Utf8State::invalid, 1};
  const std::uint32_t need = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  for (std::uint32_t i = 1; i < need; ++i) {
    if (i == bytes.size()) return {Utf8State::incomplete, i};
    const auto u = static_cast<unsigned char>(bytes[i]);
    if (i == 1 ? !second_byte_fits(first, u) : !is_continuation(u)) return {Utf8State::invalid, i};
  }
  return {Utf8State::valid, need};
}

std::size_t valid_utf8_prefix(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size()) {
    std::uint64_t word = 0;
    if (i + 8 <= text.size()) {
      std::memcpy(&word, text.data() + i, 8);
      if ((word & 0x8080808080808080ull) == 0) {
        i += 8;
        continue;
      }
    }
    const Utf8Step step = utf8_step(text.substr(i, 4));
    if (step.state != Utf8State::valid) return i;
    i += step.size;
  }
  return i;
}

std::string to_valid_utf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() + 16);
  while (!bytes.empty()) {
    const std::size_t good = valid_utf8_prefix(bytes);
    out.append(bytes.substr(0, good));
    bytes.remove_prefix(good);
    if (bytes.empty()) break;
    bytes.remove_prefix(utf8_step(bytes).size);
    out += "\xEF\xBF\xBD";
  }
  return out;
}

void append_utf8(std::string& out, char32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | c >> 6);
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | c >> 12);
    out += static_cast<char>(0x80 | (c >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | c >> 18);
    out += static_cast<char>(0x80 | (c >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (c >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  }
}

}  // namespace limpid
