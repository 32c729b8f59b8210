// Values of the Jinja interpreter: what a Python object is to a template. A Value is small and copied freely; strings
// are shared and immutable; lists, dicts, namespaces and callables are owned by the Heap of one rendering and die with
// it, so that a template which ties a knot of references leaks nothing. The Heap counts steps and bytes: it is what
// stops a hostile template. One rendering = one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace limpid::jinja {

class Heap;
class Value;

// A string and whether it is already escaped (what `|safe` and `|escape` give: adding plain text to it escapes that
// text, as markupsafe does).
class Text {
 public:
  Text(Heap* heap, std::string bytes, bool markup);
  ~Text();
  Text(const Text&) = delete;
  Text& operator=(const Text&) = delete;

  const std::string bytes;  // UTF-8
  const bool markup;

 private:
  Heap* heap_;  // whose budget it is counted in; null for the constants of a template
};
using TextRef = std::shared_ptr<const Text>;

struct Undefined {
  TextRef name;  // what was looked up, for messages; may be null
};
struct None {};

// list | tuple | generator (what map, select, ... give: always true, without a length) | view (dict.items() ...:
// without an index).
struct List {
  enum class Type { list, tuple, generator, view };
  Type type = Type::list;
  std::vector<Value> items;
};

// Keeps the order of insertion. Keys: strings (indexed), and integers, booleans, none (searched).
class Dict {
 public:
  bool is_namespace = false;
  std::vector<std::pair<Value, Value>> entries;

  Value* find(Heap& heap, const Value& key);
  Value* find(std::string_view key);
  void set(Heap& heap, const Value& key, Value value);
  bool erase(Heap& heap, const Value& key);

 private:
  std::size_t position(Heap& heap, const Value& key) const;
  std::unordered_map<std::string_view, std::size_t> index_;  // views of the keys' text, which the entries keep alive
};

// What can be called, and the few objects with attributes (loop, cycler, joiner): made by the evaluator.
struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};
class Evaluator;
class Object {
 public:
  virtual ~Object() = default;
  virtual Value call(Evaluator& evaluator, Arguments& arguments) = 0;
  virtual Value attribute(Evaluator& evaluator, std::string_view name);  // Undefined unless overridden
  virtual std::string describe() const = 0;                              // "<macro 'f'>"
};

class Value {
 public:
  using Storage = std::variant<Undefined, None, bool, std::int64_t, double, TextRef, List*, Dict*, Object*>;
  Value() : data_(Undefined{}) {}
  Value(Undefined v) : data_(std::move(v)) {}
  Value(None v) : data_(v) {}
  Value(bool v) : data_(v) {}
  Value(std::int64_t v) : data_(v) {}
  Value(double v) : data_(v) {}
  Value(TextRef v) : data_(std::move(v)) {}
  Value(List* v) : data_(v) {}
  Value(Dict* v) : data_(v) {}
  Value(Object* v) : data_(v) {}
  Value(const void*) = delete;  // no silent bool from a pointer

  bool is_undefined() const { return std::holds_alternative<Undefined>(data_); }
  bool is_none() const { return std::holds_alternative<None>(data_); }
  bool is_bool() const { return std::holds_alternative<bool>(data_); }
  bool is_string() const { return std::holds_alternative<TextRef>(data_); }
  bool is_integer() const {
    return is_bool() || std::holds_alternative<std::int64_t>(data_);
  }  // a bool is an int in Python
  bool is_float() const { return std::holds_alternative<double>(data_); }
  bool is_number() const { return is_integer() || is_float(); }

  const Undefined& undefined() const { return std::get<Undefined>(data_); }
  std::int64_t integer() const { return is_bool() ? std::get<bool>(data_) : std::get<std::int64_t>(data_); }
  double number() const { return is_float() ? std::get<double>(data_) : static_cast<double>(integer()); }
  const std::string& text() const { return std::get<TextRef>(data_)->bytes; }
  const TextRef& text_ref() const { return std::get<TextRef>(data_); }
  bool is_markup() const { return is_string() && text_ref()->markup; }
  List* list() const { return get<List*>(); }        // null if it is none
  Dict* dict() const { return get<Dict*>(); }        // null if it is none; namespaces too
  Object* object() const { return get<Object*>(); }  // null if it is none
  bool is_mapping() const { return dict() && !dict()->is_namespace; }

  std::string type_name() const;  // as Python names it: "str", "dict", "NoneType"

 private:
  template <typename T>
  T get() const {
    const T* p = std::get_if<T>(&data_);
    return p ? *p : nullptr;
  }
  Storage data_;
};

// Bounds of one rendering. A template of a real model uses a few thousand steps per message.
struct Limits {
  std::uint64_t steps = 30'000'000;       // nodes evaluated plus bytes handled / 16: about a second
  std::size_t output_bytes = 64u << 20;   // of the rendered text
  std::size_t memory_bytes = 512u << 20;  // of live strings plus all lists and dicts made
  int depth = 400;                        // nested evaluations, calls included
};

class Heap {
 public:
  explicit Heap(const Limits& limits) : limits_(limits) {}
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;

  Value text(std::string bytes, bool markup = false);
  List* list(List::Type type = List::Type::list);
  Dict* dict();
  template <typename T, typename... Args>
  T* object(Args&&... args) {
    take(sizeof(T));
    auto made = std::make_unique<T>(std::forward<Args>(args)...);
    T* raw = made.get();
    objects_.push_back(std::move(made));
    return raw;
  }
  void push(List& list, Value value) {
    take(sizeof(Value));
    list.items.push_back(std::move(value));
  }

  void step(std::uint64_t count = 1);  // throws Error(resources) when there were too many
  void step_bytes(std::size_t bytes) { step(1 + bytes / 16); }
  // The text, for cutting it into pieces (characters, lines, words): throws where a list of them could exceed the
  // memory.
  std::string_view cut(std::string_view text);
  void take(std::size_t bytes);  // throws Error(resources) when there are too many
  void give(std::size_t bytes) { used_ -= bytes < used_ ? bytes : used_; }
  const Limits& limits() const { return limits_; }

  // Depth guard for everything that recurses over a value or a tree.
  class Deeper {
   public:
    explicit Deeper(Heap& heap);
    ~Deeper() { --heap_.depth_; }
    Deeper(const Deeper&) = delete;
    Deeper& operator=(const Deeper&) = delete;

   private:
    Heap& heap_;
  };

 private:
  Limits limits_;
  std::uint64_t steps_ = 0;
  std::size_t used_ = 0;
  int depth_ = 0;
  std::deque<List> lists_;
  std::deque<Dict> dicts_;
  std::vector<std::unique_ptr<Object>> objects_;
};

// Python's rules. Each charges the heap for what it walks over.
bool truthy(const Value& value);
bool equal(Heap& heap, const Value& a, const Value& b);
int compare(Heap& heap, const Value& a, const Value& b);  // <0, 0, >0; throws Error(input) for types that have no order
bool contains(Heap& heap, const Value& container, const Value& item);
std::string to_text(Heap& heap, const Value& value);  // str(value)
std::string to_repr(Heap& heap, const Value& value);  // repr(value)
std::string float_text(double value);  // Python's repr of a float: shortest digits that read back the same

}  // namespace limpid::jinja
