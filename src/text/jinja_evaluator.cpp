#include "text/jinja_evaluator.h"

#include <cmath>
#include <limits>

#include "base/error.h"
#include "text/jinja_builtins.h"
#include "text/jinja_text.h"

namespace limpid::jinja {
namespace {

[[noreturn]] void fail_undefined(const Value& value) {
  const TextRef& name = value.undefined().name;
  fail(ErrorKind::input, "{} is undefined", name ? "'" + name->bytes + "'" : "a value");
}

const char* sign_of(Arithmetic operation) {
  static constexpr const char* signs[] = {"+", "-", "*", "/", "//", "%", "**"};
  return signs[static_cast<int>(operation)];
}

std::int64_t floor_divided(std::int64_t a, std::int64_t b) { return a / b - ((a % b != 0) && ((a < 0) != (b < 0))); }

std::int64_t whole_power(std::int64_t base, std::int64_t exponent, bool& overflow) {
  std::int64_t result = 1;
  while (exponent > 0 && !overflow) {
    if (exponent & 1) overflow = __builtin_mul_overflow(result, base, &result);
    exponent >>= 1;
    if (exponent && !overflow) overflow = __builtin_mul_overflow(base, base, &base);
  }
  return result;
}

Value undefined_named(std::string_view name) {
  return Undefined{std::make_shared<const Text>(nullptr, std::string(name.substr(0, 200)), false)};
}

}  // namespace

Scope* Evaluator::new_scope(Scope* parent) {
  heap.take(sizeof(Scope));
  scopes_.push_back({parent, {}});
  return &scopes_.back();
}

Value Evaluator::lookup(std::string_view name) {
  heap.step();
  for (const Scope* s = scope; s; s = s->parent) {
    const auto found = s->values.find(name);
    if (found != s->values.end()) return found->second;
  }
  if (const FilterFunction function = find_function(name)) {
    return Value(static_cast<Object*>(heap.object<Bound>(std::string(name), function, Value())));
  }
  return undefined_named(name);
}

namespace {
constexpr std::size_t bytes_per_variable = 128;  // of a map's node, about
}

void Evaluator::assign(const std::string& name, Value value) {
  const auto [where, is_new] = scope->values.insert_or_assign(name, std::move(value));
  if (is_new) heap.take(bytes_per_variable);
}

void Evaluator::clear(Scope& used) {
  heap.give(bytes_per_variable * used.values.size());
  used.values.clear();
}

Value Evaluator::attribute(const Value& object, std::string_view name) {
  heap.step();
  if (object.is_undefined()) fail_undefined(object);
  if (object.object()) return object.object()->attribute(*this, name);
  if (Dict* dict = object.dict(); dict && dict->is_namespace) {
    const Value* found = dict->find(name);
    return found ? *found : undefined_named(name);
  }
  if (const FilterFunction method = find_method(object, name)) {
    return Value(static_cast<Object*>(heap.object<Bound>(std::string(name), method, object)));
  }
  if (Dict* dict = object.dict()) {
    if (const Value* found = dict->find(name)) return *found;
  }
  return undefined_named(name);
}

Value Evaluator::item(const Value& object, const Value& index) {
  heap.step();
  if (object.is_undefined()) fail_undefined(object);
  if (Dict* dict = object.dict(); dict && !dict->is_namespace) {
    if (const Value* found = dict->find(heap, index)) return *found;
  }
  if (index.is_integer()) {
    const std::int64_t at = index.integer();
    if (const List* list = object.list(); list && (list->type == List::Type::list || list->type == List::Type::tuple)) {
      const std::int64_t size = static_cast<std::int64_t>(list->items.size());
      if (at >= -size && at < size) return list->items[static_cast<std::size_t>(at < 0 ? at + size : at)];
    } else if (object.is_string()) {
      const auto all = characters(heap.cut(object.text()));
      const std::int64_t size = static_cast<std::int64_t>(all.size());
      if (at >= -size && at < size)
        return heap.text(std::string(all[static_cast<std::size_t>(at < 0 ? at + size : at)]));
    }
    return undefined_named(std::to_string(at));
  }
  return index.is_string() ? attribute(object, index.text()) : undefined_named("item");
}

Value Evaluator::call(const Value& callee, Arguments& arguments) {
  heap.step();
  if (callee.is_undefined()) fail_undefined(callee);
  if (!callee.object()) fail(ErrorKind::input, "a value of type '{}' cannot be called", callee.type_name());
  return callee.object()->call(*this, arguments);
}

std::vector<Value> Evaluator::iterate(const Value& value) {
  std::vector<Value> all;
  if (const List* list = value.list()) {
    heap.step(1 + list->items.size() / 4);
    return list->items;
  }
  if (value.is_mapping()) {
    heap.step(1 + value.dict()->entries.size() / 4);
    for (const auto& entry : value.dict()->entries) all.push_back(entry.first);
  } else if (value.is_string()) {
    for (const std::string_view c : characters(heap.cut(value.text()))) all.push_back(heap.text(std::string(c)));
  } else if (!value.is_undefined()) {
    fail(ErrorKind::input, "a value of type '{}' cannot be iterated over", value.type_name());
  }
  return all;
}

Value Evaluator::repeat(const Value& sequence, std::int64_t times) {
  const std::size_t count = times > 0 ? static_cast<std::size_t>(times) : 0;
  if (const List* list = sequence.list()) {
    if (!list->items.empty() && count > heap.limits().memory_bytes / sizeof(Value) / list->items.size()) {
      fail(ErrorKind::resources, "a list of {} times {} items", count, list->items.size());
    }
    List* out = heap.list(list->type);
    heap.take(count * list->items.size() * sizeof(Value));
    heap.step(count * list->items.size());
    for (std::size_t i = 0; i < count; ++i) out->items.insert(out->items.end(), list->items.begin(), list->items.end());
    return out;
  }
  const std::string& text = sequence.text();
  if (!text.empty() && count > heap.limits().output_bytes / text.size())
    fail(ErrorKind::resources, "a text of {} times {} bytes", count, text.size());
  std::string out;
  out.reserve(count * text.size());
  if (!text.empty()) {
    for (std::size_t i = 0; i < count; ++i) out += text;
  }
  return heap.text(std::move(out), sequence.is_markup());
}

Value Evaluator::number_arithmetic(Arithmetic operation, const Value& a, const Value& b) {
  const bool divides =
      operation == Arithmetic::divide || operation == Arithmetic::floor_divide || operation == Arithmetic::modulo;
  if (divides && b.number() == 0) fail(ErrorKind::input, "division by zero");
  if (a.is_integer() && b.is_integer() && operation != Arithmetic::divide &&
      !(operation == Arithmetic::power && b.integer() < 0)) {
    const std::int64_t x = a.integer(), y = b.integer();
    std::int64_t result = 0;
    bool overflow = divides && x == std::numeric_limits<std::int64_t>::min() && y == -1;
    if (!overflow) {
      switch (operation) {
        case Arithmetic::add:
          overflow = __builtin_add_overflow(x, y, &result);
          break;
        case Arithmetic::subtract:
          overflow = __builtin_sub_overflow(x, y, &result);
          break;
        case Arithmetic::multiply:
          overflow = __builtin_mul_overflow(x, y, &result);
          break;
        case Arithmetic::floor_divide:
          result = floor_divided(x, y);
          break;
        case Arithmetic::modulo:
          result = x - y * floor_divided(x, y);
          break;
        default:
          result = whole_power(x, y, overflow);
      }
    }
    if (overflow) fail(ErrorKind::input, "{} {} {} has more than 64 bits", x, sign_of(operation), y);
    return Value(result);
  }
  const double x = a.number(), y = b.number();
  switch (operation) {
    case Arithmetic::add:
      return Value(x + y);
    case Arithmetic::subtract:
      return Value(x - y);
    case Arithmetic::multiply:
      return Value(x * y);
    case Arithmetic::divide:
      return Value(x / y);
    case Arithmetic::floor_divide:
      return Value(std::floor(x / y));
    case Arithmetic::modulo: {
      const double rest = std::fmod(x, y);
      if (rest == 0) return Value(std::copysign(0.0, y));
      return Value((rest < 0) != (y < 0) ? rest + y : rest);
    }
    default:
      return Value(std::pow(x, y));
  }
}

Value Evaluator::arithmetic(Arithmetic operation, const Value& a, const Value& b) {
  heap.step();
  if (a.is_undefined()) fail_undefined(a);
  if (b.is_undefined()) fail_undefined(b);
  if (a.is_number() && b.is_number()) return number_arithmetic(operation, a, b);
  if (operation == Arithmetic::add && a.is_string() && b.is_string()) {
    const bool markup = a.is_markup() || b.is_markup();
    std::string out = markup && !a.is_markup() ? escape_html(a.text()) : a.text();
    out += markup && !b.is_markup() ? escape_html(b.text()) : b.text();
    return heap.text(std::move(out), markup);
  }
  if (operation == Arithmetic::add && a.list() && b.list() && a.list()->type == b.list()->type) {
    List* out = heap.list(a.list()->type);
    for (const List* part : {a.list(), b.list()}) {
      heap.step(part->items.size());
      heap.take(part->items.size() * sizeof(Value));
      out->items.insert(out->items.end(), part->items.begin(), part->items.end());
    }
    return out;
  }
  if (operation == Arithmetic::multiply) {
    if ((a.is_string() || a.list()) && b.is_integer()) return repeat(a, b.integer());
    if ((b.is_string() || b.list()) && a.is_integer()) return repeat(b, a.integer());
  }
  if (operation == Arithmetic::modulo && a.is_string())
    return heap.text(format_percent(heap, a.text(), b), a.is_markup());
  fail(ErrorKind::input, "'{}' {} '{}' is not possible", a.type_name(), sign_of(operation), b.type_name());
}

// Python's rule for slice.indices(size).
Value Evaluator::slice(const Value& object, const Value& start, const Value& stop, const Value& step) {
  if (object.is_undefined()) fail_undefined(object);
  const bool is_text = object.is_string();
  if (!is_text &&
      !(object.list() && (object.list()->type == List::Type::list || object.list()->type == List::Type::tuple))) {
    return undefined_named("slice");
  }
  for (const Value* bound : {&start, &stop, &step}) {
    if (!bound->is_none() && !bound->is_integer())
      fail(ErrorKind::input, "a slice takes integers, not '{}'", bound->type_name());
  }
  std::vector<std::string_view> letters;
  if (is_text) {
    letters = characters(heap.cut(object.text()));
  }
  const std::int64_t size = static_cast<std::int64_t>(is_text ? letters.size() : object.list()->items.size());
  const std::int64_t stride = step.is_none() ? 1 : step.integer();
  if (stride == 0) fail(ErrorKind::input, "the step of a slice is zero");
  const std::int64_t low = stride < 0 ? -1 : 0, high = stride < 0 ? size - 1 : size;
  const auto bound = [&](const Value& value, std::int64_t fallback) {
    if (value.is_none()) return fallback;
    const std::int64_t at = value.integer() < 0 ? value.integer() + size : value.integer();
    return std::min(std::max(at, low), high);
  };
  const std::int64_t first = bound(start, stride < 0 ? high : low), last = bound(stop, stride < 0 ? low : high);
  std::string text;
  List* items = is_text ? nullptr : heap.list(object.list()->type);
  for (std::int64_t at = first; stride < 0 ? at > last : at < last;) {
    if (is_text) {
      text += letters[static_cast<std::size_t>(at)];
    } else {
      heap.step();
      heap.push(*items, object.list()->items[static_cast<std::size_t>(at)]);
    }
    if (__builtin_add_overflow(at, stride, &at)) break;
  }
  if (is_text) return heap.text(std::move(text));
  return items;
}

void Evaluator::write(std::string& out, std::string_view text) {
  heap.step_bytes(text.size());
  if (out.size() + text.size() > heap.limits().output_bytes)
    fail(ErrorKind::resources, "more than {} bytes of text", heap.limits().output_bytes);
  out += text;
}

std::string Evaluator::run(const Block& block) {
  std::string out;
  run(block, out);
  return out;
}

Flow Evaluator::run(const Block& block, std::string& out) {
  const Heap::Deeper deeper(heap);
  for (const auto& statement : block) {
    heap.step();
    line = statement->line;
    const Flow flow = statement->execute(*this, out);
    if (flow != Flow::next) return flow;
  }
  return Flow::next;
}

}  // namespace limpid::jinja
