// Filters that work on lists and dicts. Each follows the function of the same name in Jinja2; what is a generator there
// is one here too (always true, without a length), but holds its values at once.
#include <algorithm>
#include <array>
#include <charconv>

#include "base/error.h"
#include "text/jinja_builtins.h"
#include "text/jinja_evaluator.h"
#include "text/jinja_text.h"

namespace limpid::jinja {
namespace {

List* made(Evaluator& e, std::vector<Value> items, List::Type type = List::Type::list) {
  List* out = e.heap.list(type);
  e.heap.take(items.size() * sizeof(Value));
  out->items = std::move(items);
  return out;
}

// The value at a path like "function.name" or "0.text" below an item; an integer stands for itself.
Value at_path(Evaluator& e, Value item, const Value& path, const Value* fallback) {
  const std::string text = to_text(e.heap, path);
  for (const std::string_view part : split(e.heap.cut(text), ".", -1, false)) {
    std::int64_t index = 0;
    const auto read = std::from_chars(part.data(), part.data() + part.size(), index);
    const bool is_index =
        !part.empty() && read.ec == std::errc{} && read.ptr == part.data() + part.size() && part[0] != '-';
    item = e.item(item, is_index ? Value(index) : e.heap.text(std::string(part)));
    if (item.is_undefined() && fallback) item = *fallback;
  }
  return item;
}

Value folded(Evaluator& e, const Value& value, bool case_sensitive) {
  return value.is_string() && !case_sensitive ? e.heap.text(lower(value.text())) : value;
}

// The key that sort, unique, min and max compare by: "a,b" gives a list of two.
Value sort_key(Evaluator& e, const Value& item, const Value& attribute, bool case_sensitive) {
  if (attribute.is_none()) return folded(e, item, case_sensitive);
  const std::string text = to_text(e.heap, attribute);
  const auto paths = split(e.heap.cut(text), ",", -1, false);
  if (paths.size() == 1) return folded(e, at_path(e, item, attribute, nullptr), case_sensitive);
  List* keys = e.heap.list();
  for (const std::string_view path : paths) {
    e.heap.push(
        *keys, folded(e, at_path(e, item, e.heap.text(std::string(strip(path, Side::both))), nullptr), case_sensitive));
  }
  return keys;
}

Value sorted(Evaluator& e, std::vector<std::pair<Value, Value>> keyed, bool reverse) {  // (key, item)
  const auto less = [&](const auto& a, const auto& b) {
    return reverse ? compare(e.heap, b.first, a.first) < 0 : compare(e.heap, a.first, b.first) < 0;
  };
  std::stable_sort(keyed.begin(), keyed.end(), less);
  std::vector<Value> items;
  for (auto& [key, item] : keyed) items.push_back(std::move(item));
  return made(e, std::move(items));
}

Value sort(Evaluator& e, const Value& v, Arguments& a) {
  const Parameters p("sort", a, {"reverse", "case_sensitive", "attribute"});
  std::vector<std::pair<Value, Value>> keyed;
  for (const Value& item : e.iterate(v))
    keyed.emplace_back(sort_key(e, item, p.value(2, None{}), p.flag(1, false)), item);
  return sorted(e, std::move(keyed), p.flag(0, false));
}

Value pair(Evaluator& e, const std::pair<Value, Value>& entry) {
  return made(e, {entry.first, entry.second}, List::Type::tuple);
}

const Dict& mapping(const char* filter, const Value& v) {
  if (!v.is_mapping()) fail(ErrorKind::input, "{}: a mapping was expected, found '{}'", filter, v.type_name());
  return *v.dict();
}

Value dictsort(Evaluator& e, const Value& v, Arguments& a) {
  const Parameters p("dictsort", a, {"case_sensitive", "by", "reverse"});
  const std::string_view by = p.text(1, "key");
  if (by != "key" && by != "value") fail(ErrorKind::input, "dictsort: by '{}', 'key' or 'value' was expected", by);
  std::vector<std::pair<Value, Value>> keyed;
  for (const auto& entry : mapping("dictsort", v).entries) {
    keyed.emplace_back(folded(e, by == "key" ? entry.first : entry.second, p.flag(0, false)), pair(e, entry));
  }
  return sorted(e, std::move(keyed), p.flag(2, false));
}

Value items(Evaluator& e, const Value& v, Arguments&) {
  std::vector<Value> out;
  if (!v.is_undefined()) {
    for (const auto& entry : mapping("items", v).entries) out.push_back(pair(e, entry));
  }
  return made(e, std::move(out), List::Type::generator);
}

Value length(Evaluator& e, const Value& v, Arguments&) {
  std::size_t size = 0;
  if (v.is_string()) {
    e.heap.step_bytes(v.text().size());
    size = character_count(v.text());
  } else if (v.list() && v.list()->type != List::Type::generator) {
    size = v.list()->items.size();
  } else if (v.is_mapping()) {
    size = v.dict()->entries.size();
  } else if (!v.is_undefined()) {
    fail(ErrorKind::input, "length: a value of type '{}' has none", v.type_name());
  }
  return Value(static_cast<std::int64_t>(size));
}

Value join_filter(Evaluator& e, const Value& v, Arguments& a) {
  const Parameters p("join", a, {"d", "attribute"});
  const std::string between = p.has(0) ? to_text(e.heap, p.value(0)) : std::string();
  std::string out;
  bool first = true;
  for (const Value& item : e.iterate(v)) {
    if (!std::exchange(first, false)) e.write(out, between);
    e.write(out, to_text(e.heap, p.has(1) && !p.value(1).is_none() ? at_path(e, item, p.value(1), nullptr) : item));
  }
  return e.heap.text(std::move(out));
}

Value first(Evaluator& e, const Value& v, Arguments&) {
  const std::vector<Value> all = e.iterate(v);
  return all.empty() ? Value() : all.front();
}
Value last(Evaluator& e, const Value& v, Arguments&) {
  const std::vector<Value> all = e.iterate(v);
  return all.empty() ? Value() : all.back();
}
Value list(Evaluator& e, const Value& v, Arguments&) { return made(e, e.iterate(v)); }

Value reverse(Evaluator& e, const Value& v, Arguments&) {
  std::vector<Value> all = e.iterate(v);
  std::reverse(all.begin(), all.end());
  if (!v.is_string()) return made(e, std::move(all), List::Type::generator);
  std::string out;
  for (const Value& c : all) out += c.text();
  return e.heap.text(std::move(out), v.is_markup());
}

Value unique(Evaluator& e, const Value& v, Arguments& a) {
  const Parameters p("unique", a, {"case_sensitive", "attribute"});
  Dict* seen = e.heap.dict();
  std::vector<Value> out;
  for (const Value& item : e.iterate(v)) {
    const Value key = sort_key(e, item, p.value(1, None{}), p.flag(0, false));
    if (seen->find(e.heap, key)) continue;
    seen->set(e.heap, key, Value(true));
    out.push_back(item);
  }
  return made(e, std::move(out), List::Type::generator);
}

Value extreme(const char* name, Evaluator& e, const Value& v, Arguments& a, int sign) {
  const Parameters p(name, a, {"case_sensitive", "attribute"});
  Value best, best_key;
  bool any = false;
  for (const Value& item : e.iterate(v)) {
    const Value key = sort_key(e, item, p.value(1, None{}), p.flag(0, false));
    if (any && compare(e.heap, key, best_key) * sign >= 0) continue;
    best = item;
    best_key = key;
    any = true;
  }
  return best;
}
Value min(Evaluator& e, const Value& v, Arguments& a) { return extreme("min", e, v, a, 1); }
Value max(Evaluator& e, const Value& v, Arguments& a) { return extreme("max", e, v, a, -1); }

Value sum(Evaluator& e, const Value& v, Arguments& a) {
  const Parameters p("sum", a, {"attribute", "start"});
  Value total = p.value(1, Value(std::int64_t{0}));
  for (const Value& item : e.iterate(v)) {
    total = e.arithmetic(Arithmetic::add, total,
                         p.has(0) && !p.value(0).is_none() ? at_path(e, item, p.value(0), nullptr) : item);
  }
  return total;
}

Value map(Evaluator& e, const Value& v, Arguments& a) {
  std::vector<Value> out;
  if (a.positional.empty()) {
    const Parameters p("map", a, {"attribute", "default"});
    const Value* fallback = p.has(1) ? &p.value(1) : nullptr;
    for (const Value& item : e.iterate(v)) out.push_back(at_path(e, item, p.value(0), fallback));
  } else {
    const std::string name = to_text(e.heap, a.positional[0]);
    const FilterFunction filter = find_filter(name);
    if (!filter) fail(ErrorKind::unsupported, "map: no filter named '{}'", name);
    Arguments rest = a;
    rest.positional.erase(rest.positional.begin());
    for (const Value& item : e.iterate(v)) {
      e.heap.step();
      out.push_back(filter(e, item, rest));
    }
  }
  return made(e, std::move(out), List::Type::generator);
}

// select, reject and their forms with an attribute: the test is the first argument after it, truth where there is none.
Value chosen(const char* name, Evaluator& e, const Value& v, Arguments& a, bool with_attribute, bool wanted) {
  Arguments rest = a;
  Value path;
  if (with_attribute) {
    if (rest.positional.empty()) fail(ErrorKind::input, "{}: the attribute is missing", name);
    path = rest.positional[0];
    rest.positional.erase(rest.positional.begin());
  }
  TestFunction test = nullptr;
  if (!rest.positional.empty()) {
    const std::string test_name = to_text(e.heap, rest.positional[0]);
    test = find_test(test_name);
    if (!test) fail(ErrorKind::unsupported, "{}: no test named '{}'", name, test_name);
    rest.positional.erase(rest.positional.begin());
  }
  std::vector<Value> out;
  for (const Value& item : e.iterate(v)) {
    e.heap.step();
    const Value subject = with_attribute ? at_path(e, item, path, nullptr) : item;
    if ((test ? test(e, subject, rest) : truthy(subject)) == wanted) out.push_back(item);
  }
  return made(e, std::move(out), List::Type::generator);
}
Value select(Evaluator& e, const Value& v, Arguments& a) { return chosen("select", e, v, a, false, true); }
Value reject(Evaluator& e, const Value& v, Arguments& a) { return chosen("reject", e, v, a, false, false); }
Value selectattr(Evaluator& e, const Value& v, Arguments& a) { return chosen("selectattr", e, v, a, true, true); }
Value rejectattr(Evaluator& e, const Value& v, Arguments& a) { return chosen("rejectattr", e, v, a, true, false); }

Value batch(Evaluator& e, const Value& v, Arguments& a) {
  const Parameters p("batch", a, {"linecount", "fill_with"});
  const std::int64_t size = p.integer(0);
  if (size < 1 || size > 100'000) fail(ErrorKind::input, "batch: size {}", size);
  List* out = e.heap.list(List::Type::generator);
  List* line = nullptr;
  for (const Value& item : e.iterate(v)) {
    if (!line || static_cast<std::int64_t>(line->items.size()) == size) e.heap.push(*out, line = e.heap.list());
    e.heap.push(*line, item);
  }
  if (line && p.has(1) && !p.value(1).is_none()) {
    while (static_cast<std::int64_t>(line->items.size()) < size) e.heap.push(*line, p.value(1));
  }
  return out;
}

Value groupby(Evaluator& e, const Value& v, Arguments& a) {
  const Parameters p("groupby", a, {"attribute", "default", "case_sensitive"});
  const Value* fallback = p.has(1) ? &p.value(1) : nullptr;
  std::vector<std::pair<Value, Value>> keyed;  // (folded key, (key, item))
  for (const Value& item : e.iterate(v)) {
    const Value key = at_path(e, item, p.value(0), fallback);
    keyed.emplace_back(folded(e, key, p.flag(2, false)), pair(e, {key, item}));
  }
  std::stable_sort(keyed.begin(), keyed.end(),
                   [&](const auto& x, const auto& y) { return compare(e.heap, x.first, y.first) < 0; });
  List* out = e.heap.list();
  List* group = nullptr;
  for (std::size_t i = 0; i < keyed.size(); ++i) {
    const List& entry = *keyed[i].second.list();
    if (!group || !equal(e.heap, keyed[i - 1].first, keyed[i].first)) {
      group = e.heap.list();
      e.heap.push(*out, made(e, {entry.items[0], Value(group)}, List::Type::tuple));
    }
    e.heap.push(*group, entry.items[1]);
  }
  return out;
}

using Named = std::pair<std::string_view, FilterFunction>;
constexpr std::array<Named, 21> sequence_filters = {{
    {"length", length},   {"count", length},      {"join", join_filter}, {"first", first},   {"last", last},
    {"list", list},       {"map", map},           {"select", select},    {"reject", reject}, {"selectattr", selectattr},
    {"items", items},     {"dictsort", dictsort}, {"sort", sort},        {"unique", unique}, {"rejectattr", rejectattr},
    {"sum", sum},         {"min", min},           {"max", max},          {"batch", batch},   {"reverse", reverse},
    {"groupby", groupby},
}};

}  // namespace

FilterFunction find_sequence_filter(std::string_view name) {
  for (const auto& [known, function] : sequence_filters) {
    if (known == name) return function;
  }
  return nullptr;
}

}  // namespace limpid::jinja
