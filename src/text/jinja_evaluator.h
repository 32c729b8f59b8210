// The state of one rendering: variables in nested scopes, the heap with its limits, and the operations of Python that
// expressions need.
#pragma once

#include <ctime>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja_ast.h"
#include "text/jinja_value.h"

namespace limpid::jinja {

struct Scope {
  Scope* parent = nullptr;
  std::map<std::string, Value, std::less<>> values;
};

class Evaluator {
 public:
  Evaluator(const Limits& limits, std::time_t now) : heap(limits), now_(now) { scope = new_scope(nullptr); }

  Heap heap;
  Scope* scope = nullptr;  // the innermost
  int line = 0;            // of what is being evaluated, for messages

  Scope* new_scope(Scope* parent);                    // lives as long as the evaluator: a macro may hold it
  Value lookup(std::string_view name);                // scopes, then global functions; Undefined
  void assign(const std::string& name, Value value);  // in the innermost scope
  void clear(Scope& used);                            // forgets its variables
  std::time_t now() const { return now_; }

  Value attribute(const Value& object, std::string_view name);  // object.name: method or attribute first, then item
  Value item(const Value& object, const Value& index);          // object[index]: item first, then attribute
  Value call(const Value& callee, Arguments& arguments);
  Value arithmetic(Arithmetic operation, const Value& a, const Value& b);
  std::vector<Value> iterate(const Value& value);  // list(value); throws Error(input) where it cannot be iterated
  Value slice(const Value& object, const Value& start, const Value& stop, const Value& step);
  void write(std::string& out, std::string_view text);  // within the limit of the output
  std::string run(const Block& block);                  // what the block writes
  Flow run(const Block& block, std::string& out);

 private:
  Value number_arithmetic(Arithmetic operation, const Value& a, const Value& b);
  Value repeat(const Value& sequence, std::int64_t times);
  std::deque<Scope> scopes_;
  std::time_t now_;
};

// Enters a scope for as long as it lives.
class ScopeGuard {
 public:
  ScopeGuard(Evaluator& evaluator, Scope* scope) : evaluator_(evaluator), outer_(evaluator.scope) {
    evaluator.scope = scope;
  }
  ~ScopeGuard() { evaluator_.scope = outer_; }
  ScopeGuard(const ScopeGuard&) = delete;
  ScopeGuard& operator=(const ScopeGuard&) = delete;

 private:
  Evaluator& evaluator_;
  Scope* outer_;
};

}  // namespace limpid::jinja
