// Scanners for the published splitting rules. The expression above each function is the fact that it implements; the
// functions replace the backtracking by what it comes to, so that each is linear. Character classes are Unicode 16.0's
// (unicode.h).
#include "text/pretokenizer_rules.h"

#include "text/unicode.h"

namespace limpid::rules {

namespace {

struct Char {
  char32_t c;
  std::uint32_t size;
  std::uint16_t cls;
};

inline Char char_at(const char* p) {
  const Decoded d = decode_valid(p);
  return {d.c, d.size, char_class(d.c)};
}

inline bool has(const char* p, const char* end, unsigned classes) { return p < end && (char_at(p).cls & classes) != 0; }

// The end of the run of characters of any of these classes.
inline const char* skip(const char* p, const char* end, unsigned classes) {
  while (p < end) {
    const Char ch = char_at(p);
    if ((ch.cls & classes) == 0) break;
    p += ch.size;
  }
  return p;
}

// The end of the run of characters of none of these classes.
inline const char* skip_not(const char* p, const char* end, unsigned classes) {
  while (p < end) {
    const Char ch = char_at(p);
    if ((ch.cls & classes) != 0) break;
    p += ch.size;
  }
  return p;
}

inline bool is_newline(char32_t c) { return c == '\n' || c == '\r'; }

inline const char* skip_newlines(const char* p, const char* end) {
  while (p < end && is_newline(static_cast<unsigned char>(*p))) ++p;
  return p;
}

template <typename InClass>
inline const char* skip_if(const char* p, const char* end, InClass in_class) {
  while (p < end) {
    const Decoded d = decode_valid(p);
    if (!in_class(d.c)) break;
    p += d.size;
  }
  return p;
}

// 's|'t|'re|'ve|'m|'ll|'d   at an apostrophe; with fold also in capitals, and U+017F, which folds to s.
const char* match_contraction(const char* p, const char* end, bool fold) {
  const auto letter = [&](const char* q) -> char {
    if (q >= end) return 0;
    const char c = *q;
    return fold && c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  };
  const char first = letter(p + 1), second = letter(p + 2);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return p + 2;
  if ((first == 'r' || first == 'v') && second == 'e') return p + 3;
  if (first == 'l' && second == 'l') return p + 3;
  if (fold && end - p >= 3 && p[1] == '\xC5' && p[2] == '\xBF') return p + 3;
  return p;
}

// \s+(?!\S)|\s+   at white space that ends at run: the run without its last character when something follows it.
const char* match_space_run(const char* p, const char* run, const char* end) {
  if (run == end) return run;
  const char* last = run - 1;
  while (last > p && (*last & 0xC0) == 0x80) --last;
  return last > p ? last : run;
}

// \s*[\r\n]+|\s+(?!\S)|\s+   at white space.
const char* match_space_or_newlines(const char* p, const char* end) {
  const char* run = p;
  const char* after_newline = nullptr;
  while (run < end) {
    const Char ch = char_at(run);
    if ((ch.cls & kSpace) == 0) break;
    run += ch.size;
    if (is_newline(ch.c)) after_newline = run;
  }
  return after_newline != nullptr ? after_newline : match_space_run(p, run, end);
}

const char* match_up_to_3_numbers(const char* p, const char* end) {
  for (int i = 0; i < 3 && has(p, end, kNumber); ++i) p += utf8_length(*p);
  return p;
}

// (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,DIGITS}|
// ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
template <bool kThreeDigits>
const char* match_words(const char* p, const char* end) {
  if (*p == '\'') {
    if (const char* e = match_contraction(p, end, true); e != p) return e;
  }
  const Char first = char_at(p);
  const char* const next = p + first.size;
  if ((first.cls & kLetter) != 0) return skip(next, end, kLetter);
  if ((first.cls & kNumber) != 0) return kThreeDigits ? match_up_to_3_numbers(p, end) : next;
  if (!is_newline(first.c) && has(next, end, kLetter)) return skip(next, end, kLetter);
  const char* const body = first.c == ' ' ? next : p;
  if (body < end && !has(body, end, kSpace | kLetter | kNumber)) {
    return skip_newlines(skip_not(body, end, kSpace | kLetter | kNumber), end);
  }
  return match_space_or_newlines(p, end);
}

bool is_ascii_punctuation(char32_t c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
}

bool is_ascii_letter(char32_t c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

}  // namespace

// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
const char* match_gpt2(const char* p, const char* end) {
  if (*p == '\'') {
    if (const char* e = match_contraction(p, end, false); e != p) return e;
  }
  const char* const body = *p == ' ' ? p + 1 : p;
  if (body < end) {
    const Char ch = char_at(body);
    const char* const next = body + ch.size;
    if ((ch.cls & kLetter) != 0) return skip(next, end, kLetter);
    if ((ch.cls & kNumber) != 0) return skip(next, end, kNumber);
    if ((ch.cls & kSpace) == 0) return skip_not(next, end, kSpace | kLetter | kNumber);
  }
  return match_space_run(p, skip(p, end, kSpace), end);
}

const char* match_llama3(const char* p, const char* end) { return match_words<true>(p, end); }
const char* match_qwen2(const char* p, const char* end) { return match_words<false>(p, end); }

namespace {

// The classes of kimi_k2's words are without Han.
inline bool kimi_upper(std::uint16_t cls) { return (cls & kUpperLike) != 0 && (cls & kHan) == 0; }
inline bool kimi_lower(std::uint16_t cls) { return (cls & kLowerLike) != 0 && (cls & kHan) == 0; }

// U*L+ (with_lower) or U+L* with U = upper-like and L = lower-like; the two overlap (Lm, Lo, M), so a run of U gives
// back up to its last character that is in L when no other L follows it.
const char* match_kimi_word(const char* p, const char* end, bool with_lower) {
  const char* q = p;
  const char* after_last_lower = p;
  while (q < end) {
    const Char ch = char_at(q);
    if (!kimi_upper(ch.cls)) break;
    q += ch.size;
    if (kimi_lower(ch.cls)) after_last_lower = q;
  }
  const char* run = q;
  while (run < end) {
    const Char ch = char_at(run);
    if (!kimi_lower(ch.cls)) break;
    run += ch.size;
  }
  if (!with_lower) return q > p ? run : p;
  return run > q ? run : after_last_lower;
}

}  // namespace

// [\p{Han}]+
// |[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?
// |[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?
// |\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
const char* match_kimi_k2(const char* p, const char* end) {
  const Char first = char_at(p);
  if ((first.cls & kHan) != 0) return skip(p, end, kHan);
  const char* const next = p + first.size;
  const bool may_prefix = !is_newline(first.c) && (first.cls & (kLetter | kNumber)) == 0;
  for (const bool with_lower : {true, false}) {
    const char* e = p;
    if (may_prefix && next < end) {
      e = match_kimi_word(next, end, with_lower);
      if (e == next) e = p;
    }
    if (e == p) e = match_kimi_word(p, end, with_lower);
    if (e == p) continue;
    return e < end && *e == '\'' ? match_contraction(e, end, true) : e;
  }
  if ((first.cls & kNumber) != 0) return match_up_to_3_numbers(p, end);
  const char* const body = first.c == ' ' ? next : p;
  if (body < end && !has(body, end, kSpace | kLetter | kNumber)) {
    return skip_newlines(skip_not(body, end, kSpace | kLetter | kNumber), end);
  }
  return (first.cls & kSpace) != 0 ? match_space_or_newlines(p, end) : p;
}

// [!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*
// |\s*[\r\n]+|\s+(?!\S)|\s+
const char* match_deepseek_v3(const char* p, const char* end) {
  const Char first = char_at(p);
  const char* const next = p + first.size;
  if (is_ascii_punctuation(first.c) && next < end && is_ascii_letter(static_cast<unsigned char>(*next))) {
    return skip_if(next, end, is_ascii_letter);
  }
  const bool may_prefix = !is_newline(first.c) && (first.cls & (kLetter | kPunctuation | kSymbol)) == 0;
  if ((may_prefix && has(next, end, kLetter | kMark)) || (first.cls & (kLetter | kMark)) != 0) {
    return skip(next, end, kLetter | kMark);
  }
  const char* const body = first.c == ' ' ? next : p;
  if (has(body, end, kPunctuation | kSymbol)) {
    return skip_newlines(skip(body, end, kPunctuation | kSymbol), end);
  }
  return (first.cls & kSpace) != 0 ? match_space_or_newlines(p, end) : p;
}

// \p{N}{1,3}
const char* match_numbers_1_to_3(const char* p, const char* end) { return match_up_to_3_numbers(p, end); }

// [一-龥぀-ゟ゠-ヿ]+
const char* match_deepseek_v3_cjk(const char* p, const char* end) {
  return skip_if(p, end, [](char32_t c) { return (c >= 0x4E00 && c <= 0x9FA5) || (c >= 0x3040 && c <= 0x30FF); });
}

// [\r\n]
const char* match_newline(const char* p, const char*) { return is_newline(static_cast<unsigned char>(*p)) ? p + 1 : p; }

namespace {

// \s?[CLASS]+ ; where white space is itself in the class, the optional one is given back.
template <typename InClass>
const char* match_spaced(const char* p, const char* end, InClass in_class) {
  const Char first = char_at(p);
  const char* const next = p + first.size;
  if ((first.cls & kSpace) != 0) {
    if (const char* e = skip_if(next, end, in_class); e != next) return e;
  }
  return skip_if(p, end, in_class);
}

}  // namespace

// \s?[A-Za-zµÀ-Ö...]+ : the letters that make_unicode_tables.py lists.
const char* match_deepseek_letters(const char* p, const char* end) {
  return match_spaced(p, end, [](char32_t c) { return (char_class(c) & kDeepseekLlm) != 0; });
}

// \s?[!-/:-~！-／：-～‘-‟　-。]+ ; the second range holds the letters of ASCII.
const char* match_deepseek_symbols(const char* p, const char* end) {
  return match_spaced(p, end, [](char32_t c) {
    return (c >= '!' && c <= '/') || (c >= ':' && c <= '~') || (c >= 0xFF01 && c <= 0xFF0F) ||
           (c >= 0xFF1A && c <= 0xFF5E) || (c >= 0x2018 && c <= 0x201F) || (c >= 0x3000 && c <= 0x3002);
  });
}

// [一-龥ࠀ-一가-퟿]+
const char* match_deepseek_cjk(const char* p, const char* end) {
  return skip_if(p, end, [](char32_t c) { return (c >= 0x0800 && c <= 0x9FA5) || (c >= 0xAC00 && c <= 0xD7FF); });
}

// \s?\p{L}+
const char* match_space_letters(const char* p, const char* end) {
  return match_spaced(p, end, [](char32_t c) { return (char_class(c) & kLetter) != 0; });
}

// \s?\p{P}+
const char* match_space_punctuation(const char* p, const char* end) {
  return match_spaced(p, end, [](char32_t c) { return (char_class(c) & kPunctuation) != 0; });
}

const char* match_number(const char* p, const char* end) { return has(p, end, kNumber) ? p + utf8_length(*p) : p; }
const char* match_numbers(const char* p, const char* end) { return skip(p, end, kNumber); }
const char* match_digit(const char* p, const char* end) { return has(p, end, kDigit) ? p + utf8_length(*p) : p; }
const char* match_digits(const char* p, const char* end) { return skip(p, end, kDigit); }

}  // namespace limpid::rules
