#include "text/jinja_text.h"

#include <locale.h>
#include <wctype.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace limpid::jinja {
namespace {

// The C library's tables of Unicode; read-only once made.
locale_t unicode() {
  static const locale_t locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  return locale;
}

bool in_class(char32_t code, const char* name) {
  if (!unicode()) return code < 128 && iswctype(static_cast<wint_t>(code), wctype(name));
  return iswctype_l(static_cast<wint_t>(code), wctype_l(name, unicode()), unicode()) != 0;
}
char32_t to_upper(char32_t code) {
  if (code < 128 || !unicode()) return code >= 'a' && code <= 'z' ? code - 32 : code;
  return static_cast<char32_t>(towupper_l(static_cast<wint_t>(code), unicode()));
}
char32_t to_lower(char32_t code) {
  if (code < 128 || !unicode()) return code >= 'A' && code <= 'Z' ? code + 32 : code;
  return static_cast<char32_t>(towlower_l(static_cast<wint_t>(code), unicode()));
}

// Python's str.isprintable is false for these too: formats (Cf) and private use (Co).
bool is_hidden(char32_t c) {
  static constexpr char32_t ranges[][2] = {
      {0xAD, 0xAD},       {0x600, 0x605},     {0x61C, 0x61C},     {0x6DD, 0x6DD},     {0x70F, 0x70F},
      {0x890, 0x891},     {0x8E2, 0x8E2},     {0x180E, 0x180E},   {0x200B, 0x200F},   {0x202A, 0x202E},
      {0x2060, 0x2064},   {0x2066, 0x206F},   {0xE000, 0xF8FF},   {0xFEFF, 0xFEFF},   {0xFFF9, 0xFFFB},
      {0x110BD, 0x110BD}, {0x110CD, 0x110CD}, {0x13430, 0x1343F}, {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A},
      {0xE0001, 0xE007F}, {0xF0000, 0x10FFFF}};
  return std::any_of(std::begin(ranges), std::end(ranges),
                     [c](const auto& range) { return c >= range[0] && c <= range[1]; });
}

bool is_valid(std::string_view text, std::size_t at, std::size_t size) {
  return size > 1 || static_cast<unsigned char>(text[at]) < 0x80;
}

template <typename F>
std::string map_characters(std::string_view text, F&& map) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const Character c = character_at(text, at);
    if (is_valid(text, at, c.size)) {
      append_character(out, map(c.code));
    } else {
      out += text[at];
    }
    at += c.size;
  }
  return out;
}

}  // namespace

Character character_at(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(i < text.size() ? text[i] : 0); };
  const unsigned char lead = byte(at);
  const auto tail = [&](std::size_t i) { return (byte(at + i) & 0xC0) == 0x80; };
  const auto bits = [&](std::size_t i) { return static_cast<char32_t>(byte(at + i) & 0x3F); };
  if (lead >= 0xC2 && lead < 0xE0 && tail(1)) return {static_cast<char32_t>((lead & 0x1Fu) << 6 | bits(1)), 2};
  if ((lead & 0xF0) == 0xE0 && tail(1) && tail(2)) {
    const char32_t code = (lead & 0x0Fu) << 12 | bits(1) << 6 | bits(2);
    if (code >= 0x800 && (code < 0xD800 || code > 0xDFFF)) return {code, 3};
  }
  if ((lead & 0xF8) == 0xF0 && tail(1) && tail(2) && tail(3)) {
    const char32_t code = (lead & 0x07u) << 18 | bits(1) << 12 | bits(2) << 6 | bits(3);
    if (code >= 0x10000 && code <= 0x10FFFF) return {code, 4};
  }
  return {lead, 1};
}

void append_character(std::string& out, char32_t code) {
  const auto put = [&out](char32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | code >> 6), put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | code >> 12), put(0x80 | (code >> 6 & 0x3F)), put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | code >> 18), put(0x80 | (code >> 12 & 0x3F)), put(0x80 | (code >> 6 & 0x3F)), put(0x80 | (code & 0x3F));
  }
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::size_t character_count(std::string_view text) {
  std::size_t count = 0;
  for (std::size_t at = 0; at < text.size(); at += character_at(text, at).size) ++count;
  return count;
}

std::vector<std::string_view> characters(std::string_view text) {
  std::vector<std::string_view> out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = character_at(text, at).size;
    out.push_back(text.substr(at, size));
    at += size;
  }
  return out;
}

std::size_t find_bytes(std::string_view text, std::string_view what, std::size_t from) {
  if (from > text.size()) return std::string_view::npos;
  if (what.empty()) return from;
  if (from == text.size()) return std::string_view::npos;
  const void* found = memmem(text.data() + from, text.size() - from, what.data(), what.size());
  return found ? static_cast<std::size_t>(static_cast<const char*>(found) - text.data()) : std::string_view::npos;
}

bool is_space(char32_t c) {
  return (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

namespace {
template <typename F>
std::string_view strip_where(std::string_view text, Side side, F&& drop) {
  if (side != Side::right) {
    while (!text.empty()) {
      const Character c = character_at(text, 0);
      if (!drop(text.substr(0, c.size), c.code)) break;
      text.remove_prefix(c.size);
    }
  }
  if (side != Side::left) {
    while (!text.empty()) {
      std::size_t start = text.size() - 1;
      for (std::size_t back = 1; back <= 4 && back <= text.size(); ++back) {
        if (character_at(text, text.size() - back).size == back) start = text.size() - back;
      }
      const Character c = character_at(text, start);
      if (!drop(text.substr(start), c.code)) break;
      text.remove_suffix(text.size() - start);
    }
  }
  return text;
}
}  // namespace

std::string_view strip(std::string_view text, Side side) {
  return strip_where(text, side, [](std::string_view bytes, char32_t code) {
    return (bytes.size() > 1 || static_cast<unsigned char>(bytes[0]) < 0x80) && is_space(code);
  });
}

std::string_view strip(std::string_view text, std::string_view set, Side side) {
  std::vector<std::string_view> drop = characters(set);
  std::sort(drop.begin(), drop.end());
  return strip_where(text, side, [&drop](std::string_view bytes, char32_t) {
    return std::binary_search(drop.begin(), drop.end(), bytes);
  });
}

std::vector<std::string_view> split(std::string_view text, std::int64_t limit) {
  std::vector<std::string_view> out;
  text = strip(text, Side::left);
  while (!text.empty()) {
    if (limit >= 0 && static_cast<std::int64_t>(out.size()) == limit) {
      out.push_back(text);
      break;
    }
    std::size_t end = 0;
    while (end < text.size() && !is_space(character_at(text, end).code)) end += character_at(text, end).size;
    out.push_back(text.substr(0, end));
    text = strip(text.substr(end), Side::left);
  }
  return out;
}

std::vector<std::string_view> split(std::string_view text, std::string_view separator, std::int64_t limit,
                                    bool from_right) {
  std::vector<std::size_t> cuts;
  for (std::size_t at = 0; (at = find_bytes(text, separator, at)) != std::string_view::npos; at += separator.size()) {
    cuts.push_back(at);
    if (!from_right && limit >= 0 && static_cast<std::int64_t>(cuts.size()) > limit) break;
  }
  if (limit >= 0 && static_cast<std::int64_t>(cuts.size()) > limit) {
    if (from_right) {
      cuts.erase(cuts.begin(), cuts.end() - limit);
    } else {
      cuts.resize(static_cast<std::size_t>(limit));
    }
  }
  std::vector<std::string_view> out;
  std::size_t start = 0;
  for (const std::size_t cut : cuts) {
    out.push_back(text.substr(start, cut - start));
    start = cut + separator.size();
  }
  out.push_back(text.substr(start));
  return out;
}

std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends) {
  std::vector<std::string_view> out;
  for (std::size_t start = 0, at = 0; start < text.size();) {
    std::size_t end = 0;  // size of the line break at `at`
    while (at < text.size()) {
      const Character c = character_at(text, at);
      if (c.code == '\r' && at + 1 < text.size() && text[at + 1] == '\n') {
        end = 2;
      } else if ((c.code >= 10 && c.code <= 13) || (c.code >= 0x1C && c.code <= 0x1E) || c.code == 0x85 ||
                 c.code == 0x2028 || c.code == 0x2029) {
        end = c.size;
      }
      if (end) break;
      at += c.size;
    }
    out.push_back(text.substr(start, at - start + (keep_ends ? end : 0)));
    at += end;
    start = at;
  }
  return out;
}

std::string replace(std::string_view text, std::string_view what, std::string_view with, std::int64_t limit,
                    std::size_t most) {
  std::vector<std::string_view> pieces;
  if (what.empty()) {
    pieces = characters(text);
    pieces.insert(pieces.begin(), std::string_view{});
    pieces.push_back({});
    if (limit >= 0 && static_cast<std::size_t>(limit) + 1 < pieces.size()) {
      const std::size_t kept = static_cast<std::size_t>(limit) + 1;
      const char* rest = limit ? pieces[kept - 1].data() : text.data();
      pieces.resize(kept);
      pieces.back() = std::string_view(rest, static_cast<std::size_t>(text.data() + text.size() - rest));
    }
  } else {
    pieces = split(text, what, limit, false);
  }
  return join(pieces, with, most);
}

std::string join(const std::vector<std::string_view>& pieces, std::string_view between, std::size_t most) {
  std::size_t size = pieces.empty() ? 0 : (pieces.size() - 1) * between.size();
  for (const std::string_view piece : pieces) size += piece.size();
  if (size > most) fail(ErrorKind::resources, "a text of {} bytes; at most {} are allowed", size, most);
  std::string out;
  out.reserve(size);
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (i) out += between;
    out += pieces[i];
  }
  return out;
}

std::string upper(std::string_view text) { return map_characters(text, to_upper); }
std::string lower(std::string_view text) { return map_characters(text, to_lower); }

std::string title(std::string_view text) {
  bool inside = false;
  return map_characters(text, [&inside](char32_t c) {
    const char32_t out = inside ? to_lower(c) : to_upper(c);
    inside = to_upper(c) != c || to_lower(c) != c;  // a cased letter
    return out;
  });
}

std::string capitalize(std::string_view text) {
  bool first = true;
  return map_characters(text, [&first](char32_t c) {
    const char32_t out = first ? to_upper(c) : to_lower(c);
    first = false;
    return out;
  });
}

bool all_of_class(std::string_view text, const char* name) {
  bool any = false;
  for (std::size_t at = 0; at < text.size();) {
    const Character c = character_at(text, at);
    if (!in_class(c.code, name)) return false;
    any = true;
    at += c.size;
  }
  return any;
}

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '"':
        out += "&#34;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

void append_quoted(std::string& out, std::string_view text) {
  const bool twin = text.find('\'') != std::string_view::npos && text.find('"') == std::string_view::npos;
  const char quote = twin ? '"' : '\'';
  out += quote;
  for (std::size_t at = 0; at < text.size();) {
    const Character c = character_at(text, at);
    const std::string_view bytes = text.substr(at, c.size);
    at += c.size;
    if (c.code == static_cast<char32_t>(quote) || c.code == '\\') {
      out += '\\';
      out += static_cast<char>(c.code);
    } else if (c.code == '\n' || c.code == '\r' || c.code == '\t') {
      out += c.code == '\n' ? "\\n" : c.code == '\r' ? "\\r" : "\\t";
    } else if (c.code < 0x20 || c.code == 0x7F || (c.code < 0xA1 && c.code >= 0x80)) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned>(c.code));
    } else if (c.size > 1 && (is_space(c.code) || is_hidden(c.code) || !in_class(c.code, "print"))) {
      out += c.code < 0x10000 ? fmt::format("\\u{:04x}", static_cast<unsigned>(c.code))
                              : fmt::format("\\U{:08x}", static_cast<unsigned>(c.code));
    } else {
      out += bytes;
    }
  }
  out += quote;
}

}  // namespace limpid::jinja
