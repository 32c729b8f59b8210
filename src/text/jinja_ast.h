// The syntax tree of a template. Immutable once parsed and free of pointers to any rendering: one tree renders on many
// threads at once. A node evaluates itself (jinja_expressions.cpp) or writes itself (jinja_statements.cpp).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja_value.h"

namespace limpid::jinja {

class Evaluator;

struct Expression {
  int line = 0;
  int depth = 1;  // of the tree below, limited by the parser
  virtual ~Expression() = default;
  virtual Value evaluate(Evaluator& evaluator) const = 0;
};
using ExpressionPtr = std::unique_ptr<const Expression>;

enum class Flow { next, stop_loop, next_turn };

struct Statement {
  int line = 0;
  virtual ~Statement() = default;
  virtual Flow execute(Evaluator& evaluator, std::string& out) const = 0;
};
using Block = std::vector<std::unique_ptr<const Statement>>;

// f(a, *b, c=d, **e)
struct CallArguments {
  std::vector<ExpressionPtr> positional;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
  ExpressionPtr star, star_star;
  Arguments evaluate(Evaluator& evaluator) const;
};

using FilterFunction = Value (*)(Evaluator&, const Value& input, Arguments&);
using TestFunction = bool (*)(Evaluator&, const Value& input, Arguments&);

struct Constant : Expression {
  Value value;
  Value evaluate(Evaluator&) const override { return value; }
};
struct Name : Expression {
  std::string name;
  Value evaluate(Evaluator& evaluator) const override;
};
struct ListDisplay : Expression {
  List::Type type = List::Type::list;
  std::vector<ExpressionPtr> items;
  Value evaluate(Evaluator& evaluator) const override;
};
struct DictDisplay : Expression {
  std::vector<std::pair<ExpressionPtr, ExpressionPtr>> items;
  Value evaluate(Evaluator& evaluator) const override;
};
struct Attribute : Expression {
  ExpressionPtr object;
  std::string name;
  Value evaluate(Evaluator& evaluator) const override;
};
struct Subscript : Expression {
  ExpressionPtr object, index;
  Value evaluate(Evaluator& evaluator) const override;
};
struct Slice : Expression {
  ExpressionPtr object, start, stop, step;  // the last three may be null
  Value evaluate(Evaluator& evaluator) const override;
};
struct Call : Expression {
  ExpressionPtr callee;
  CallArguments arguments;
  Value evaluate(Evaluator& evaluator) const override;
};
struct Filter : Expression {
  ExpressionPtr input;  // null: the text of a filter or set block
  std::string name;
  FilterFunction function = nullptr;  // null: no such filter, an error once it runs
  CallArguments arguments;
  Value evaluate(Evaluator& evaluator) const override;
  Value apply(Evaluator& evaluator, const Value& value) const;
};
struct Test : Expression {
  ExpressionPtr input;
  std::string name;
  TestFunction function = nullptr;
  bool negated = false;
  CallArguments arguments;
  Value evaluate(Evaluator& evaluator) const override;
};
struct Unary : Expression {
  char operation = '-';  // '-', '+', '!' for not
  ExpressionPtr operand;
  Value evaluate(Evaluator& evaluator) const override;
};
enum class Arithmetic { add, subtract, multiply, divide, floor_divide, modulo, power };
struct Binary : Expression {
  Arithmetic operation = Arithmetic::add;
  ExpressionPtr left, right;
  Value evaluate(Evaluator& evaluator) const override;
};
struct Concatenation : Expression {
  std::vector<ExpressionPtr> items;
  Value evaluate(Evaluator& evaluator) const override;
};
enum class Relation { equal, not_equal, less, less_equal, greater, greater_equal, in, not_in };
struct Comparison : Expression {
  ExpressionPtr first;
  std::vector<std::pair<Relation, ExpressionPtr>> rest;  // a < b < c
  Value evaluate(Evaluator& evaluator) const override;
};
struct Logic : Expression {
  bool is_and = true;
  ExpressionPtr left, right;
  Value evaluate(Evaluator& evaluator) const override;
};
struct Conditional : Expression {
  ExpressionPtr condition, then, otherwise;  // otherwise may be null
  Value evaluate(Evaluator& evaluator) const override;
};

struct Data : Statement {
  std::string text;
  Flow execute(Evaluator& evaluator, std::string& out) const override;
};
struct Output : Statement {
  ExpressionPtr value;
  Flow execute(Evaluator& evaluator, std::string& out) const override;
};
struct If : Statement {
  std::vector<std::pair<ExpressionPtr, Block>> branches;
  Block otherwise;
  Flow execute(Evaluator& evaluator, std::string& out) const override;
};

// What `set` and `for` assign to: a name, an attribute of a namespace, or several of them.
struct Target {
  std::string name, attribute;  // attribute empty: a plain name
  std::vector<Target> parts;    // not empty: a tuple is unpacked
  void assign(Evaluator& evaluator, const Value& value) const;
};
struct For : Statement {
  Target target;
  ExpressionPtr items, condition;  // condition may be null
  Block body, otherwise;
  Flow execute(Evaluator& evaluator, std::string& out) const override;
};
struct LoopControl : Statement {
  Flow flow = Flow::next;
  Flow execute(Evaluator&, std::string&) const override { return flow; }
};
struct Set : Statement {
  Target target;
  ExpressionPtr value;  // null: a block
  Block body;
  std::vector<std::unique_ptr<const Filter>> filters;  // of a block
  Flow execute(Evaluator& evaluator, std::string& out) const override;
};
struct With : Statement {
  std::vector<std::pair<Target, ExpressionPtr>> values;
  Block body;
  Flow execute(Evaluator& evaluator, std::string& out) const override;
};
struct FilterBlock : Statement {
  std::vector<std::unique_ptr<const Filter>> filters;
  Block body;
  Flow execute(Evaluator& evaluator, std::string& out) const override;
};
struct Parameter {
  std::string name;
  ExpressionPtr fallback;  // may be null
};
struct MacroDefinition : Statement {
  std::string name;
  std::vector<Parameter> parameters;
  Block body;
  Flow execute(Evaluator& evaluator, std::string& out) const override;
};
struct CallBlock : Statement {
  MacroDefinition caller;
  ExpressionPtr call;  // a Call
  Flow execute(Evaluator& evaluator, std::string& out) const override;
};
struct Generation : Statement {  // {% generation %}: marks what the assistant wrote; plain text here
  Block body;
  Flow execute(Evaluator& evaluator, std::string& out) const override;
};

}  // namespace limpid::jinja
