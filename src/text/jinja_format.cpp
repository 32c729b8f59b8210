// Python's two ways to fill a text with values: "%s and %d" % (a, b) and "{} and {name}".format(a, name=b).
#include <cmath>

#include "base/error.h"
#include "text/jinja_builtins.h"
#include "text/jinja_evaluator.h"
#include "text/jinja_text.h"

namespace limpid::jinja {
namespace {

constexpr int widest = 10'000;

struct Specification {
  bool left = false, zero = false, plus = false, blank = false, alternate = false;
  int width = 0, precision = -1;
};

std::string padded(std::string text, const Specification& s, bool number) {
  const std::size_t size = character_count(text), width = static_cast<std::size_t>(s.width);
  if (size >= width) return text;
  if (s.left) return text.append(width - size, ' ');
  const std::size_t sign =
      number && s.zero && !text.empty() && (text[0] == '-' || text[0] == '+' || text[0] == ' ') ? 1 : 0;
  return text.insert(number && s.zero ? sign : 0, width - size, number && s.zero ? '0' : ' ');
}

class Percent {
 public:
  Percent(Heap& heap, std::string_view pattern, const Value& values)
      : heap_(heap), pattern_(pattern), values_(values) {}

  std::string run() {
    std::string out;
    while (at_ < pattern_.size()) {
      const std::size_t next = std::min(pattern_.find('%', at_), pattern_.size());
      out += pattern_.substr(at_, next - at_);
      at_ = next + 1;
      if (next < pattern_.size()) out += directive();
      heap_.step_bytes(out.size() / 16);
      if (out.size() > heap_.limits().output_bytes)
        fail(ErrorKind::resources, "more than {} bytes of text", heap_.limits().output_bytes);
    }
    const List* list = values_.list();
    const bool tuple = list && list->type == List::Type::tuple;
    if (tuple ? used_ < list->items.size() : !used_ && !values_.is_mapping() && !list)
      fail(ErrorKind::input, "'%': not all values were used");
    return out;
  }

 private:
  char peek() const {
    if (at_ >= pattern_.size()) fail(ErrorKind::input, "'%': the text ends inside a format");
    return pattern_[at_];
  }

  int size() {
    if (peek() == '*') fail(ErrorKind::unsupported, "'%': a width from the values");
    int value = 0;
    while (peek() >= '0' && peek() <= '9') {
      value = value * 10 + (pattern_[at_++] - '0');
      if (value > widest) fail(ErrorKind::resources, "'%': a width over {}", widest);
    }
    return value;
  }

  std::string directive() {
    if (peek() == '%') return ++at_, "%";
    Value value;
    bool named = false;
    if (peek() == '(') {
      const std::size_t end = pattern_.find(')', at_);
      if (end == std::string_view::npos) fail(ErrorKind::input, "'%': a name is not closed");
      const std::string_view name = pattern_.substr(at_ + 1, end - at_ - 1);
      const Value* found = values_.is_mapping() ? values_.dict()->find(name) : nullptr;
      if (!found) fail(ErrorKind::input, "'%': no value is named '{}'", name.substr(0, 200));
      value = *found;
      named = true;
      at_ = end + 1;
    }
    Specification s;
    for (;; ++at_) {
      const char c = peek();
      bool* flag = c == '-'   ? &s.left
                   : c == '0' ? &s.zero
                   : c == '+' ? &s.plus
                   : c == ' ' ? &s.blank
                   : c == '#' ? &s.alternate
                              : nullptr;
      if (!flag) break;
      *flag = true;
    }
    s.width = size();
    if (peek() == '.') {
      ++at_;
      s.precision = size();
    }
    const char kind = peek();
    ++at_;
    return convert(kind, named ? value : next(), s);
  }

  Value next() {
    const List* list = values_.list();
    const std::size_t at = used_++;
    if (list && list->type == List::Type::tuple) {
      if (at >= list->items.size()) fail(ErrorKind::input, "'%': not enough values");
      return list->items[at];
    }
    if (at) fail(ErrorKind::input, "'%': not enough values");
    return values_;
  }

  std::string convert(char kind, const Value& value, const Specification& s) {
    if (kind == 's' || kind == 'r') {
      std::string text = kind == 's' ? to_text(heap_, value) : to_repr(heap_, value);
      if (s.precision >= 0) {
        const auto all = characters(heap_.cut(text));
        if (all.size() > static_cast<std::size_t>(s.precision))
          text.resize(static_cast<std::size_t>(all[static_cast<std::size_t>(s.precision)].data() - text.data()));
      }
      return padded(std::move(text), s, false);
    }
    if (!value.is_number()) fail(ErrorKind::input, "'%{}': a number was expected, found '{}'", kind, value.type_name());
    std::string digits;
    bool negative = value.number() < 0;
    if (kind == 'd' || kind == 'i' || kind == 'x' || kind == 'X' || kind == 'o') {
      if (value.is_float() && !(std::fabs(value.number()) < 0x1p63))
        fail(ErrorKind::input, "'%{}': {} has more than 64 bits", kind, value.number());
      const std::int64_t whole = value.is_float() ? static_cast<std::int64_t>(value.number()) : value.integer();
      negative = whole < 0;
      const std::uint64_t size = negative ? -static_cast<std::uint64_t>(whole) : static_cast<std::uint64_t>(whole);
      digits = kind == 'x'   ? fmt::format("{:x}", size)
               : kind == 'X' ? fmt::format("{:X}", size)
               : kind == 'o' ? fmt::format("{:o}", size)
                             : std::to_string(size);
      if (s.precision > static_cast<int>(digits.size()))
        digits.insert(0, static_cast<std::size_t>(s.precision) - digits.size(), '0');
      if (s.alternate && kind != 'd' && kind != 'i') digits.insert(0, kind == 'o' ? "0o" : kind == 'x' ? "0x" : "0X");
    } else if (kind == 'f' || kind == 'F' || kind == 'e' || kind == 'g') {
      const double size = std::fabs(value.number());
      const int precision = s.precision < 0 ? 6 : s.precision;
      digits = kind == 'e'   ? fmt::format("{:.{}e}", size, precision)
               : kind == 'g' ? fmt::format("{:.{}g}", size, precision)
                             : fmt::format("{:.{}f}", size, precision);
    } else {
      fail(ErrorKind::unsupported, "'%{}': no such format", kind);
    }
    return padded((negative ? "-" : s.plus ? "+" : s.blank ? " " : "") + digits, s, true);
  }

  Heap& heap_;
  std::string_view pattern_;
  const Value& values_;
  std::size_t at_ = 0, used_ = 0;
};

// The value of "{name.part[0]}": its first name or number, then attributes and items.
Value field(Evaluator& e, std::string_view name, const Arguments& arguments, std::size_t& automatic) {
  const std::size_t end = std::min(name.find_first_of(".["), name.size());
  const std::string_view head = name.substr(0, end);
  Value value;
  if (head.empty() || (head.find_first_not_of("0123456789") == std::string_view::npos && head.size() < 6)) {
    const std::size_t at = head.empty() ? automatic++ : std::stoul(std::string(head));
    if (at >= arguments.positional.size())
      fail(ErrorKind::input, "format: no value {} of {}", at, arguments.positional.size());
    value = arguments.positional[at];
  } else {
    const Value* found = nullptr;
    for (const auto& [known, named] : arguments.named) found = known == head ? &named : found;
    if (!found) fail(ErrorKind::input, "format: no value is named '{}'", head.substr(0, 200));
    value = *found;
  }
  for (std::size_t at = end; at < name.size();) {
    const bool item = name[at] == '[';
    const std::size_t stop = item ? name.find(']', at) : std::min(name.find_first_of(".[", at + 1), name.size());
    if (stop == std::string_view::npos) fail(ErrorKind::input, "format: '[' is not closed");
    const std::string_view part = name.substr(at + 1, stop - at - 1);
    const bool index =
        item && !part.empty() && part.size() < 10 && part.find_first_not_of("0123456789") == std::string_view::npos;
    if (item) {
      value = e.item(value, index ? Value(static_cast<std::int64_t>(std::stol(std::string(part))))
                                  : e.heap.text(std::string(part)));
    } else {
      value = e.attribute(value, part);
    }
    at = stop + (item ? 1 : 0);
  }
  return value;
}

}  // namespace

std::string format_percent(Heap& heap, std::string_view pattern, const Value& values) {
  return Percent(heap, pattern, values).run();
}

std::string format_braces(Evaluator& e, std::string_view pattern, const Arguments& arguments) {
  std::string out;
  std::size_t automatic = 0;
  for (std::size_t at = 0; at < pattern.size();) {
    const char c = pattern[at];
    if (c != '{' && c != '}') {
      out += c;
      ++at;
      continue;
    }
    if (at + 1 < pattern.size() && pattern[at + 1] == c) {
      out += c;
      at += 2;
      continue;
    }
    const std::size_t end = pattern.find('}', at);
    if (c == '}' || end == std::string_view::npos) fail(ErrorKind::input, "format: a single '{}'", c);
    std::string_view name = pattern.substr(at + 1, end - at - 1);
    if (name.find_first_of(":!{") != std::string_view::npos)
      fail(ErrorKind::unsupported, "format: the specification '{}'", name.substr(0, 200));
    e.write(out, to_text(e.heap, field(e, name, arguments, automatic)));
    at = end + 1;
  }
  return out;
}

}  // namespace limpid::jinja
