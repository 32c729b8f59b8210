// How each statement of the tree writes itself: output, conditions, loops, assignments, macros.
#include <algorithm>

#include "base/error.h"
#include "text/jinja_ast.h"
#include "text/jinja_builtins.h"
#include "text/jinja_evaluator.h"

namespace limpid::jinja {
namespace {

// The `loop` variable.
class Loop : public Object {
 public:
  explicit Loop(std::vector<Value> all) : items(std::move(all)) {}
  Value call(Evaluator&, Arguments&) override { fail(ErrorKind::unsupported, "recursive loops"); }
  std::string describe() const override { return "<LoopContext>"; }

  Value attribute(Evaluator& evaluator, std::string_view name) override {
    const std::int64_t at = static_cast<std::int64_t>(index), size = static_cast<std::int64_t>(items.size());
    if (name == "index") return Value(at + 1);
    if (name == "index0") return Value(at);
    if (name == "revindex") return Value(size - at);
    if (name == "revindex0") return Value(size - at - 1);
    if (name == "first") return Value(at == 0);
    if (name == "last") return Value(at + 1 == size);
    if (name == "length") return Value(size);
    if (name == "depth") return Value(std::int64_t{1});  // more only in recursive loops
    if (name == "depth0") return Value(std::int64_t{0});
    if (name == "previtem") return at ? items[index - 1] : Value();
    if (name == "nextitem") return at + 1 < size ? items[index + 1] : Value();
    if (name == "cycle") return method(evaluator, "cycle", cycle);
    if (name == "changed") return method(evaluator, "changed", changed);
    return Undefined{};
  }

  std::vector<Value> items;
  std::size_t index = 0;
  Arguments last_changed;
  bool had_changed = false;

 private:
  Value method(Evaluator& evaluator, const char* name, FilterFunction function) {
    return Value(static_cast<Object*>(evaluator.heap.object<Bound>(name, function, Value(static_cast<Object*>(this)))));
  }
  static Value cycle(Evaluator&, const Value& self, Arguments& arguments) {
    if (arguments.positional.empty()) fail(ErrorKind::input, "loop.cycle: nothing to cycle through");
    return arguments.positional[static_cast<Loop*>(self.object())->index % arguments.positional.size()];
  }
  static Value changed(Evaluator& evaluator, const Value& self, Arguments& arguments) {
    Loop& loop = *static_cast<Loop*>(self.object());
    const bool same =
        loop.had_changed && std::equal(arguments.positional.begin(), arguments.positional.end(),
                                       loop.last_changed.positional.begin(), loop.last_changed.positional.end(),
                                       [&](const Value& a, const Value& b) { return equal(evaluator.heap, a, b); });
    loop.last_changed = arguments;
    loop.had_changed = true;
    return Value(!same);
  }
};

class Macro : public Object {
 public:
  Macro(const MacroDefinition& definition, Scope* scope) : definition_(definition), scope_(scope) {}
  std::string describe() const override { return "<Macro '" + definition_.name + "'>"; }

  Value attribute(Evaluator& evaluator, std::string_view name) override {
    return name == "name" ? evaluator.heap.text(definition_.name) : Value();
  }

  Value call(Evaluator& evaluator, Arguments& arguments) override {
    const Heap::Deeper deeper(evaluator.heap);
    const ScopeGuard guard(evaluator, evaluator.new_scope(scope_));
    bind(evaluator, arguments);
    std::string out;
    evaluator.run(definition_.body, out);
    return evaluator.heap.text(std::move(out));
  }

 private:
  void bind(Evaluator& evaluator, Arguments& arguments) {
    const std::vector<Parameter>& parameters = definition_.parameters;
    List* rest = evaluator.heap.list(List::Type::tuple);
    std::vector<bool> given(parameters.size());
    for (std::size_t i = 0; i < arguments.positional.size(); ++i) {
      if (i < parameters.size()) {
        evaluator.assign(parameters[i].name, arguments.positional[i]);
        given[i] = true;
      } else {
        evaluator.heap.push(*rest, arguments.positional[i]);
      }
    }
    Dict* named = evaluator.heap.dict();
    for (auto& [name, value] : arguments.named) {
      const auto found = std::find_if(parameters.begin(), parameters.end(),
                                      [&name = name](const Parameter& p) { return p.name == name; });
      if (found == parameters.end()) {
        if (name == "caller") {
          evaluator.assign(name, value);
        } else {
          named->set(evaluator.heap, evaluator.heap.text(name), value);
        }
        continue;
      }
      const std::size_t at = static_cast<std::size_t>(found - parameters.begin());
      if (given[at]) fail(ErrorKind::input, "macro '{}': two values for '{}'", definition_.name, name);
      evaluator.assign(name, value);
      given[at] = true;
    }
    evaluator.assign("varargs", rest);
    evaluator.assign("kwargs", named);
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      if (given[i]) continue;
      Value fallback = parameters[i].fallback ? parameters[i].fallback->evaluate(evaluator) : Value();
      evaluator.assign(parameters[i].name, std::move(fallback));
    }
  }

  const MacroDefinition& definition_;
  Scope* scope_;  // where it was defined
};

Value filtered(Evaluator& evaluator, const std::vector<std::unique_ptr<const Filter>>& filters, std::string text) {
  Value value = evaluator.heap.text(std::move(text));
  for (const auto& filter : filters) value = filter->apply(evaluator, value);
  return value;
}

}  // namespace

Flow Data::execute(Evaluator& evaluator, std::string& out) const {
  evaluator.write(out, text);
  return Flow::next;
}

Flow Output::execute(Evaluator& evaluator, std::string& out) const {
  const Value result = value->evaluate(evaluator);
  if (result.is_string()) {
    evaluator.write(out, result.text());
  } else {
    evaluator.write(out, to_text(evaluator.heap, result));
  }
  return Flow::next;
}

Flow If::execute(Evaluator& evaluator, std::string& out) const {
  for (const auto& [condition, block] : branches) {
    if (truthy(condition->evaluate(evaluator))) return evaluator.run(block, out);
  }
  return evaluator.run(otherwise, out);
}

void Target::assign(Evaluator& evaluator, const Value& value) const {
  if (!parts.empty()) {
    const std::vector<Value> values = evaluator.iterate(value);
    if (values.size() != parts.size()) fail(ErrorKind::input, "{} values for {} names", values.size(), parts.size());
    for (std::size_t i = 0; i < parts.size(); ++i) parts[i].assign(evaluator, values[i]);
  } else if (attribute.empty()) {
    evaluator.assign(name, value);
  } else {
    const Value space = evaluator.lookup(name);
    if (!space.dict() || !space.dict()->is_namespace)
      fail(ErrorKind::input, "'{}.{}' cannot be set: '{}' is no namespace", name, attribute, name);
    space.dict()->set(evaluator.heap, evaluator.heap.text(attribute), value);
  }
}

Flow For::execute(Evaluator& evaluator, std::string& out) const {
  std::vector<Value> all = evaluator.iterate(items->evaluate(evaluator));
  Scope* inner = evaluator.new_scope(evaluator.scope);
  if (condition) {
    const ScopeGuard guard(evaluator, inner);
    std::vector<Value> kept;
    for (Value& value : all) {
      target.assign(evaluator, value);
      if (truthy(condition->evaluate(evaluator))) kept.push_back(std::move(value));
    }
    all = std::move(kept);
  }
  if (all.empty()) return evaluator.run(otherwise, out);
  evaluator.heap.take(all.size() * sizeof(Value));
  Loop* loop = evaluator.heap.object<Loop>(std::move(all));
  const ScopeGuard guard(evaluator, inner);
  for (; loop->index < loop->items.size(); ++loop->index) {
    evaluator.heap.step();
    evaluator.clear(*inner);
    target.assign(evaluator, loop->items[loop->index]);
    evaluator.assign("loop", Value(static_cast<Object*>(loop)));
    if (evaluator.run(body, out) == Flow::stop_loop) break;
  }
  return Flow::next;
}

Flow Set::execute(Evaluator& evaluator, std::string& out) const {
  (void)out;  // what its block writes is the value
  if (value) {
    target.assign(evaluator, value->evaluate(evaluator));
    return Flow::next;
  }
  std::string text;
  {
    const ScopeGuard guard(evaluator, evaluator.new_scope(evaluator.scope));
    evaluator.run(body, text);
  }
  target.assign(evaluator, filtered(evaluator, filters, std::move(text)));
  return Flow::next;
}

Flow With::execute(Evaluator& evaluator, std::string& out) const {
  std::vector<Value> found;
  for (const auto& entry : values) found.push_back(entry.second->evaluate(evaluator));
  const ScopeGuard guard(evaluator, evaluator.new_scope(evaluator.scope));
  for (std::size_t i = 0; i < values.size(); ++i) values[i].first.assign(evaluator, found[i]);
  return evaluator.run(body, out);
}

Flow FilterBlock::execute(Evaluator& evaluator, std::string& out) const {
  std::string text;
  {
    const ScopeGuard guard(evaluator, evaluator.new_scope(evaluator.scope));
    evaluator.run(body, text);
  }
  evaluator.write(out, to_text(evaluator.heap, filtered(evaluator, filters, std::move(text))));
  return Flow::next;
}

Flow MacroDefinition::execute(Evaluator& evaluator, std::string&) const {
  evaluator.assign(name, Value(static_cast<Object*>(evaluator.heap.object<Macro>(*this, evaluator.scope))));
  return Flow::next;
}

Flow CallBlock::execute(Evaluator& evaluator, std::string& out) const {
  const Call& node = static_cast<const Call&>(*call);
  const Value function = node.callee->evaluate(evaluator);
  Arguments arguments = node.arguments.evaluate(evaluator);
  arguments.named.emplace_back("caller",
                               Value(static_cast<Object*>(evaluator.heap.object<Macro>(caller, evaluator.scope))));
  evaluator.line = line;
  evaluator.write(out, to_text(evaluator.heap, evaluator.call(function, arguments)));
  return Flow::next;
}

Flow Generation::execute(Evaluator& evaluator, std::string& out) const {
  const ScopeGuard guard(evaluator, evaluator.new_scope(evaluator.scope));
  return evaluator.run(body, out);
}

}  // namespace limpid::jinja
