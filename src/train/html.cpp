#include "train/html.h"

#include "text/unicode.h"

namespace limpid {

namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

std::string_view escaped(char c) {
  switch (c) {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    case '"':
      return "&quot;";
    case '\'':
      return "&#39;";
    default:
      return {};
  }
}

}  // namespace

std::string html_text(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 16);
  while (!text.empty()) {
    const Utf8Step step = utf8_step(text);
    const auto size = std::max<std::size_t>(step.size, 1);
    const std::string_view entity = size == 1 ? escaped(text[0]) : std::string_view();
    const auto byte = static_cast<unsigned char>(text[0]);
    const bool control = size == 1 && ((byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7F);
    if (!entity.empty())
      out += entity;
    else if (step.state != Utf8State::valid || control)
      out += kReplacement;
    else
      out += text.substr(0, size);
    text.remove_prefix(size);
  }
  return out;
}

}  // namespace limpid
