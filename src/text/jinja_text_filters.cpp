// Filters that work on one value, mostly text. Each follows the function of the same name in Jinja2 (and tojson,
// Hugging Face's).
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "base/error.h"
#include "text/jinja_builtins.h"
#include "text/jinja_evaluator.h"
#include "text/jinja_text.h"

namespace limpid::jinja {
namespace {

std::string text_of(Evaluator& e, const Value& v) { return to_text(e.heap, v); }

Value tojson(Evaluator& e, const Value& v, Arguments& a) {
  const Parameters p("tojson", a, {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  style.ensure_ascii = p.flag(0, false);
  style.sort_keys = p.flag(3, false);
  if (p.has(1) && p.value(1).is_string()) style.indent = std::string(p.text(1));
  if (p.has(1) && p.value(1).is_integer())
    style.indent = std::string(static_cast<std::size_t>(std::clamp<std::int64_t>(p.integer(1), 0, 1000)), ' ');
  if (p.has(2) && !p.value(2).is_none()) {
    const std::vector<Value> both = e.iterate(p.value(2));
    if (both.size() != 2 || !both[0].is_string() || !both[1].is_string())
      fail(ErrorKind::input, "tojson: 'separators' takes two texts");
    style.item_separator = both[0].text();
    style.key_separator = both[1].text();
  }
  return e.heap.text(to_json(e.heap, v, style));
}

Value trim(Evaluator& e, const Value& v, Arguments& a) {
  const Parameters p("trim", a, {"chars"});
  const std::string text = text_of(e, v);
  return e.heap.text(std::string(p.has(0) && !p.value(0).is_none() ? strip(text, e.heap.cut(p.text(0)), Side::both)
                                                                   : strip(text, Side::both)),
                     v.is_markup());
}

Value replace_filter(Evaluator& e, const Value& v, Arguments& a) {
  const Parameters p("replace", a, {"old", "new", "count"});
  const std::string text = text_of(e, v);
  const std::int64_t count = p.has(2) && !p.value(2).is_none() ? p.integer(2) : -1;
  return e.heap.text(
      replace(e.heap.cut(text), text_of(e, p.value(0)), text_of(e, p.value(1)), count, e.heap.limits().output_bytes),
      v.is_markup());
}

Value title_filter(Evaluator& e, const Value& v,
                   Arguments&) {  // words start after white space, '-', '(', '{', '[' and '<'
  const std::string text = text_of(e, v);
  std::string out, word;
  const auto flush = [&] {
    out += capitalize(word);
    word.clear();
  };
  for (const std::string_view c : characters(e.heap.cut(text))) {
    const bool separates = (c.size() == 1 && std::string_view("-({[<").find(c[0]) != std::string_view::npos) ||
                           is_space(character_at(c, 0).code);
    if (separates) {
      flush();
      out += c;
    } else {
      word += c;
    }
  }
  flush();
  return e.heap.text(std::move(out));
}

Value default_filter(Evaluator& e, const Value& v, Arguments& a) {
  const Parameters p("default", a, {"default_value", "boolean"});
  if (v.is_undefined() || (p.flag(1, false) && !truthy(v))) return p.has(0) ? p.value(0) : e.heap.text({});
  return v;
}

Value indent(Evaluator& e, const Value& v, Arguments& a) {
  const Parameters p("indent", a, {"width", "first", "blank"});
  std::string pad(4, ' ');
  if (p.has(0))
    pad = p.value(0).is_string()
              ? std::string(p.text(0))
              : std::string(static_cast<std::size_t>(std::clamp<std::int64_t>(p.integer(0), 0, 10000)), ' ');
  const std::string text = text_of(e, v) + "\n";
  const std::vector<std::string_view> lines = split_lines(e.heap.cut(text), false);
  if (lines.size() > e.heap.limits().output_bytes / (pad.size() + 1))
    fail(ErrorKind::resources, "indent: {} lines", lines.size());
  const bool blank = p.flag(2, false);
  std::string out = p.flag(1, false) ? pad : std::string();
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i) out += '\n';
    if (i && (blank || !lines[i].empty())) out += pad;
    out += lines[i];
  }
  return e.heap.text(std::move(out), v.is_markup());
}

std::optional<std::int64_t> read_integer(std::string_view text, int base) {
  text = strip(text, Side::both);
  std::string digits;
  const bool negative = !text.empty() && text[0] == '-';
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  const std::string_view prefix = base == 16 ? "xX" : base == 8 ? "oO" : base == 2 ? "bB" : "";
  if (text.size() > 2 && text[0] == '0' && prefix.find(text[1]) != std::string_view::npos && !prefix.empty())
    text.remove_prefix(2);
  if (text.empty() || text[0] == '_' || text.back() == '_' || text[0] == '-' || text[0] == '+') return std::nullopt;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '_' && text[i + 1] == '_') return std::nullopt;
    if (text[i] != '_') digits += text[i];
  }
  if (negative) digits.insert(digits.begin(), '-');
  std::int64_t value = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (read.ptr != digits.data() + digits.size() || read.ec == std::errc::invalid_argument) return std::nullopt;
  if (read.ec != std::errc{}) fail(ErrorKind::input, "int: {} has more than 64 bits", digits.substr(0, 80));
  return value;
}

std::optional<double> read_float(std::string_view text) {
  const std::string trimmed(strip(text, Side::both));
  std::string digits;
  for (const char c : trimmed) {
    if (c == 'x' || c == 'X' || c == 'p' || c == 'P' || c == '(')
      return std::nullopt;  // C's hexadecimal numbers and nan(...) are not Python's
    if (c != '_') digits += c;
  }
  if (digits.empty() || is_space(static_cast<unsigned char>(digits[0]))) return std::nullopt;
  double value = 0;
  const char* first = digits.data() + (digits[0] == '+' ? 1 : 0);
  const auto read = std::from_chars(first, digits.data() + digits.size(), value);
  if (read.ptr != digits.data() + digits.size() || read.ec == std::errc::invalid_argument) return std::nullopt;
  return value;
}

Value int_filter(Evaluator&, const Value& v, Arguments& a) {
  const Parameters p("int", a, {"default", "base"});
  const Value fallback = p.value(0, Value(std::int64_t{0}));
  std::optional<double> number;
  if (v.is_string()) {
    const std::int64_t base = p.integer(1, 10);
    if (base < 2 || base > 36) fail(ErrorKind::input, "int: base {}", base);
    if (const auto read = read_integer(v.text(), static_cast<int>(base))) return Value(*read);
    number = read_float(v.text());
  } else if (v.is_integer()) {
    return Value(v.integer());
  } else if (v.is_float()) {
    number = v.number();
  } else if (v.is_undefined()) {
    fail(ErrorKind::input, "int: the value is undefined");
  }
  if (!number || !std::isfinite(*number)) return fallback;
  if (std::fabs(*number) >= 0x1p63) fail(ErrorKind::input, "int: {} has more than 64 bits", *number);
  return Value(static_cast<std::int64_t>(*number));
}

Value float_filter(Evaluator&, const Value& v, Arguments& a) {
  const Parameters p("float", a, {"default"});
  if (v.is_number()) return Value(v.number());
  if (v.is_undefined()) fail(ErrorKind::input, "float: the value is undefined");
  if (v.is_string()) {
    if (const auto read = read_float(v.text())) return Value(*read);
  }
  return p.value(0, Value(0.0));
}

Value round_filter(Evaluator&, const Value& v, Arguments& a) {
  const Parameters p("round", a, {"precision", "method"});
  if (!v.is_number()) fail(ErrorKind::input, "round: a number was expected, found '{}'", v.type_name());
  const std::int64_t precision = p.integer(0, 0);
  const std::string_view method = p.text(1, "common");
  if (precision < -300 || precision > 300) fail(ErrorKind::input, "round: precision {}", precision);
  if (method == "common") {
    if (v.is_integer() && precision >= 0) return Value(v.integer());
    if (precision >= 0)
      return Value(
          std::strtod(fmt::format("{:.{}f}", v.number(), precision).c_str(), nullptr));  // exact, halves to even
    const double unit = std::pow(10.0, static_cast<double>(-precision));
    const double rounded = std::nearbyint(v.number() / unit) * unit;
    return v.is_integer() && std::fabs(rounded) < 0x1p63 ? Value(static_cast<std::int64_t>(rounded)) : Value(rounded);
  }
  if (method != "ceil" && method != "floor")
    fail(ErrorKind::input, "round: method '{}', one of common, ceil, floor was expected", method);
  const double unit = std::pow(10.0, static_cast<double>(precision));
  return Value((method == "ceil" ? std::ceil(v.number() * unit) : std::floor(v.number() * unit)) / unit);
}

Value abs_filter(Evaluator& e, const Value& v, Arguments&) {
  if (v.is_float()) return Value(std::fabs(v.number()));
  if (!v.is_integer()) fail(ErrorKind::input, "abs: a number was expected, found '{}'", v.type_name());
  return v.integer() < 0 ? e.arithmetic(Arithmetic::subtract, Value(std::int64_t{0}), v) : Value(v.integer());
}

Value truncate(Evaluator& e, const Value& v, Arguments& a) {
  const Parameters p("truncate", a, {"length", "killwords", "end", "leeway"});
  const std::string text = text_of(e, v);
  const std::string_view end = p.text(2, "...");
  const std::vector<std::string_view> all = characters(e.heap.cut(text));
  const std::int64_t length = p.integer(0, 255), tail = static_cast<std::int64_t>(character_count(end));
  const std::int64_t leeway = p.has(3) && !p.value(3).is_none() ? p.integer(3) : 5;
  if (length < tail || leeway < 0)
    fail(ErrorKind::input, "truncate: length {}, at least {} was expected", length, tail);
  if (static_cast<std::int64_t>(all.size()) <= length || static_cast<std::int64_t>(all.size()) - length <= leeway)
    return e.heap.text(text);
  std::string kept;
  for (std::int64_t i = 0; i < length - tail; ++i) kept += all[static_cast<std::size_t>(i)];
  if (!p.flag(1, false)) kept = kept.substr(0, kept.rfind(' '));
  return e.heap.text(kept + std::string(end));
}

Value center(Evaluator& e, const Value& v, Arguments& a) {
  const Parameters p("center", a, {"width"});
  const std::string text = text_of(e, v);
  const std::int64_t size = static_cast<std::int64_t>(character_count(text)), width = p.integer(0, 80);
  if (width <= size) return e.heap.text(text);
  if (width > 1'000'000) fail(ErrorKind::resources, "center: width {}", width);
  const std::int64_t space = width - size, left = space / 2 + (space & width & 1);
  return e.heap.text(std::string(static_cast<std::size_t>(left), ' ') + text +
                     std::string(static_cast<std::size_t>(space - left), ' '));
}

Value format_filter(Evaluator& e, const Value& v, Arguments& a) {
  Value values;
  if (a.named.empty()) {
    List* all = e.heap.list(List::Type::tuple);
    all->items = a.positional;
    values = all;
  } else {
    Dict* all = e.heap.dict();
    for (const auto& [name, value] : a.named) all->set(e.heap, e.heap.text(name), value);
    values = all;
  }
  return e.heap.text(format_percent(e.heap, text_of(e, v), values));
}

Value urlencode(Evaluator& e, const Value& v, Arguments&) {
  std::string out;
  for (const char c : text_of(e, v)) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("_.-~/").find(c) != std::string_view::npos;
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return e.heap.text(std::move(out));
}

Value wordcount(Evaluator& e, const Value& v, Arguments&) {
  std::int64_t count = 0;
  bool inside = false;
  const std::string text = text_of(e, v);
  for (const std::string_view c : characters(e.heap.cut(text))) {
    const bool word = c == "_" || all_of_class(c, "alnum");
    count += word && !inside;
    inside = word;
  }
  return Value(count);
}

Value string_filter(Evaluator& e, const Value& v, Arguments&) { return v.is_string() ? v : e.heap.text(text_of(e, v)); }
Value escape_filter(Evaluator& e, const Value& v, Arguments&) {
  return v.is_markup() ? v : e.heap.text(escape_html(text_of(e, v)), true);
}

using Named = std::pair<std::string_view, FilterFunction>;
constexpr std::array<Named, 24> text_filters = {{
    {"tojson", tojson},
    {"trim", trim},
    {"replace", replace_filter},
    {"title", title_filter},
    {"default", default_filter},
    {"d", default_filter},
    {"indent", indent},
    {"int", int_filter},
    {"float", float_filter},
    {"round", round_filter},
    {"abs", abs_filter},
    {"truncate", truncate},
    {"center", center},
    {"format", format_filter},
    {"urlencode", urlencode},
    {"wordcount", wordcount},
    {"string", string_filter},
    {"escape", escape_filter},
    {"e", escape_filter},
    {"safe",
     [](Evaluator& e, const Value& v, Arguments&) { return v.is_markup() ? v : e.heap.text(text_of(e, v), true); }},
    {"forceescape",
     [](Evaluator& e, const Value& v, Arguments&) { return e.heap.text(escape_html(text_of(e, v)), true); }},
    {"upper",
     [](Evaluator& e, const Value& v, Arguments&) { return e.heap.text(upper(text_of(e, v)), v.is_markup()); }},
    {"lower",
     [](Evaluator& e, const Value& v, Arguments&) { return e.heap.text(lower(text_of(e, v)), v.is_markup()); }},
    {"capitalize",
     [](Evaluator& e, const Value& v, Arguments&) { return e.heap.text(capitalize(text_of(e, v)), v.is_markup()); }},
}};

}  // namespace

FilterFunction find_text_filter(std::string_view name) {
  for (const auto& [known, function] : text_filters) {
    if (known == name) return function;
  }
  return nullptr;
}

}  // namespace limpid::jinja
