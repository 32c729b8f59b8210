#include "app/printable.h"

#include <fmt/format.h>
#include <unistd.h>

#include "text/unicode.h"

namespace limpid {

namespace {

// U+0080 to U+009F in UTF-8; 0: something else begins here.
unsigned c1_at(std::string_view text, std::size_t i) {
  if (static_cast<unsigned char>(text[i]) != 0xC2 || i + 1 >= text.size()) return 0;
  const auto second = static_cast<unsigned char>(text[i + 1]);
  return second >= 0x80 && second < 0xA0 ? second : 0;
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c1_at(text, i) != 0)
      ++i;
    else if ((c >= 0x20 && c != 0x7F) || c == '\n' || c == '\t')
      out += text[i];
  }
  return out;
}

std::string visible(std::string_view bytes) {
  const std::string text = to_valid_utf8(bytes);
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (const unsigned code = c1_at(text, i); code != 0) {
      out += fmt::format("\\u{:04x}", code);
      ++i;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c >= 0x20 && c != 0x7F) {
      out += text[i];
    } else {
      out += fmt::format("\\x{:02x}", c);
    }
  }
  return out;
}

std::string for_stream(int fd, std::string_view text) { return isatty(fd) != 0 ? printable(text) : std::string(text); }

std::string visible_json(std::string_view json) {
  std::string out;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const unsigned code = json[i] == 0x7F ? 0x7F : c1_at(json, i);
    if (code == 0)
      out += json[i];
    else
      out += fmt::format("\\u{:04x}", code);
    if (code > 0x7F) ++i;
  }
  return out;
}

}  // namespace limpid
