#include "app/word_wrap.h"

#include <fmt/format.h>

#include <algorithm>
#include <cwchar>
#include <utility>

#include "text/unicode.h"

namespace limpid {

void WordWrap::resize(int columns) {
  if (columns == columns_) return;
  columns_ = columns;
  row_ += column_ / columns;
  column_ %= columns;
  word_.clear(), word_width_ = 0;
}

void WordWrap::line_end(std::string& out) {
  out += '\n';
  ++row_;
  column_ = word_width_ = 0;
  word_.clear();
}

std::string WordWrap::add(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const Utf8Step step = utf8_step(text);
    const std::string_view bytes = text.substr(0, std::max<std::size_t>(step.size, 1));
    text.remove_prefix(bytes.size());
    const bool again = std::exchange(broke_at_space_, false);
    if (bytes == "\n") {
      if (line_.starts_with("```")) code_ = !code_;
      line_.clear();
      if (!again) line_end(out);  // else the row has ended already
      continue;
    }
    if (line_.size() < 3) line_ += bytes;
    if (bytes == "\t") {
      out += '\t';
      column_ = std::min((column_ / 8 + 1) * 8, columns_ - 1);
      word_.clear(), word_width_ = 0;
    } else if (bytes == " " && !code_ && column_ == columns_) {
      line_end(out);
      broke_at_space_ = true;
    } else {
      const char32_t c = step.state == Utf8State::valid ? decode_valid(bytes.data()).c : U'\uFFFD';
      character(bytes, std::max(wcwidth(static_cast<wchar_t>(c)), 0), out);
    }
  }
  return out;
}

void WordWrap::character(std::string_view bytes, int width, std::string& out) {
  if (column_ + width > columns_) {
    const int start = column_ - word_width_;
    if (!code_ && word_width_ > 0 && word_width_ <= columns_ / 2 && start > 0 && width == 1) {
      const std::string word = word_;
      const int word_width = word_width_;
      out += fmt::format("\r\x1b[{}C\x1b[K", start);
      line_end(out);
      out += word;
      word_ = word;
      column_ = word_width_ = word_width;
    } else {  // the terminal wraps
      ++row_;
      column_ = word_width_ = 0;
      word_.clear();
    }
  }
  out += bytes;
  column_ += width;
  if (bytes == " " || width == 2) {
    word_.clear(), word_width_ = 0;
  } else if (width > 0 || !word_.empty()) {
    word_ += bytes;
    word_width_ += width;
  }
}

}  // namespace limpid
