#include "text/jinja_value.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "text/jinja_text.h"

namespace limpid::jinja {

namespace {
constexpr std::size_t overhead = sizeof(Text) + 32;  // of a text, beside its bytes
}

Text::Text(Heap* heap, std::string text, bool is_markup) : bytes(std::move(text)), markup(is_markup), heap_(heap) {
  if (heap_) heap_->take(bytes.size() + overhead);
}
Text::~Text() {
  if (heap_) heap_->give(bytes.size() + overhead);
}

Value Object::attribute(Evaluator&, std::string_view) { return Undefined{}; }

std::string Value::type_name() const {
  if (const List* l = list()) {
    switch (l->type) {
      case List::Type::list:
        return "list";
      case List::Type::tuple:
        return "tuple";
      case List::Type::generator:
        return "generator";
      case List::Type::view:
        return "dict view";
    }
  }
  if (dict()) return dict()->is_namespace ? "Namespace" : "dict";
  if (is_string()) return "str";
  if (is_bool()) return "bool";
  if (is_integer()) return "int";
  if (is_float()) return "float";
  if (is_none()) return "NoneType";
  return is_undefined() ? "Undefined" : "function";
}

Value Heap::text(std::string bytes, bool markup) {
  step_bytes(bytes.size());
  return Value(std::make_shared<const Text>(this, std::move(bytes), markup));
}

List* Heap::list(List::Type type) {
  take(sizeof(List));
  lists_.push_back({});
  lists_.back().type = type;
  return &lists_.back();
}

Dict* Heap::dict() {
  take(sizeof(Dict));
  dicts_.push_back({});
  return &dicts_.back();
}

void Heap::step(std::uint64_t count) {
  steps_ += count;
  if (steps_ > limits_.steps)
    fail(ErrorKind::resources, "more than {} steps: the template runs too long", limits_.steps);
}

std::string_view Heap::cut(std::string_view text) {
  step_bytes(text.size());
  if (text.size() > limits_.memory_bytes / (2 * sizeof(std::string_view)))
    fail(ErrorKind::resources, "a text of {} bytes to cut into pieces", text.size());
  return text;
}

void Heap::take(std::size_t bytes) {
  used_ += bytes;
  if (used_ > limits_.memory_bytes) fail(ErrorKind::resources, "more than {} bytes of values", limits_.memory_bytes);
}

Heap::Deeper::Deeper(Heap& heap) : heap_(heap) {
  if (heap_.depth_ >= heap_.limits_.depth)
    fail(ErrorKind::resources, "nested deeper than {} levels", heap_.limits_.depth);
  ++heap_.depth_;
}

namespace {
constexpr std::size_t nowhere = static_cast<std::size_t>(-1);

bool hashable(const Value& key) { return !key.list() ? !key.dict() : key.list()->type == List::Type::tuple; }
}  // namespace

std::size_t Dict::position(Heap& heap, const Value& key) const {
  if (key.is_string()) {
    heap.step_bytes(key.text().size());
    const auto found = index_.find(key.text());
    return found == index_.end() ? nowhere : found->second;
  }
  if (entries.size() == index_.size()) return nowhere;  // only strings are in here
  for (std::size_t i = 0; i < entries.size(); ++i) {
    heap.step();
    if (!entries[i].first.is_string() && equal(heap, entries[i].first, key)) return i;
  }
  return nowhere;
}

Value* Dict::find(Heap& heap, const Value& key) {
  const std::size_t at = position(heap, key);
  return at == nowhere ? nullptr : &entries[at].second;
}

Value* Dict::find(std::string_view key) {
  const auto found = index_.find(key);
  return found == index_.end() ? nullptr : &entries[found->second].second;
}

void Dict::set(Heap& heap, const Value& key, Value value) {
  if (!hashable(key)) fail(ErrorKind::input, "unhashable type: '{}'", key.type_name());
  const std::size_t at = position(heap, key);
  if (at != nowhere) {
    entries[at].second = std::move(value);
    return;
  }
  heap.take(2 * sizeof(Value) + 32);
  entries.emplace_back(key, std::move(value));
  if (key.is_string()) index_.emplace(entries.back().first.text(), entries.size() - 1);
}

bool Dict::erase(Heap& heap, const Value& key) {
  const std::size_t at = position(heap, key);
  if (at == nowhere) return false;
  heap.step(entries.size());
  entries.erase(entries.begin() + static_cast<std::ptrdiff_t>(at));
  index_.clear();
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].first.is_string()) index_.emplace(entries[i].first.text(), i);
  }
  return true;
}

bool truthy(const Value& value) {
  if (value.is_undefined() || value.is_none()) return false;
  if (value.is_string()) return !value.text().empty();
  if (value.is_integer()) return value.integer() != 0;
  if (value.is_float()) return value.number() != 0;
  if (const List* list = value.list()) return list->type == List::Type::generator || !list->items.empty();
  if (value.is_mapping()) return !value.dict()->entries.empty();
  return true;
}

bool equal(Heap& heap, const Value& a, const Value& b) {
  heap.step();
  if (a.is_number() && b.is_number()) {
    return a.is_integer() && b.is_integer() ? a.integer() == b.integer() : a.number() == b.number();
  }
  if (a.is_string() && b.is_string()) {
    heap.step_bytes(a.text().size());
    return a.text() == b.text();
  }
  if (a.is_none() || a.is_undefined()) return a.is_none() ? b.is_none() : b.is_undefined();
  const List *x = a.list(), *y = b.list();
  if (x && y) {
    if (x == y) return true;
    if (x->type != y->type || x->type == List::Type::generator || x->items.size() != y->items.size()) return false;
    const Heap::Deeper deeper(heap);
    for (std::size_t i = 0; i < x->items.size(); ++i) {
      if (!equal(heap, x->items[i], y->items[i])) return false;
    }
    return true;
  }
  if (a.is_mapping() && b.is_mapping()) {
    if (a.dict() == b.dict()) return true;
    if (a.dict()->entries.size() != b.dict()->entries.size()) return false;
    const Heap::Deeper deeper(heap);
    for (const auto& [key, value] : a.dict()->entries) {
      const Value* other = b.dict()->find(heap, key);
      if (!other || !equal(heap, value, *other)) return false;
    }
    return true;
  }
  return (a.dict() && a.dict() == b.dict()) || (a.object() && a.object() == b.object());
}

int compare(Heap& heap, const Value& a, const Value& b) {
  heap.step();
  if (a.is_number() && b.is_number()) {
    if (a.is_integer() && b.is_integer()) return a.integer() < b.integer() ? -1 : a.integer() > b.integer();
    return a.number() < b.number() ? -1 : a.number() > b.number();
  }
  if (a.is_string() && b.is_string()) {  // the order of UTF-8 bytes is the order of code points
    heap.step_bytes(a.text().size());
    const int order = a.text().compare(b.text());
    return order < 0 ? -1 : order > 0;
  }
  const List *x = a.list(), *y = b.list();
  if (x && y && x->type == y->type && (x->type == List::Type::list || x->type == List::Type::tuple)) {
    const Heap::Deeper deeper(heap);
    for (std::size_t i = 0; i < x->items.size() && i < y->items.size(); ++i) {
      if (!equal(heap, x->items[i], y->items[i])) return compare(heap, x->items[i], y->items[i]);
    }
    return x->items.size() < y->items.size() ? -1 : x->items.size() > y->items.size();
  }
  fail(ErrorKind::input, "'{}' and '{}' cannot be ordered", a.type_name(), b.type_name());
}

bool contains(Heap& heap, const Value& container, const Value& item) {
  if (container.is_string()) {
    if (!item.is_string()) fail(ErrorKind::input, "'in <string>' requires a string, not '{}'", item.type_name());
    heap.step_bytes(container.text().size());
    return find_bytes(container.text(), item.text(), 0) != std::string::npos;
  }
  if (const List* list = container.list()) {
    for (const Value& element : list->items) {
      if (equal(heap, element, item)) return true;
    }
    return false;
  }
  if (container.is_mapping()) {
    if (!hashable(item)) fail(ErrorKind::input, "unhashable type: '{}'", item.type_name());
    return container.dict()->find(heap, item) != nullptr;
  }
  if (container.is_undefined()) return false;
  fail(ErrorKind::input, "'in': a value of type '{}' holds nothing", container.type_name());
}

std::string float_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  std::array<char, 40> buffer;
  const double size = std::fabs(value);
  const bool scientific = size != 0 && (size < 1e-4 || size >= 1e16);
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                 scientific ? std::chars_format::scientific : std::chars_format::fixed);
  std::string text(buffer.data(), end.ptr);
  if (!scientific && text.find('.') == std::string::npos) text += ".0";
  return text;
}

namespace {
void append_repr(Heap& heap, std::string& out, const Value& value);

void append_list(Heap& heap, std::string& out, const List& list) {
  const bool tuple = list.type == List::Type::tuple;
  out += tuple ? '(' : '[';
  for (std::size_t i = 0; i < list.items.size(); ++i) {
    if (i) out += ", ";
    append_repr(heap, out, list.items[i]);
  }
  if (tuple && list.items.size() == 1) out += ',';
  out += tuple ? ')' : ']';
}

void append_repr(Heap& heap, std::string& out, const Value& value) {
  heap.step();
  if (out.size() > heap.limits().output_bytes)
    fail(ErrorKind::resources, "a value's text is longer than {} bytes", heap.limits().output_bytes);
  const Heap::Deeper deeper(heap);
  if (value.is_string()) {
    heap.step_bytes(value.text().size());
    append_quoted(out, value.text());
  } else if (value.list()) {
    append_list(heap, out, *value.list());
  } else if (value.dict()) {
    out += value.dict()->is_namespace ? "<Namespace {" : "{";
    bool first = true;
    for (const auto& [key, item] : value.dict()->entries) {
      if (!first) out += ", ";
      first = false;
      append_repr(heap, out, key);
      out += ": ";
      append_repr(heap, out, item);
    }
    out += value.dict()->is_namespace ? "}>" : "}";
  } else if (value.is_undefined()) {
    out += "Undefined";
  } else {
    out += to_text(heap, value);
  }
}
}  // namespace

std::string to_text(Heap& heap, const Value& value) {
  heap.step();
  if (value.is_string()) return value.text();
  if (value.is_undefined()) return {};
  if (value.is_none()) return "None";
  if (value.is_bool()) return value.integer() ? "True" : "False";
  if (value.is_integer()) return std::to_string(value.integer());
  if (value.is_float()) return float_text(value.number());
  if (value.object()) return value.object()->describe();
  return to_repr(heap, value);
}

std::string to_repr(Heap& heap, const Value& value) {
  std::string out;
  append_repr(heap, out, value);
  return out;
}

}  // namespace limpid::jinja
