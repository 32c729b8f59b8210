// The pseudo-random texts of make_tokenizer_goldens.py, made again.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "text/unicode.h"

namespace limpid {

// The generator of Knuth's MMIX, the upper half of its state.
class TextRandom {
 public:
  explicit TextRandom(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    state_ = state_ * 6364136223846793005ull + 1442695040888963407ull;
    return state_ >> 33;
  }

 private:
  std::uint64_t state_;
};

// Every code point, each behind 0 to 3 characters of a few kinds.
inline std::string long_text() {
  const std::u32string kinds = U"aB1 \n'.\u00e9\u4e2d\u0301";
  TextRandom random(1);
  std::string out;
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    for (std::uint64_t n = random.next() % 4; n > 0; --n) append_utf8(out, kinds[random.next() % kinds.size()]);
    append_utf8(out, c);
  }
  return out;
}

// Letters under piles of marks, Hangul, compatibility characters.
inline std::string marks_text() {
  constexpr std::pair<char32_t, char32_t> kRanges[] = {
      {0x41, 0x7B},     {0xC0, 0x180},    {0x300, 0x370},     {0x300, 0x370},     {0x591, 0x5C8},    {0x610, 0x660},
      {0x900, 0x980},   {0xF71, 0xF85},   {0x1100, 0x1200},   {0xAC00, 0xD7A4},   {0x1E00, 0x2000},  {0x3040, 0x3100},
      {0xF900, 0xFB50}, {0xFF00, 0xFFF0}, {0x1D15E, 0x1D1C1}, {0x11080, 0x11130}, {0x2F800, 0x2FA1E}};
  TextRandom random(7);
  std::string out;
  for (int i = 0; i < 200000; ++i) {
    const auto [from, to] = kRanges[random.next() % std::size(kRanges)];
    append_utf8(out, from + static_cast<char32_t>(random.next() % (to - from)));
  }
  return out;
}

}  // namespace limpid
