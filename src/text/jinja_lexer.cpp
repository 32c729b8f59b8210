#include "text/jinja_lexer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/error.h"
#include "text/jinja_text.h"

namespace limpid::jinja {
namespace {

bool is_name_start(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
}
bool is_digit(unsigned char c) { return c >= '0' && c <= '9'; }

std::string normalized(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      out += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      out += source[i];
    }
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(normalized(source)) {}

  std::vector<Token> run() {
    while (at_ < source_.size()) {
      const std::size_t open = next_tag();
      const bool variable = open < source_.size() && source_[open + 1] == '{';
      const char sign = open + 2 < source_.size() ? source_[open + 2] : '\0';
      data(open, sign, variable);
      if (open >= source_.size()) break;
      advance(open);
      if (source_[open + 1] == '#') {
        comment();
      } else if (variable) {
        tag(Token::Type::variable_begin, Token::Type::variable_end, "}}");
      } else if (!raw()) {
        tag(Token::Type::block_begin, Token::Type::block_end, "%}");
      }
    }
    add(Token::Type::end, {});
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void error(std::string_view what) const { fail(ErrorKind::input, "line {}: {}", line_, what); }

  void add(Token::Type type, std::string text) { tokens_.push_back({type, std::move(text), line_}); }

  void advance(std::size_t to) {
    line_ += static_cast<int>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(at_),
                                         source_.begin() + static_cast<std::ptrdiff_t>(to), '\n'));
    at_ = to;
  }

  std::size_t next_tag() const {
    for (std::size_t at = at_; (at = source_.find('{', at)) != std::string::npos; ++at) {
      if (at + 1 < source_.size() && (source_[at + 1] == '{' || source_[at + 1] == '%' || source_[at + 1] == '#'))
        return at;
    }
    return source_.size();
  }

  // The text up to a tag at `end`, less the white space that the tag eats.
  void data(std::size_t end, char sign, bool variable) {
    std::string_view text = std::string_view(source_).substr(at_, end - at_);
    if (end < source_.size()) {
      if (sign == '-') {
        text = strip(text, Side::right);
      } else if (sign != '+' && !variable) {
        const std::size_t line_start = text.rfind('\n') + 1;  // 0 where there is none
        if ((line_start > 0 || line_starting_) && strip(text.substr(line_start), Side::left).empty())
          text = text.substr(0, line_start);
      }
    }
    if (!text.empty()) add(Token::Type::data, std::string(text));
    advance(end);
  }

  // After the closing characters of a tag: `-` before them eats all white space, `+` nothing, otherwise a block eats
  // one newline.
  void close(char sign, bool trims) {
    std::size_t to = at_;
    if (sign == '-') {
      const std::string_view rest = std::string_view(source_).substr(at_);
      to += rest.size() - strip(rest, Side::left).size();
    } else if (sign != '+' && trims && to < source_.size() && source_[to] == '\n') {
      ++to;
    }
    advance(to);
    line_starting_ = source_[at_ - 1] == '\n';
  }

  void comment() {
    const std::size_t start =
        at_ + 2 + (at_ + 2 < source_.size() && (source_[at_ + 2] == '-' || source_[at_ + 2] == '+') ? 1 : 0);
    const std::size_t end = source_.find("#}", start);
    if (end == std::string::npos) error("a comment is not closed: expected '#}'");
    const char sign = end > start ? source_[end - 1] : '\0';
    advance(end + 2);
    close(sign, true);
  }

  void skip_space(std::size_t& at) const {
    while (at < source_.size() && is_space(static_cast<unsigned char>(source_[at]))) ++at;
  }

  // `{% NAME %}` at `at` (signs allowed): its end and the sign before it; false if that is not what stands there.
  bool bare_tag(std::size_t at, std::string_view name, std::size_t& end, char& open_sign, char& close_sign) const {
    if (source_.compare(at, 2, "{%") != 0) return false;
    at += 2;
    open_sign = close_sign = '\0';
    if (at < source_.size() && (source_[at] == '-' || source_[at] == '+')) open_sign = source_[at++];
    skip_space(at);
    if (source_.compare(at, name.size(), name) != 0) return false;
    at += name.size();
    skip_space(at);
    if (at < source_.size() && (source_[at] == '-' || source_[at] == '+')) close_sign = source_[at++];
    if (source_.compare(at, 2, "%}") != 0) return false;
    end = at + 2;
    return true;
  }

  // {% raw %} ... {% endraw %}: true if it stands here.
  bool raw() {
    std::size_t end = 0;
    char open_sign = 0, close_sign = 0;
    if (!bare_tag(at_, "raw", end, open_sign, close_sign)) return false;
    advance(end);
    close(close_sign, false);
    for (std::size_t at = at_; (at = source_.find("{%", at)) != std::string::npos; at += 2) {
      if (!bare_tag(at, "endraw", end, open_sign, close_sign)) continue;
      data(at, open_sign, false);
      advance(end);
      close(close_sign, true);
      return true;
    }
    error("a raw block is not closed: expected '{% endraw %}'");
  }

  void tag(Token::Type begin, Token::Type end, std::string_view closing) {
    at_ += 2;
    if (at_ < source_.size() && (source_[at_] == '-' || source_[at_] == '+')) ++at_;
    add(begin, {});
    std::string open;  // brackets that wait for their end: inside them a closing brace is not the end of the tag
    for (;;) {
      std::size_t at = at_;
      skip_space(at);
      advance(at);
      if (at_ >= source_.size()) error("a tag is not closed: expected '" + std::string(closing) + "'");
      if (open.empty()) {
        const char sign =
            source_[at_] == '-' || (source_[at_] == '+' && end == Token::Type::block_end) ? source_[at_] : '\0';
        if (source_.compare(at_ + (sign ? 1 : 0), 2, closing) == 0) {
          add(end, {});
          advance(at_ + (sign ? 3 : 2));
          close(sign, end == Token::Type::block_end);
          return;
        }
      }
      token(open);
    }
  }

  void token(std::string& open) {
    const unsigned char c = static_cast<unsigned char>(source_[at_]);
    if (is_name_start(c)) {
      std::size_t end = at_;
      while (end < source_.size() && (is_name_start(static_cast<unsigned char>(source_[end])) ||
                                      is_digit(static_cast<unsigned char>(source_[end]))))
        ++end;
      add(Token::Type::name, source_.substr(at_, end - at_));
      at_ = end;
    } else if (is_digit(c)) {
      number();
    } else if (c == '\'' || c == '"') {
      string(static_cast<char>(c));
    } else {
      punctuation(open);
    }
  }

  void number() {
    std::size_t at = at_;
    std::string text;
    const auto digits = [&] {
      while (at < source_.size() &&
             (is_digit(static_cast<unsigned char>(source_[at])) || (source_[at] == '_' && at > at_))) {
        if (source_[at] != '_') text += source_[at];
        ++at;
      }
    };
    const auto digit_at = [&](std::size_t i) {
      return i < source_.size() && is_digit(static_cast<unsigned char>(source_[i]));
    };
    if (source_[at] == '0' && at + 1 < source_.size() &&
        std::string_view("xXoObB").find(source_[at + 1]) != std::string_view::npos) {
      return based_number(source_[at + 1]);
    }
    digits();
    Token::Type type = Token::Type::integer;
    if (at + 1 < source_.size() && source_[at] == '.' && digit_at(at + 1)) {
      type = Token::Type::real;
      text += source_[at++];
      digits();
    }
    if (at < source_.size() && (source_[at] == 'e' || source_[at] == 'E')) {
      const std::size_t sign = at + 1 < source_.size() && (source_[at + 1] == '+' || source_[at + 1] == '-') ? 1 : 0;
      if (digit_at(at + 1 + sign)) {
        type = Token::Type::real;
        text += 'e';
        if (sign) text += source_[at + 1];
        at += 1 + sign;
        digits();
      }
    }
    add(type, std::move(text));
    at_ = at;
  }

  void based_number(char kind) {
    const int base = kind == 'x' || kind == 'X' ? 16 : kind == 'o' || kind == 'O' ? 8 : 2;
    std::string digits;
    std::size_t at = at_ + 2;
    while (at < source_.size() && (std::isxdigit(static_cast<unsigned char>(source_[at])) || source_[at] == '_')) {
      if (source_[at] != '_') digits += source_[at];
      ++at;
    }
    std::int64_t value = 0;
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
    if (digits.empty() || read.ec != std::errc{} || read.ptr != digits.data() + digits.size())
      error("bad number " + source_.substr(at_, at - at_));
    add(Token::Type::integer, std::to_string(value));
    at_ = at;
  }

  void string(char quote) {
    std::string text;
    const int line = line_;
    std::size_t at = at_ + 1;
    while (at < source_.size() && source_[at] != quote) {
      if (source_[at] == '\\' && at + 1 < source_.size()) {
        escape(text, at);
      } else {
        text += source_[at++];
      }
    }
    if (at >= source_.size()) error("a string is not closed");
    advance(at + 1);
    tokens_.push_back({Token::Type::string, std::move(text), line});
  }

  // A backslash at `at`, by the rules of Python's string literals; an unknown escape stays as it is.
  void escape(std::string& text, std::size_t& at) const {
    static constexpr std::string_view names = "abfnrtv\\'\"", values = "\a\b\f\n\r\t\v\\'\"";
    const char kind = source_[at + 1];
    const std::size_t simple = names.find(kind);
    const std::size_t digits = kind == 'x' ? 2 : kind == 'u' ? 4 : kind == 'U' ? 8 : 0;
    if (simple != std::string_view::npos) {
      text += values[simple];
      at += 2;
    } else if (kind == '\n') {
      at += 2;
    } else if (digits) {
      std::uint32_t code = 0;
      const char* first = source_.data() + std::min(at + 2, source_.size());
      const char* last = source_.data() + std::min(at + 2 + digits, source_.size());
      const auto read = std::from_chars(first, last, code, 16);
      if (read.ec != std::errc{} || read.ptr != first + digits || code > 0x10FFFF)
        error("a bad \\" + std::string(1, kind) + " escape in a string");
      if (code >= 0xD800 && code <= 0xDFFF) error("a surrogate in a string");
      append_character(text, code);
      at += 2 + digits;
    } else if (kind >= '0' && kind <= '7') {
      char32_t code = 0;
      std::size_t end = at + 1;
      while (end < at + 4 && end < source_.size() && source_[end] >= '0' && source_[end] <= '7')
        code = code * 8 + static_cast<char32_t>(source_[end++] - '0');
      append_character(text, code);
      at = end;
    } else {
      text += '\\';
      ++at;
    }
  }

  void punctuation(std::string& open) {
    static constexpr std::array<std::string_view, 27> known = {"**", "//", "==", "!=", ">=", "<=", "+", "-", "*",
                                                               "/",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                                               ">",  "<",  "=",  ".",  ":",  "|",  ",", ";", "!"};
    for (const std::string_view text : known) {
      if (source_.compare(at_, text.size(), text) != 0 || text == "!") continue;
      if (text == "(" || text == "[" || text == "{") open += text == "(" ? ')' : text == "[" ? ']' : '}';
      if (text == ")" || text == "]" || text == "}") {
        if (open.empty() || open.back() != text[0]) error("unexpected '" + std::string(text) + "'");
        open.pop_back();
      }
      add(Token::Type::punctuation, std::string(text));
      at_ += text.size();
      return;
    }
    error("unexpected character '" + source_.substr(at_, character_at(source_, at_).size) + "'");
  }

  const std::string source_;
  std::size_t at_ = 0;
  int line_ = 1;
  bool line_starting_ = true;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(std::string_view source) { return Lexer(source).run(); }

}  // namespace limpid::jinja
