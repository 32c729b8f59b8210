// How each expression of the tree evaluates itself.
#include "base/error.h"
#include "text/jinja_ast.h"
#include "text/jinja_evaluator.h"
#include "text/jinja_text.h"

namespace limpid::jinja {

Arguments CallArguments::evaluate(Evaluator& evaluator) const {
  Arguments out;
  for (const auto& argument : positional) out.positional.push_back(argument->evaluate(evaluator));
  if (star) {
    for (Value& value : evaluator.iterate(star->evaluate(evaluator))) out.positional.push_back(std::move(value));
  }
  for (const auto& [name, argument] : named) out.named.emplace_back(name, argument->evaluate(evaluator));
  if (star_star) {
    const Value more = star_star->evaluate(evaluator);
    if (!more.is_mapping()) fail(ErrorKind::input, "'**' takes a dict, not '{}'", more.type_name());
    for (const auto& [key, value] : more.dict()->entries) out.named.emplace_back(to_text(evaluator.heap, key), value);
  }
  return out;
}

Value Name::evaluate(Evaluator& evaluator) const { return evaluator.lookup(name); }

Value ListDisplay::evaluate(Evaluator& evaluator) const {
  const Heap::Deeper deeper(evaluator.heap);
  List* out = evaluator.heap.list(type);
  for (const auto& item : items) evaluator.heap.push(*out, item->evaluate(evaluator));
  return out;
}

Value DictDisplay::evaluate(Evaluator& evaluator) const {
  const Heap::Deeper deeper(evaluator.heap);
  Dict* out = evaluator.heap.dict();
  for (const auto& [key, value] : items) {
    const Value k = key->evaluate(evaluator);
    out->set(evaluator.heap, k, value->evaluate(evaluator));
  }
  return out;
}

Value Attribute::evaluate(Evaluator& evaluator) const {
  const Heap::Deeper deeper(evaluator.heap);
  const Value base = object->evaluate(evaluator);
  evaluator.line = line;
  return evaluator.attribute(base, name);
}

Value Subscript::evaluate(Evaluator& evaluator) const {
  const Heap::Deeper deeper(evaluator.heap);
  const Value base = object->evaluate(evaluator);
  const Value at = index->evaluate(evaluator);
  evaluator.line = line;
  return evaluator.item(base, at);
}

Value Slice::evaluate(Evaluator& evaluator) const {
  const Heap::Deeper deeper(evaluator.heap);
  const Value base = object->evaluate(evaluator);
  const auto bound = [&](const ExpressionPtr& part) { return part ? part->evaluate(evaluator) : Value(None{}); };
  const Value from = bound(start), to = bound(stop), by = bound(step);
  evaluator.line = line;
  return evaluator.slice(base, from, to, by);
}

Value Call::evaluate(Evaluator& evaluator) const {
  const Heap::Deeper deeper(evaluator.heap);
  const Value function = callee->evaluate(evaluator);
  Arguments values = arguments.evaluate(evaluator);
  evaluator.line = line;
  return evaluator.call(function, values);
}

Value Filter::apply(Evaluator& evaluator, const Value& value) const {
  Arguments values = arguments.evaluate(evaluator);
  evaluator.line = line;
  if (!function) fail(ErrorKind::unsupported, "no filter named '{}'", name);
  evaluator.heap.step();
  return function(evaluator, value, values);
}

Value Filter::evaluate(Evaluator& evaluator) const {
  const Heap::Deeper deeper(evaluator.heap);
  return apply(evaluator, input->evaluate(evaluator));
}

Value Test::evaluate(Evaluator& evaluator) const {
  const Heap::Deeper deeper(evaluator.heap);
  const Value value = input->evaluate(evaluator);
  Arguments values = arguments.evaluate(evaluator);
  evaluator.line = line;
  if (!function) fail(ErrorKind::unsupported, "no test named '{}'", name);
  evaluator.heap.step();
  return Value(function(evaluator, value, values) != negated);
}

Value Unary::evaluate(Evaluator& evaluator) const {
  const Heap::Deeper deeper(evaluator.heap);
  const Value value = operand->evaluate(evaluator);
  if (operation == '!') return Value(!truthy(value));
  evaluator.line = line;
  if (!value.is_number()) fail(ErrorKind::input, "a '{}' before a value of type '{}'", operation, value.type_name());
  if (value.is_float()) return Value(operation == '-' ? -value.number() : value.number());
  return evaluator.arithmetic(operation == '-' ? Arithmetic::subtract : Arithmetic::add, Value(std::int64_t{0}), value);
}

Value Binary::evaluate(Evaluator& evaluator) const {
  const Heap::Deeper deeper(evaluator.heap);
  const Value a = left->evaluate(evaluator);
  const Value b = right->evaluate(evaluator);
  evaluator.line = line;
  return evaluator.arithmetic(operation, a, b);
}

Value Concatenation::evaluate(Evaluator& evaluator) const {
  const Heap::Deeper deeper(evaluator.heap);
  std::string out;
  for (const auto& item : items) evaluator.write(out, to_text(evaluator.heap, item->evaluate(evaluator)));
  return evaluator.heap.text(std::move(out));
}

namespace {
bool holds(Heap& heap, Relation relation, const Value& a, const Value& b) {
  switch (relation) {
    case Relation::equal:
      return equal(heap, a, b);
    case Relation::not_equal:
      return !equal(heap, a, b);
    case Relation::in:
      return contains(heap, b, a);
    case Relation::not_in:
      return !contains(heap, b, a);
    case Relation::less:
      return compare(heap, a, b) < 0;
    case Relation::less_equal:
      return compare(heap, a, b) <= 0;
    case Relation::greater:
      return compare(heap, a, b) > 0;
    case Relation::greater_equal:
      return compare(heap, a, b) >= 0;
  }
  return false;
}
}  // namespace

Value Comparison::evaluate(Evaluator& evaluator) const {
  const Heap::Deeper deeper(evaluator.heap);
  Value left = first->evaluate(evaluator);
  for (const auto& [relation, expression] : rest) {
    Value right = expression->evaluate(evaluator);
    evaluator.line = line;
    if (!holds(evaluator.heap, relation, left, right)) return Value(false);
    left = std::move(right);
  }
  return Value(true);
}

Value Logic::evaluate(Evaluator& evaluator) const {
  const Heap::Deeper deeper(evaluator.heap);
  Value value = left->evaluate(evaluator);
  return truthy(value) == is_and ? right->evaluate(evaluator) : value;
}

Value Conditional::evaluate(Evaluator& evaluator) const {
  const Heap::Deeper deeper(evaluator.heap);
  if (truthy(condition->evaluate(evaluator))) return then->evaluate(evaluator);
  return otherwise ? otherwise->evaluate(evaluator) : Value();
}

}  // namespace limpid::jinja
