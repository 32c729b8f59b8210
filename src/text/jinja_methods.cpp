// Methods of str, list and dict. Lists and dicts may be changed in place (append, pop, update ...): they belong to this
// rendering alone. Hugging Face's sandbox refuses those; published templates that use them (Kimi-K2-Thinking) render
// here.
#include <algorithm>
#include <array>
#include <tuple>

#include "base/error.h"
#include "text/jinja_builtins.h"
#include "text/jinja_evaluator.h"
#include "text/jinja_text.h"

namespace limpid::jinja {
namespace {

Value strip_method(const char* name, Evaluator& e, const Value& self, Arguments& a, Side side) {
  const Parameters p(name, a, {"chars"});
  e.heap.step_bytes(self.text().size());
  const bool plain = !p.has(0) || p.value(0).is_none();
  return e.heap.text(std::string(plain ? strip(self.text(), side) : strip(self.text(), e.heap.cut(p.text(0)), side)),
                     self.is_markup());
}
Value strip_both(Evaluator& e, const Value& self, Arguments& a) {
  return strip_method("strip", e, self, a, Side::both);
}
Value strip_left(Evaluator& e, const Value& self, Arguments& a) {
  return strip_method("lstrip", e, self, a, Side::left);
}
Value strip_right(Evaluator& e, const Value& self, Arguments& a) {
  return strip_method("rstrip", e, self, a, Side::right);
}

List* texts(Evaluator& e, const std::vector<std::string_view>& parts) {
  List* out = e.heap.list();
  for (const std::string_view part : parts) e.heap.push(*out, e.heap.text(std::string(part)));
  return out;
}

Value split_method(const char* name, Evaluator& e, const Value& self, Arguments& a, bool from_right) {
  const Parameters p(name, a, {"sep", "maxsplit"});
  const std::int64_t limit = p.integer(1, -1);
  if (!p.has(0) || p.value(0).is_none()) {
    if (from_right && limit >= 0) fail(ErrorKind::unsupported, "rsplit at white space with a limit");
    return texts(e, split(e.heap.cut(self.text()), limit));
  }
  if (p.text(0).empty()) fail(ErrorKind::input, "{}: the separator is empty", name);
  return texts(e, split(e.heap.cut(self.text()), p.text(0), limit, from_right));
}
Value split_left(Evaluator& e, const Value& self, Arguments& a) { return split_method("split", e, self, a, false); }
Value split_right(Evaluator& e, const Value& self, Arguments& a) { return split_method("rsplit", e, self, a, true); }

Value partition(Evaluator& e, const Value& self, Arguments& a) {
  const Parameters p("partition", a, {"sep"});
  if (p.text(0).empty()) fail(ErrorKind::input, "partition: the separator is empty");
  const std::string& text = self.text();
  const std::size_t at = find_bytes(text, p.text(0), 0);
  List* out = e.heap.list(List::Type::tuple);
  e.heap.push(*out, e.heap.text(text.substr(0, at)));
  e.heap.push(*out, e.heap.text(at == std::string::npos ? std::string() : std::string(p.text(0))));
  e.heap.push(*out, e.heap.text(at == std::string::npos ? std::string() : text.substr(at + p.text(0).size())));
  return out;
}

Value affix_test(const char* name, Evaluator& e, const Value& self, Arguments& a, bool at_end) {
  const Parameters p(name, a, {"prefix"});
  const auto matches = [&](const Value& affix) {
    if (!affix.is_string()) fail(ErrorKind::input, "{}: a text was expected, found '{}'", name, affix.type_name());
    return at_end ? self.text().ends_with(affix.text()) : self.text().starts_with(affix.text());
  };
  e.heap.step();
  const List* several = p.value(0).list();
  if (!several) return Value(matches(p.value(0)));
  return Value(std::any_of(several->items.begin(), several->items.end(), matches));
}
Value starts_with(Evaluator& e, const Value& self, Arguments& a) { return affix_test("startswith", e, self, a, false); }
Value ends_with(Evaluator& e, const Value& self, Arguments& a) { return affix_test("endswith", e, self, a, true); }

Value remove_prefix(Evaluator& e, const Value& self, Arguments& a) {
  const Parameters p("removeprefix", a, {"prefix"});
  return self.text().starts_with(p.text(0)) ? e.heap.text(self.text().substr(p.text(0).size())) : self;
}
Value remove_suffix(Evaluator& e, const Value& self, Arguments& a) {
  const Parameters p("removesuffix", a, {"suffix"});
  return self.text().ends_with(p.text(0)) ? e.heap.text(self.text().substr(0, self.text().size() - p.text(0).size()))
                                          : self;
}

Value replace_method(Evaluator& e, const Value& self, Arguments& a) {
  const Parameters p("replace", a, {"old", "new", "count"});
  return e.heap.text(
      replace(e.heap.cut(self.text()), p.text(0), p.text(1), p.integer(2, -1), e.heap.limits().output_bytes),
      self.is_markup());
}

Value find_method_(const char* name, Evaluator& e, const Value& self, Arguments& a, bool from_right) {
  const Parameters p(name, a, {"sub"});
  e.heap.step_bytes(self.text().size());
  const std::size_t at = from_right ? self.text().rfind(p.text(0)) : find_bytes(self.text(), p.text(0), 0);
  if (at == std::string::npos) return Value(std::int64_t{-1});
  return Value(static_cast<std::int64_t>(character_count(std::string_view(self.text()).substr(0, at))));
}
Value find(Evaluator& e, const Value& self, Arguments& a) { return find_method_("find", e, self, a, false); }
Value rfind(Evaluator& e, const Value& self, Arguments& a) {
  e.heap.step(self.text().size());
  return find_method_("rfind", e, self, a, true);
}
Value index(Evaluator& e, const Value& self, Arguments& a) {
  const Value at = find_method_("index", e, self, a, false);
  if (at.integer() < 0) fail(ErrorKind::input, "index: the text is not there");
  return at;
}

Value count_text(Evaluator& e, const Value& self, Arguments& a) {
  const Parameters p("count", a, {"sub"});
  e.heap.step_bytes(self.text().size());
  if (p.text(0).empty()) return Value(static_cast<std::int64_t>(character_count(self.text())) + 1);
  return Value(static_cast<std::int64_t>(split(e.heap.cut(self.text()), p.text(0), -1, false).size()) - 1);
}

Value join_method(Evaluator& e, const Value& self, Arguments& a) {
  const Parameters p("join", a, {"iterable"});
  std::string out;
  bool first = true;
  for (const Value& item : e.iterate(p.value(0))) {
    if (!item.is_string()) fail(ErrorKind::input, "join: a text was expected, found '{}'", item.type_name());
    if (!std::exchange(first, false)) e.write(out, self.text());
    e.write(out, item.text());
  }
  return e.heap.text(std::move(out));
}

Value split_lines_method(Evaluator& e, const Value& self, Arguments& a) {
  const Parameters p("splitlines", a, {"keepends"});
  return texts(e, split_lines(e.heap.cut(self.text()), p.flag(0, false)));
}

Value pad(const char* name, Evaluator& e, const Value& self, Arguments& a, bool left) {
  const Parameters p(name, a, {"width", "fillchar"});
  const std::int64_t missing = p.integer(0) - static_cast<std::int64_t>(character_count(self.text()));
  if (missing <= 0) return self;
  if (missing > 1'000'000) fail(ErrorKind::resources, "{}: width {}", name, p.integer(0));
  std::string fill;
  for (std::int64_t i = 0; i < missing; ++i) fill += p.text(1, " ");
  return e.heap.text(left ? fill + self.text() : self.text() + fill);
}
Value rjust(Evaluator& e, const Value& self, Arguments& a) { return pad("rjust", e, self, a, true); }
Value ljust(Evaluator& e, const Value& self, Arguments& a) { return pad("ljust", e, self, a, false); }
Value zfill(Evaluator& e, const Value& self, Arguments& a) {
  const std::string& text = self.text();
  const bool sign = !text.empty() && (text[0] == '-' || text[0] == '+');
  Arguments padded = a;
  padded.positional.push_back(e.heap.text("0"));
  if (!sign) return pad("zfill", e, self, padded, true);
  padded.positional[0] = Value(padded.positional[0].integer() - 1);
  const Value rest = pad("zfill", e, e.heap.text(text.substr(1)), padded, true);
  return e.heap.text(text.substr(0, 1) + rest.text());
}

template <const char* Class>
Value is_class(Evaluator&, const Value& self, Arguments&) {
  return Value(all_of_class(self.text(), Class));
}
constexpr char alpha[] = "alpha", digit[] = "digit", alnum[] = "alnum";
Value is_space_method(Evaluator&, const Value& self, Arguments&) {
  return Value(!self.text().empty() && strip(self.text(), Side::both).empty());
}

Value format_method(Evaluator& e, const Value& self, Arguments& a) {
  return e.heap.text(format_braces(e, self.text(), a));
}

// --- list ---

Value append(Evaluator& e, const Value& self, Arguments& a) {
  const Parameters p("append", a, {"object"});
  e.heap.push(*self.list(), p.value(0));
  return None{};
}
Value extend(Evaluator& e, const Value& self, Arguments& a) {
  const Parameters p("extend", a, {"iterable"});
  for (const Value& item : e.iterate(p.value(0))) e.heap.push(*self.list(), item);
  return None{};
}
Value insert(Evaluator& e, const Value& self, Arguments& a) {
  const Parameters p("insert", a, {"index", "object"});
  std::vector<Value>& items = self.list()->items;
  const std::int64_t size = static_cast<std::int64_t>(items.size());
  const std::int64_t at =
      p.integer(0) < 0 ? std::max<std::int64_t>(p.integer(0) + size, 0) : std::min(p.integer(0), size);
  e.heap.step(items.size());
  e.heap.take(sizeof(Value));
  items.insert(items.begin() + at, p.value(1));
  return None{};
}
Value pop_item(Evaluator& e, const Value& self, Arguments& a) {
  const Parameters p("pop", a, {"index"});
  std::vector<Value>& items = self.list()->items;
  const std::int64_t size = static_cast<std::int64_t>(items.size());
  const std::int64_t at = p.integer(0, -1) < 0 ? p.integer(0, -1) + size : p.integer(0);
  if (at < 0 || at >= size) fail(ErrorKind::input, "pop: index {} of a list of {}", p.integer(0, -1), size);
  e.heap.step(items.size() / 8);
  const Value out = items[static_cast<std::size_t>(at)];
  items.erase(items.begin() + at);
  return out;
}
Value index_item(Evaluator& e, const Value& self, Arguments& a) {
  const Parameters p("index", a, {"value"});
  const std::vector<Value>& items = self.list()->items;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (equal(e.heap, items[i], p.value(0))) return Value(static_cast<std::int64_t>(i));
  }
  fail(ErrorKind::input, "index: the value is not in the list");
}
Value count_item(Evaluator& e, const Value& self, Arguments& a) {
  const Parameters p("count", a, {"value"});
  const std::vector<Value>& items = self.list()->items;
  return Value(static_cast<std::int64_t>(
      std::count_if(items.begin(), items.end(), [&](const Value& item) { return equal(e.heap, item, p.value(0)); })));
}
Value copy_list(Evaluator& e, const Value& self, Arguments&) {
  List* out = e.heap.list(self.list()->type);
  for (const Value& item : self.list()->items) e.heap.push(*out, item);
  return out;
}

// --- dict ---

enum class Part { keys, values, items };
template <Part P>
Value view(Evaluator& e, const Value& self, Arguments&) {
  List* out = e.heap.list(List::Type::view);
  for (const auto& [key, value] : self.dict()->entries) {
    e.heap.step();
    if (P == Part::items) {
      List* entry = e.heap.list(List::Type::tuple);
      e.heap.push(*entry, key);
      e.heap.push(*entry, value);
      e.heap.push(*out, entry);
    } else {
      e.heap.push(*out, P == Part::keys ? key : value);
    }
  }
  return out;
}
Value get(Evaluator& e, const Value& self, Arguments& a) {
  const Parameters p("get", a, {"key", "default"});
  const Value* found = self.dict()->find(e.heap, p.value(0));
  return found ? *found : p.value(1, None{});
}
Value pop_key(Evaluator& e, const Value& self, Arguments& a) {
  const Parameters p("pop", a, {"key", "default"});
  const Value* found = self.dict()->find(e.heap, p.value(0));
  if (!found && !p.has(1)) fail(ErrorKind::input, "pop: no key {}", to_repr(e.heap, p.value(0)).substr(0, 200));
  const Value out = found ? *found : p.value(1);
  self.dict()->erase(e.heap, p.value(0));
  return out;
}
Value set_default(Evaluator& e, const Value& self, Arguments& a) {
  const Parameters p("setdefault", a, {"key", "default"});
  if (const Value* found = self.dict()->find(e.heap, p.value(0))) return *found;
  self.dict()->set(e.heap, p.value(0), p.value(1, None{}));
  return p.value(1, None{});
}
Value update(Evaluator& e, const Value& self, Arguments& a) {
  for (const Value& more : a.positional) {
    if (!more.is_mapping()) fail(ErrorKind::input, "update: a dict was expected, found '{}'", more.type_name());
    const auto entries = more.dict()->entries;  // a copy: it may be the same dict
    for (const auto& [key, value] : entries) self.dict()->set(e.heap, key, value);
  }
  for (const auto& [name, value] : a.named) self.dict()->set(e.heap, e.heap.text(name), value);
  return None{};
}
Value copy_dict(Evaluator& e, const Value& self, Arguments&) {
  Dict* out = e.heap.dict();
  for (const auto& [key, value] : self.dict()->entries) out->set(e.heap, key, value);
  return out;
}

Value upper_method(Evaluator& e, const Value& v, Arguments&) { return e.heap.text(upper(v.text()), v.is_markup()); }
Value lower_method(Evaluator& e, const Value& v, Arguments&) { return e.heap.text(lower(v.text()), v.is_markup()); }
Value title_method(Evaluator& e, const Value& v, Arguments&) { return e.heap.text(title(v.text()), v.is_markup()); }
Value capitalize_method(Evaluator& e, const Value& v, Arguments&) {
  return e.heap.text(capitalize(v.text()), v.is_markup());
}
Value is_upper(Evaluator&, const Value& v, Arguments&) {
  return Value(v.text() == upper(v.text()) && v.text() != lower(v.text()));
}
Value is_lower(Evaluator&, const Value& v, Arguments&) {
  return Value(v.text() == lower(v.text()) && v.text() != upper(v.text()));
}

using Named = std::pair<std::string_view, FilterFunction>;
constexpr std::array<Named, 33> of_text = {{
    {"strip", strip_both},
    {"lstrip", strip_left},
    {"rstrip", strip_right},
    {"split", split_left},
    {"rsplit", split_right},
    {"partition", partition},
    {"startswith", starts_with},
    {"endswith", ends_with},
    {"removeprefix", remove_prefix},
    {"removesuffix", remove_suffix},
    {"replace", replace_method},
    {"find", find},
    {"rfind", rfind},
    {"index", index},
    {"count", count_text},
    {"join", join_method},
    {"splitlines", split_lines_method},
    {"rjust", rjust},
    {"ljust", ljust},
    {"zfill", zfill},
    {"isalpha", is_class<alpha>},
    {"isdigit", is_class<digit>},
    {"isnumeric", is_class<digit>},
    {"isdecimal", is_class<digit>},
    {"isalnum", is_class<alnum>},
    {"isspace", is_space_method},
    {"format", format_method},
    {"upper", upper_method},
    {"lower", lower_method},
    {"title", title_method},
    {"capitalize", capitalize_method},
    {"isupper", is_upper},
    {"islower", is_lower},
}};
constexpr std::array<Named, 3> of_any_list = {{{"index", index_item}, {"count", count_item}, {"copy", copy_list}}};
constexpr std::array<Named, 4> of_list = {
    {{"append", append}, {"extend", extend}, {"insert", insert}, {"pop", pop_item}}};
constexpr std::array<Named, 8> of_dict = {{
    {"items", view<Part::items>},
    {"keys", view<Part::keys>},
    {"values", view<Part::values>},
    {"get", get},
    {"pop", pop_key},
    {"setdefault", set_default},
    {"update", update},
    {"copy", copy_dict},
}};

template <std::size_t N>
FilterFunction in(const std::array<Named, N>& table, std::string_view name) {
  for (const auto& [known, function] : table) {
    if (known == name) return function;
  }
  return nullptr;
}

}  // namespace

FilterFunction find_method(const Value& object, std::string_view name) {
  if (object.is_string()) return in(of_text, name);
  if (object.is_mapping()) return in(of_dict, name);
  const List* list = object.list();
  if (!list || list->type == List::Type::generator || list->type == List::Type::view) return nullptr;
  if (const FilterFunction found = in(of_any_list, name)) return found;
  return list->type == List::Type::list ? in(of_list, name) : nullptr;
}

}  // namespace limpid::jinja
