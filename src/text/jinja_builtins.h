// The filters, tests, methods and functions that templates may use, and how their arguments are read. All are pure but
// for the lists, dicts and namespaces of their own rendering.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "text/jinja_ast.h"
#include "text/jinja_value.h"

namespace limpid::jinja {

class Evaluator;

// All return null for a name they do not know.
FilterFunction find_filter(std::string_view name);
FilterFunction find_text_filter(std::string_view name);      // jinja_text_filters.cpp
FilterFunction find_sequence_filter(std::string_view name);  // jinja_sequence_filters.cpp
TestFunction find_test(std::string_view name);
FilterFunction find_function(std::string_view name);  // global functions; their input is undefined

// The method `name` of a str, list or dict. Python's names; those that only reach into the interpreter (dunders) do not
// exist.
FilterFunction find_method(const Value& object, std::string_view name);

// A function bound to a value: what `text.strip` is before it is called, and what global functions are.
class Bound : public Object {
 public:
  Bound(std::string name, FilterFunction function, Value self)
      : name_(std::move(name)), function_(function), self_(std::move(self)) {}
  Value call(Evaluator& evaluator, Arguments& arguments) override { return function_(evaluator, self_, arguments); }
  std::string describe() const override { return "<function '" + name_ + "'>"; }

 private:
  std::string name_;
  FilterFunction function_;
  Value self_;
};

// Arguments by position or name, as a Python function of these parameters would take them. Throws Error(input) for one
// too many, an unknown name or a value of the wrong type.
class Parameters {
 public:
  Parameters(const char* function, Arguments& arguments, std::initializer_list<const char*> names);
  bool has(std::size_t i) const { return values_[i].has_value(); }
  const Value& value(std::size_t i) const;  // throws if it was not given
  Value value(std::size_t i, Value fallback) const { return has(i) ? *values_[i] : fallback; }
  std::int64_t integer(std::size_t i) const;
  std::int64_t integer(std::size_t i, std::int64_t fallback) const { return has(i) ? integer(i) : fallback; }
  std::string_view text(std::size_t i) const;  // valid as long as this object
  std::string_view text(std::size_t i, std::string_view fallback) const { return has(i) ? text(i) : fallback; }
  bool flag(std::size_t i, bool fallback) const { return has(i) ? truthy(*values_[i]) : fallback; }

 private:
  const char* function_;
  std::vector<const char*> names_;
  std::vector<std::optional<Value>> values_;
};

// json.dumps as Hugging Face's tojson calls it. indent: what stands before each level, or none for one line; without an
// item separator of its own it is "," with an indent and ", " without.
struct JsonStyle {
  bool ensure_ascii = false, sort_keys = false;
  std::optional<std::string> indent, item_separator;
  std::string key_separator = ": ";
};
std::string to_json(Heap& heap, const Value& value, const JsonStyle& style);

// Python's `template % values` and `template.format(...)`.
std::string format_percent(Heap& heap, std::string_view pattern, const Value& values);
std::string format_braces(Evaluator& evaluator, std::string_view pattern, const Arguments& arguments);

}  // namespace limpid::jinja
