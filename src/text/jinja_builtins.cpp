// Arguments of built-in functions, the global functions and the tests.
#include "text/jinja_builtins.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <ctime>
#include <utility>

#include "base/error.h"
#include "text/jinja_evaluator.h"
#include "text/jinja_text.h"

namespace limpid::jinja {

Parameters::Parameters(const char* function, Arguments& arguments, std::initializer_list<const char*> names)
    : function_(function), names_(names), values_(names.size()) {
  if (arguments.positional.size() > names_.size()) {
    fail(ErrorKind::input, "{}: {} arguments, at most {} are possible", function, arguments.positional.size(),
         names_.size());
  }
  for (std::size_t i = 0; i < arguments.positional.size(); ++i) values_[i] = arguments.positional[i];
  for (const auto& [name, value] : arguments.named) {
    const auto found = std::find(names_.begin(), names_.end(), name);
    if (found == names_.end()) fail(ErrorKind::input, "{}: no argument is named '{}'", function, name);
    values_[static_cast<std::size_t>(found - names_.begin())] = value;
  }
}

const Value& Parameters::value(std::size_t i) const {
  if (!values_[i]) fail(ErrorKind::input, "{}: the argument '{}' is missing", function_, names_[i]);
  return *values_[i];
}

std::int64_t Parameters::integer(std::size_t i) const {
  if (!value(i).is_integer())
    fail(ErrorKind::input, "{}: '{}' is of type '{}', an integer was expected", function_, names_[i],
         value(i).type_name());
  return value(i).integer();
}

std::string_view Parameters::text(std::size_t i) const {
  if (!value(i).is_string())
    fail(ErrorKind::input, "{}: '{}' is of type '{}', a text was expected", function_, names_[i], value(i).type_name());
  return value(i).text();
}

namespace {

template <typename Function, std::size_t N>
Function find_in(const std::array<std::pair<std::string_view, Function>, N>& table, std::string_view name) {
  for (const auto& [known, function] : table) {
    if (known == name) return function;
  }
  return nullptr;
}

// --- functions ---

constexpr std::int64_t longest_range = 100'000;  // Jinja2's sandbox has the same limit

Value range(Evaluator& evaluator, const Value&, Arguments& arguments) {
  const Parameters p("range", arguments, {"start", "stop", "step"});
  const std::int64_t start = p.has(1) ? p.integer(0) : 0, stop = p.has(1) ? p.integer(1) : p.integer(0),
                     step = p.integer(2, 1);
  if (step == 0) fail(ErrorKind::input, "range: the step is zero");
  List* out = evaluator.heap.list();
  for (std::int64_t at = start; step > 0 ? at < stop : at > stop;) {
    if (static_cast<std::int64_t>(out->items.size()) >= longest_range)
      fail(ErrorKind::resources, "range: more than {} numbers", longest_range);
    evaluator.heap.step();
    evaluator.heap.push(*out, Value(at));
    if (__builtin_add_overflow(at, step, &at)) break;
  }
  return out;
}

Dict* make_dict(Evaluator& evaluator, Arguments& arguments) {
  Dict* out = evaluator.heap.dict();
  for (const Value& value : arguments.positional) {
    if (value.is_mapping()) {
      for (const auto& [key, item] : value.dict()->entries) out->set(evaluator.heap, key, item);
      continue;
    }
    for (const Value& pair : evaluator.iterate(value)) {
      const std::vector<Value> both = evaluator.iterate(pair);
      if (both.size() != 2) fail(ErrorKind::input, "dict: pairs were expected, found {} values", both.size());
      out->set(evaluator.heap, both[0], both[1]);
    }
  }
  for (const auto& [name, value] : arguments.named) out->set(evaluator.heap, evaluator.heap.text(name), value);
  return out;
}

Value dict(Evaluator& evaluator, const Value&, Arguments& arguments) { return make_dict(evaluator, arguments); }

Value namespace_(Evaluator& evaluator, const Value&, Arguments& arguments) {
  Dict* out = make_dict(evaluator, arguments);
  out->is_namespace = true;
  return out;
}

Value raise_exception(Evaluator& evaluator, const Value&, Arguments& arguments) {
  const Parameters p("raise_exception", arguments, {"message"});
  fail(ErrorKind::input, "the template refuses this conversation: {}", to_text(evaluator.heap, p.value(0)));
}

Value strftime_now(Evaluator& evaluator, const Value&, Arguments& arguments) {
  const Parameters p("strftime_now", arguments, {"format"});
  const std::string format(p.text(0).substr(0, 1000));
  const std::time_t now = evaluator.now();
  std::tm local{};
  localtime_r(&now, &local);
  std::array<char, 16384> buffer;
  const std::size_t size = std::strftime(buffer.data(), buffer.size(), format.c_str(), &local);
  return evaluator.heap.text(std::string(buffer.data(), size));
}

class Joiner : public Object {
 public:
  explicit Joiner(Value separator) : separator_(std::move(separator)) {}
  std::string describe() const override { return "<joiner>"; }
  Value call(Evaluator& evaluator, Arguments&) override {
    return std::exchange(used_, true) ? separator_ : evaluator.heap.text({});
  }

 private:
  Value separator_;
  bool used_ = false;
};

class Cycler : public Object {
 public:
  explicit Cycler(std::vector<Value> items) : items_(std::move(items)) {}
  std::string describe() const override { return "<cycler>"; }
  Value call(Evaluator&, Arguments&) override { fail(ErrorKind::input, "a cycler cannot be called: use .next()"); }
  Value attribute(Evaluator& evaluator, std::string_view name) override {
    if (name == "current") return items_[at_];
    const FilterFunction function = name == "next" ? next : name == "reset" ? reset : nullptr;
    if (!function) return Undefined{};
    return Value(static_cast<Object*>(
        evaluator.heap.object<Bound>(std::string(name), function, Value(static_cast<Object*>(this)))));
  }

 private:
  static Value next(Evaluator&, const Value& self, Arguments&) {
    Cycler& cycler = *static_cast<Cycler*>(self.object());
    const Value value = cycler.items_[cycler.at_];
    cycler.at_ = (cycler.at_ + 1) % cycler.items_.size();
    return value;
  }
  static Value reset(Evaluator&, const Value& self, Arguments&) {
    static_cast<Cycler*>(self.object())->at_ = 0;
    return None{};
  }
  std::vector<Value> items_;
  std::size_t at_ = 0;
};

Value joiner(Evaluator& evaluator, const Value&, Arguments& arguments) {
  const Parameters p("joiner", arguments, {"sep"});
  return Value(static_cast<Object*>(evaluator.heap.object<Joiner>(p.value(0, evaluator.heap.text(", ")))));
}

Value cycler(Evaluator& evaluator, const Value&, Arguments& arguments) {
  if (arguments.positional.empty()) fail(ErrorKind::input, "cycler: nothing to cycle through");
  return Value(static_cast<Object*>(evaluator.heap.object<Cycler>(arguments.positional)));
}

// --- tests ---

bool same_object(const Value& a, const Value& b) {
  if (a.is_none() || b.is_none()) return a.is_none() && b.is_none();
  if (a.is_bool() || b.is_bool()) return a.is_bool() && b.is_bool() && a.integer() == b.integer();
  if (a.is_string() && b.is_string()) return a.text() == b.text();
  if (a.is_number() && b.is_number()) return a.is_float() == b.is_float() && a.number() == b.number();
  return (a.list() && a.list() == b.list()) || (a.dict() && a.dict() == b.dict()) ||
         (a.object() && a.object() == b.object());
}

bool is_sequence(const Value& v) {
  const List* list = v.list();
  return v.is_string() || v.is_mapping() || v.is_undefined() ||
         (list && (list->type == List::Type::list || list->type == List::Type::tuple));
}

std::int64_t whole(const Value& v) {
  if (!v.is_integer()) fail(ErrorKind::input, "an integer was expected, found a value of type '{}'", v.type_name());
  return v.integer();
}

const Value& other(Arguments& arguments) {
  if (arguments.positional.size() != 1)
    fail(ErrorKind::input, "this test takes one argument, found {}", arguments.positional.size());
  return arguments.positional[0];
}

using NamedTest = std::pair<std::string_view, TestFunction>;
constexpr std::array<NamedTest, 38> tests = {{
    {"defined", [](Evaluator&, const Value& v, Arguments&) { return !v.is_undefined(); }},
    {"undefined", [](Evaluator&, const Value& v, Arguments&) { return v.is_undefined(); }},
    {"none", [](Evaluator&, const Value& v, Arguments&) { return v.is_none(); }},
    {"boolean", [](Evaluator&, const Value& v, Arguments&) { return v.is_bool(); }},
    {"true", [](Evaluator&, const Value& v, Arguments&) { return v.is_bool() && v.integer(); }},
    {"false", [](Evaluator&, const Value& v, Arguments&) { return v.is_bool() && !v.integer(); }},
    {"string", [](Evaluator&, const Value& v, Arguments&) { return v.is_string(); }},
    {"number", [](Evaluator&, const Value& v, Arguments&) { return v.is_number(); }},
    {"integer", [](Evaluator&, const Value& v, Arguments&) { return v.is_integer() && !v.is_bool(); }},
    {"float", [](Evaluator&, const Value& v, Arguments&) { return v.is_float(); }},
    {"mapping", [](Evaluator&, const Value& v, Arguments&) { return v.is_mapping(); }},
    {"sequence", [](Evaluator&, const Value& v, Arguments&) { return is_sequence(v); }},
    {"iterable", [](Evaluator&, const Value& v,
                    Arguments&) { return v.is_string() || v.list() || v.is_mapping() || v.is_undefined(); }},
    {"callable", [](Evaluator&, const Value& v, Arguments&) { return v.object() != nullptr; }},
    {"escaped", [](Evaluator&, const Value& v, Arguments&) { return v.is_markup(); }},
    {"odd", [](Evaluator&, const Value& v, Arguments&) { return whole(v) % 2 != 0; }},
    {"even", [](Evaluator&, const Value& v, Arguments&) { return whole(v) % 2 == 0; }},
    {"lower",
     [](Evaluator& e, const Value& v, Arguments&) {
       const std::string t = to_text(e.heap, v);
       return t == lower(t) && t != upper(t);
     }},
    {"upper",
     [](Evaluator& e, const Value& v, Arguments&) {
       const std::string t = to_text(e.heap, v);
       return t == upper(t) && t != lower(t);
     }},
    {"divisibleby",
     [](Evaluator& e, const Value& v, Arguments& a) {
       return equal(e.heap, e.arithmetic(Arithmetic::modulo, v, other(a)), Value(std::int64_t{0}));
     }},
    {"sameas", [](Evaluator&, const Value& v, Arguments& a) { return same_object(v, other(a)); }},
    {"in", [](Evaluator& e, const Value& v, Arguments& a) { return contains(e.heap, other(a), v); }},
    {"filter",
     [](Evaluator&, const Value& v, Arguments&) { return v.is_string() && find_filter(v.text()) != nullptr; }},
    {"test", [](Evaluator&, const Value& v, Arguments&) { return v.is_string() && find_test(v.text()) != nullptr; }},
    {"eq", [](Evaluator& e, const Value& v, Arguments& a) { return equal(e.heap, v, other(a)); }},
    {"equalto", [](Evaluator& e, const Value& v, Arguments& a) { return equal(e.heap, v, other(a)); }},
    {"==", [](Evaluator& e, const Value& v, Arguments& a) { return equal(e.heap, v, other(a)); }},
    {"ne", [](Evaluator& e, const Value& v, Arguments& a) { return !equal(e.heap, v, other(a)); }},
    {"!=", [](Evaluator& e, const Value& v, Arguments& a) { return !equal(e.heap, v, other(a)); }},
    {"lt", [](Evaluator& e, const Value& v, Arguments& a) { return compare(e.heap, v, other(a)) < 0; }},
    {"lessthan", [](Evaluator& e, const Value& v, Arguments& a) { return compare(e.heap, v, other(a)) < 0; }},
    {"<", [](Evaluator& e, const Value& v, Arguments& a) { return compare(e.heap, v, other(a)) < 0; }},
    {"le", [](Evaluator& e, const Value& v, Arguments& a) { return compare(e.heap, v, other(a)) <= 0; }},
    {"gt", [](Evaluator& e, const Value& v, Arguments& a) { return compare(e.heap, v, other(a)) > 0; }},
    {"greaterthan", [](Evaluator& e, const Value& v, Arguments& a) { return compare(e.heap, v, other(a)) > 0; }},
    {">", [](Evaluator& e, const Value& v, Arguments& a) { return compare(e.heap, v, other(a)) > 0; }},
    {"ge", [](Evaluator& e, const Value& v, Arguments& a) { return compare(e.heap, v, other(a)) >= 0; }},
    {">=", [](Evaluator& e, const Value& v, Arguments& a) { return compare(e.heap, v, other(a)) >= 0; }},
}};

using NamedFunction = std::pair<std::string_view, FilterFunction>;
constexpr std::array<NamedFunction, 7> functions = {{
    {"range", range},
    {"dict", dict},
    {"namespace", namespace_},
    {"raise_exception", raise_exception},
    {"strftime_now", strftime_now},
    {"joiner", joiner},
    {"cycler", cycler},
}};

}  // namespace

TestFunction find_test(std::string_view name) { return find_in(tests, name); }
FilterFunction find_function(std::string_view name) { return find_in(functions, name); }
FilterFunction find_filter(std::string_view name) {
  const FilterFunction found = find_text_filter(name);
  return found ? found : find_sequence_filter(name);
}

}  // namespace limpid::jinja
