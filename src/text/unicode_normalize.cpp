#include "text/unicode_normalize.h"

#include <algorithm>
#include <vector>

#include "text/unicode.h"

namespace limpid {

namespace {

// Bits of unicode_tables::norm_stage2.
constexpr unsigned kCombiningClass = 0xFF, kMayChange = 1 << 8, kCanonical = 1 << 9, kCompat = 1 << 10;

// Hangul syllables are composed by arithmetic (The Unicode Standard, 3.12).
constexpr char32_t kSBase = 0xAC00, kLBase = 0x1100, kVBase = 0x1161, kTBase = 0x11A7;
constexpr char32_t kLCount = 19, kVCount = 21, kTCount = 28, kSCount = kLCount * kVCount * kTCount;

unsigned properties(char32_t c) {
  using namespace unicode_tables;
  return norm_stage2[static_cast<std::size_t>(norm_stage1[c >> 8]) * 256 + (c & 255)];
}

unsigned combining_class(char32_t c) { return properties(c) & kCombiningClass; }

void append_mapping(std::vector<char32_t>& out, char32_t c, const char32_t* keys, const std::uint16_t* starts,
                    const char32_t* pool, std::size_t count) {
  const std::size_t i = static_cast<std::size_t>(std::lower_bound(keys, keys + count, c) - keys);
  out.insert(out.end(), pool + starts[i], pool + starts[i + 1]);
}

void append_decomposed(std::vector<char32_t>& out, char32_t c, bool compat) {
  using namespace unicode_tables;
  if (c - kSBase < kSCount) {
    const char32_t s = c - kSBase;
    out.push_back(kLBase + s / (kVCount * kTCount));
    out.push_back(kVBase + s / kTCount % kVCount);
    if (s % kTCount != 0) out.push_back(kTBase + s % kTCount);
    return;
  }
  const unsigned p = properties(c);
  if (compat && (p & kCompat) != 0) {
    append_mapping(out, c, compat_key, compat_start, compat_pool, compat_count);
  } else if ((p & kCanonical) != 0) {
    append_mapping(out, c, canonical_key, canonical_start, canonical_pool, canonical_count);
  } else {
    out.push_back(c);
  }
}

// Stable sort of each run of combining marks by class. std::stable_sort keeps a megabyte of marks linear-logarithmic.
void reorder(std::vector<char32_t>& text) {
  for (std::size_t i = 0; i < text.size();) {
    if (combining_class(text[i]) == 0) {
      ++i;
      continue;
    }
    std::size_t end = i;
    while (end < text.size() && combining_class(text[end]) != 0) ++end;
    std::stable_sort(text.begin() + static_cast<std::ptrdiff_t>(i), text.begin() + static_cast<std::ptrdiff_t>(end),
                     [](char32_t a, char32_t b) { return combining_class(a) < combining_class(b); });
    i = end;
  }
}

// The primary composite of a pair, or 0.
char32_t compose_pair(char32_t a, char32_t b) {
  using namespace unicode_tables;
  if (a - kLBase < kLCount && b - kVBase < kVCount) return kSBase + ((a - kLBase) * kVCount + (b - kVBase)) * kTCount;
  if (a - kSBase < kSCount && (a - kSBase) % kTCount == 0 && b > kTBase && b < kTBase + kTCount)
    return a + (b - kTBase);
  const std::uint64_t key = static_cast<std::uint64_t>(a) << 32 | b;
  const auto* found = std::lower_bound(compose_key, compose_key + compose_count, key);
  return found != compose_key + compose_count && *found == key ? compose_value[found - compose_key] : 0;
}

// Canonical composition, in place: a mark joins its starter unless a mark of the same or a higher class stands between.
void compose(std::vector<char32_t>& text) {
  std::size_t out = 0, starter = 0;
  bool have_starter = false;
  unsigned last_class = 0;
  for (const char32_t c : text) {
    const unsigned cls = combining_class(c);
    const bool adjacent = have_starter && starter + 1 == out;
    if (have_starter && (adjacent || last_class < cls)) {
      if (const char32_t joined = compose_pair(text[starter], c); joined != 0) {
        text[starter] = joined;
        continue;
      }
    }
    if (cls == 0) {
      starter = out;
      have_starter = true;
    }
    last_class = cls;
    text[out++] = c;
  }
  text.resize(out);
}

}  // namespace

bool is_surely_nfc(std::string_view text) {
  const char* p = text.data();
  const char* const end = p + text.size();
  unsigned last_class = 0;
  while (p < end) {
    if (static_cast<unsigned char>(*p) < 0x80) {
      last_class = 0;
      ++p;
      continue;
    }
    const Decoded d = decode_valid(p);
    const unsigned props = properties(d.c), cls = props & kCombiningClass;
    if ((props & kMayChange) != 0 || (cls != 0 && cls < last_class)) return false;
    last_class = cls;
    p += d.size;
  }
  return true;
}

std::string normalize(std::string_view text, NormalForm form) {
  if (form == NormalForm::nfc && is_surely_nfc(text)) return std::string(text);
  const bool compat = form == NormalForm::nfkc || form == NormalForm::nfkd;
  std::vector<char32_t> chars;
  chars.reserve(text.size());
  for (const char* p = text.data(); p < text.data() + text.size();) {
    const Decoded d = decode_valid(p);
    append_decomposed(chars, d.c, compat);
    p += d.size;
  }
  reorder(chars);
  if (form == NormalForm::nfc || form == NormalForm::nfkc) compose(chars);
  std::string out;
  out.reserve(text.size());
  for (const char32_t c : chars) append_utf8(out, c);
  return out;
}

}  // namespace limpid
