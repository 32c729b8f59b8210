// UTF-8 and character classes: what the splitting rules of tokenizers ask about a character.
// Bytes that are no UTF-8 become U+FFFD, one for each maximal subpart (Unicode 3.9, table 3-8), as Python's
// errors="replace" does; everything behind to_valid_utf8 may then decode without checks. All functions are pure and
// safe on any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "text/unicode_tables.h"

namespace limpid {

// Classes of a code point (general categories of Unicode 16.0). Bits may be or-ed and tested together.
enum CharClass : std::uint16_t {
  kLetter = 1 << 0,        // \p{L}
  kNumber = 1 << 1,        // \p{N}
  kPunctuation = 1 << 2,   // \p{P}
  kSymbol = 1 << 3,        // \p{S}
  kMark = 1 << 4,          // \p{M}
  kSpace = 1 << 5,         // \s, the property White_Space
  kHan = 1 << 6,           // \p{Han}
  kUpperLike = 1 << 7,     // Lu Lt Lm Lo M: what may begin a capitalised word
  kLowerLike = 1 << 8,     // Ll Lm Lo M
  kDigit = 1 << 9,         // numeric as Rust's char::is_numeric has it
  kDeepseekLlm = 1 << 10,  // a letter that the rule of DeepSeek-LLM spells out
  kWord = 1 << 11,         // \w
};

// Bits of CharClass of a code point; c <= 0x10FFFF.
inline std::uint16_t char_class(char32_t c) {
  using namespace unicode_tables;
  return class_stage2[static_cast<std::size_t>(class_stage1[c >> 8]) * 256 + (c & 255)];
}

// A decoded character and how many bytes it took.
struct Decoded {
  char32_t c;
  std::uint32_t size;
};

// The character at p. The bytes must be valid UTF-8.
inline Decoded decode_valid(const char* p) {
  const auto* u = reinterpret_cast<const unsigned char*>(p);
  if (u[0] < 0x80) return {u[0], 1};
  if (u[0] < 0xE0) return {static_cast<char32_t>((u[0] & 0x1F) << 6 | (u[1] & 0x3F)), 2};
  if (u[0] < 0xF0) return {static_cast<char32_t>((u[0] & 0x0F) << 12 | (u[1] & 0x3F) << 6 | (u[2] & 0x3F)), 3};
  return {static_cast<char32_t>((u[0] & 0x07) << 18 | (u[1] & 0x3F) << 12 | (u[2] & 0x3F) << 6 | (u[3] & 0x3F)), 4};
}

// Bytes of the valid character that starts with this byte.
inline std::uint32_t utf8_length(char first) {
  const auto u = static_cast<unsigned char>(first);
  return u < 0x80 ? 1 : u < 0xE0 ? 2 : u < 0xF0 ? 3 : 4;
}

// What stands at the start of bytes: a whole character, the beginning of one, or neither.
enum class Utf8State { valid, incomplete, invalid };
struct Utf8Step {
  Utf8State state;
  std::uint32_t
      size;  // valid: bytes of the character; incomplete: all that is left; invalid: bytes of the maximal subpart
};
// bytes must not be empty.
Utf8Step utf8_step(std::string_view bytes);

// Bytes at the start of text that are valid UTF-8 (text.size() when all are).
std::size_t valid_utf8_prefix(std::string_view text);

// The text with each maximal subpart that is no UTF-8 replaced by U+FFFD.
std::string to_valid_utf8(std::string_view bytes);

// c <= 0x10FFFF.
void append_utf8(std::string& out, char32_t c);

}  // namespace limpid
