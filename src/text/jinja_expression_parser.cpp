#include "text/jinja_expression_parser.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "base/error.h"
#include "text/jinja_builtins.h"

namespace limpid::jinja {
namespace {
constexpr int most_nested = 100;  // brackets in brackets
constexpr int deepest = 200;      // levels of one expression's tree: a + b + c + ... has as many as it has terms

Value constant(std::string text) { return Value(std::make_shared<const Text>(nullptr, std::move(text), false)); }
}  // namespace

class ExpressionParser::Nest {
 public:
  explicit Nest(ExpressionParser& parser) : parser_(parser) {
    if (++parser_.nested_ > most_nested)
      parser_.error("expressions are nested deeper than " + std::to_string(most_nested) + " levels");
  }
  ~Nest() { --parser_.nested_; }
  Nest(const Nest&) = delete;
  Nest& operator=(const Nest&) = delete;

 private:
  ExpressionParser& parser_;
};

void ExpressionParser::error(const std::string& what) const {
  fail(ErrorKind::input, "line {}: {}", peek().line, what);
}

bool ExpressionParser::accept(std::string_view punctuation) {
  if (!peek().is(punctuation)) return false;
  take();
  return true;
}
bool ExpressionParser::accept(Token::Type type) {
  if (peek().type != type) return false;
  take();
  return true;
}
bool ExpressionParser::accept_name(std::string_view name) {
  if (!peek().is_name(name)) return false;
  take();
  return true;
}
void ExpressionParser::expect(std::string_view punctuation) {
  if (!accept(punctuation)) error("'" + std::string(punctuation) + "' was expected, found '" + peek().text + "'");
}
void ExpressionParser::expect(Token::Type type, std::string_view what) {
  if (!accept(type)) error(std::string(what) + " was expected, found '" + peek().text + "'");
}
void ExpressionParser::expect_name(std::string_view name) {
  if (!accept_name(name)) error("'" + std::string(name) + "' was expected, found '" + peek().text + "'");
}

template <typename Node>
ExpressionPtr ExpressionParser::finish(std::unique_ptr<Node> node, int line,
                                       std::initializer_list<const ExpressionPtr*> children) {
  node->line = line;
  for (const ExpressionPtr* child : children) {
    if (*child) node->depth = std::max(node->depth, (*child)->depth + 1);
  }
  if (node->depth > deepest) error("an expression of more than " + std::to_string(deepest) + " levels");
  return node;
}

ExpressionPtr ExpressionParser::expression(Condexpr condexpr) {
  const Nest nest(*this);
  return condexpr == Condexpr::yes ? conditional() : disjunction();
}

ExpressionPtr ExpressionParser::conditional() {
  const Nest nest(*this);
  const int line = peek().line;
  ExpressionPtr value = disjunction();
  while (accept_name("if")) {
    auto node = std::make_unique<Conditional>();
    node->condition = disjunction();
    if (accept_name("else")) node->otherwise = conditional();
    node->then = std::move(value);
    const ExpressionPtr *condition = &node->condition, *then = &node->then, *otherwise = &node->otherwise;
    value = finish(std::move(node), line, {condition, then, otherwise});
  }
  return value;
}

ExpressionPtr ExpressionParser::disjunction() {
  const int line = peek().line;
  ExpressionPtr left = conjunction();
  while (accept_name("or")) {
    auto node = std::make_unique<Logic>();
    node->is_and = false;
    node->left = std::move(left);
    node->right = conjunction();
    const ExpressionPtr *l = &node->left, *r = &node->right;
    left = finish(std::move(node), line, {l, r});
  }
  return left;
}

ExpressionPtr ExpressionParser::conjunction() {
  const int line = peek().line;
  ExpressionPtr left = negation();
  while (accept_name("and")) {
    auto node = std::make_unique<Logic>();
    node->left = std::move(left);
    node->right = negation();
    const ExpressionPtr *l = &node->left, *r = &node->right;
    left = finish(std::move(node), line, {l, r});
  }
  return left;
}

ExpressionPtr ExpressionParser::negation() {
  const int line = peek().line;
  if (!accept_name("not")) return comparison();
  const Nest nest(*this);
  auto node = std::make_unique<Unary>();
  node->operation = '!';
  node->operand = negation();
  const ExpressionPtr* operand = &node->operand;
  return finish(std::move(node), line, {operand});
}

ExpressionPtr ExpressionParser::comparison() {
  static constexpr std::pair<std::string_view, Relation> relations[] = {
      {"==", Relation::equal},      {"!=", Relation::not_equal}, {"<", Relation::less},
      {"<=", Relation::less_equal}, {">", Relation::greater},    {">=", Relation::greater_equal},
  };
  const int line = peek().line;
  auto node = std::make_unique<Comparison>();
  node->first = sum();
  int depth = node->first->depth;
  for (;;) {
    const auto found =
        std::find_if(std::begin(relations), std::end(relations), [this](const auto& r) { return peek().is(r.first); });
    if (found != std::end(relations)) {
      take();
      node->rest.emplace_back(found->second, sum());
    } else if (accept_name("in")) {
      node->rest.emplace_back(Relation::in, sum());
    } else if (peek().is_name("not") && peek(1).is_name("in")) {
      take();
      take();
      node->rest.emplace_back(Relation::not_in, sum());
    } else {
      break;
    }
    depth = std::max(depth, node->rest.back().second->depth);
  }
  if (node->rest.empty()) return std::move(node->first);
  node->depth = depth + 1;
  return finish(std::move(node), line, {});
}

ExpressionPtr ExpressionParser::binary(Arithmetic operation, ExpressionPtr left, ExpressionPtr right, int line) {
  auto node = std::make_unique<Binary>();
  node->operation = operation;
  node->left = std::move(left);
  node->right = std::move(right);
  const ExpressionPtr *l = &node->left, *r = &node->right;
  return finish(std::move(node), line, {l, r});
}

ExpressionPtr ExpressionParser::sum() {
  const int line = peek().line;
  ExpressionPtr left = concatenation();
  for (;;) {
    if (accept("+")) {
      left = binary(Arithmetic::add, std::move(left), concatenation(), line);
    } else if (accept("-")) {
      left = binary(Arithmetic::subtract, std::move(left), concatenation(), line);
    } else {
      return left;
    }
  }
}

ExpressionPtr ExpressionParser::concatenation() {
  const int line = peek().line;
  ExpressionPtr first = product();
  if (!peek().is("~")) return first;
  auto node = std::make_unique<Concatenation>();
  node->depth = first->depth + 1;
  node->items.push_back(std::move(first));
  while (accept("~")) {
    node->items.push_back(product());
    node->depth = std::max(node->depth, node->items.back()->depth + 1);
  }
  return finish(std::move(node), line, {});
}

ExpressionPtr ExpressionParser::product() {
  const int line = peek().line;
  ExpressionPtr left = power();
  for (;;) {
    Arithmetic operation;
    if (accept("*")) {
      operation = Arithmetic::multiply;
    } else if (accept("/")) {
      operation = Arithmetic::divide;
    } else if (accept("//")) {
      operation = Arithmetic::floor_divide;
    } else if (accept("%")) {
      operation = Arithmetic::modulo;
    } else {
      return left;
    }
    left = binary(operation, std::move(left), power(), line);
  }
}

ExpressionPtr ExpressionParser::power() {
  const int line = peek().line;
  ExpressionPtr left = unary();
  while (accept("**")) left = binary(Arithmetic::power, std::move(left), unary(), line);
  return left;
}

ExpressionPtr ExpressionParser::unary(bool with_filter) {
  const int line = peek().line;
  ExpressionPtr node;
  if (peek().is("-") || peek().is("+")) {
    const Nest nest(*this);
    auto sign = std::make_unique<Unary>();
    sign->operation = take().text[0];
    sign->operand = unary(false);
    const ExpressionPtr* operand = &sign->operand;
    node = finish(std::move(sign), line, {operand});
  } else {
    node = primary();
  }
  node = postfix(std::move(node));
  return with_filter ? filters_and_tests(std::move(node)) : std::move(node);
}

ExpressionPtr ExpressionParser::primary() {
  const int line = peek().line;
  auto made = std::make_unique<Constant>();
  if (peek().type == Token::Type::name) {
    const std::string name = take().text;
    if (name == "true" || name == "True" || name == "false" || name == "False") {
      made->value = Value(name[0] == 't' || name[0] == 'T');
    } else if (name == "none" || name == "None") {
      made->value = Value(None{});
    } else {
      auto variable = std::make_unique<Name>();
      variable->name = name;
      return finish(std::move(variable), line, {});
    }
    return finish(std::move(made), line, {});
  }
  if (peek().type == Token::Type::string) {
    std::string text;
    while (peek().type == Token::Type::string) text += take().text;
    made->value = constant(std::move(text));
    return finish(std::move(made), line, {});
  }
  if (peek().type == Token::Type::integer || peek().type == Token::Type::real) return number();
  if (peek().is("(")) return parenthesized();
  if (peek().is("[")) return list();
  if (peek().is("{")) return dict();
  error("an expression was expected, found '" + peek().text + "'");
}

ExpressionPtr ExpressionParser::number() {
  const Token& token = take();
  auto made = std::make_unique<Constant>();
  const char *first = token.text.data(), *last = first + token.text.size();
  if (token.type == Token::Type::integer) {
    std::int64_t value = 0;
    if (std::from_chars(first, last, value).ec != std::errc{})
      error("the integer " + token.text + " has more than 64 bits");
    made->value = Value(value);
  } else {
    double value = 0;
    if (std::from_chars(first, last, value).ec == std::errc::invalid_argument) error("bad number " + token.text);
    made->value = Value(value);
  }
  return finish(std::move(made), token.line, {});
}

bool ExpressionParser::ends_tuple() const {
  return peek().type == Token::Type::variable_end || peek().type == Token::Type::block_end || peek().is(")");
}

ExpressionPtr ExpressionParser::tuple(Condexpr condexpr) {
  const int line = peek().line;
  ExpressionPtr first = expression(condexpr);
  if (!peek().is(",")) return first;
  auto node = std::make_unique<ListDisplay>();
  node->type = List::Type::tuple;
  node->depth = first->depth + 1;
  node->items.push_back(std::move(first));
  while (accept(",")) {
    if (ends_tuple()) break;
    node->items.push_back(expression(condexpr));
    node->depth = std::max(node->depth, node->items.back()->depth + 1);
  }
  return finish(std::move(node), line, {});
}

ExpressionPtr ExpressionParser::parenthesized() {
  const int line = peek().line;
  expect("(");
  if (accept(")")) {
    auto node = std::make_unique<ListDisplay>();
    node->type = List::Type::tuple;
    return finish(std::move(node), line, {});
  }
  ExpressionPtr inner = tuple();
  expect(")");
  return inner;
}

ExpressionPtr ExpressionParser::list() {
  const int line = peek().line;
  auto node = std::make_unique<ListDisplay>();
  expect("[");
  while (!peek().is("]")) {
    if (!node->items.empty()) expect(",");
    if (peek().is("]")) break;
    node->items.push_back(expression());
    node->depth = std::max(node->depth, node->items.back()->depth + 1);
  }
  expect("]");
  return finish(std::move(node), line, {});
}

ExpressionPtr ExpressionParser::dict() {
  const int line = peek().line;
  auto node = std::make_unique<DictDisplay>();
  expect("{");
  while (!peek().is("}")) {
    if (!node->items.empty()) expect(",");
    if (peek().is("}")) break;
    ExpressionPtr key = expression();
    expect(":");
    ExpressionPtr value = expression();
    node->depth = std::max({node->depth, key->depth + 1, value->depth + 1});
    node->items.emplace_back(std::move(key), std::move(value));
  }
  expect("}");
  return finish(std::move(node), line, {});
}

ExpressionPtr ExpressionParser::postfix(ExpressionPtr node) {
  for (;;) {
    if (peek().is(".")) {
      node = dot(std::move(node));
    } else if (peek().is("[")) {
      node = subscript(std::move(node));
    } else if (peek().is("(")) {
      node = call(std::move(node));
    } else {
      return node;
    }
  }
}

ExpressionPtr ExpressionParser::dot(ExpressionPtr object) {
  const int line = take().line;
  if (peek().type == Token::Type::integer) {
    auto node = std::make_unique<Subscript>();
    node->object = std::move(object);
    node->index = number();
    const ExpressionPtr* child = &node->object;
    return finish(std::move(node), line, {child});
  }
  if (peek().type != Token::Type::name) error("an attribute's name was expected, found '" + peek().text + "'");
  auto node = std::make_unique<Attribute>();
  node->name = take().text;
  node->object = std::move(object);
  const ExpressionPtr* child = &node->object;
  return finish(std::move(node), line, {child});
}

ExpressionPtr ExpressionParser::subscript(ExpressionPtr object) {
  const int line = take().line;
  ExpressionPtr start, stop, step;
  if (!peek().is(":")) start = expression();
  if (accept("]")) {
    auto node = std::make_unique<Subscript>();
    node->object = std::move(object);
    node->index = std::move(start);
    const ExpressionPtr *o = &node->object, *i = &node->index;
    return finish(std::move(node), line, {o, i});
  }
  expect(":");
  if (!peek().is(":") && !peek().is("]")) stop = expression();
  if (accept(":") && !peek().is("]")) step = expression();
  expect("]");
  auto node = std::make_unique<Slice>();
  node->object = std::move(object);
  node->start = std::move(start);
  node->stop = std::move(stop);
  node->step = std::move(step);
  const ExpressionPtr *o = &node->object, *a = &node->start, *b = &node->stop, *c = &node->step;
  return finish(std::move(node), line, {o, a, b, c});
}

ExpressionPtr ExpressionParser::call(ExpressionPtr callee) {
  const int line = peek().line;
  auto node = std::make_unique<Call>();
  node->callee = std::move(callee);
  node->arguments = arguments();
  for (const auto& argument : node->arguments.positional) node->depth = std::max(node->depth, argument->depth + 1);
  for (const auto& argument : node->arguments.named) node->depth = std::max(node->depth, argument.second->depth + 1);
  const ExpressionPtr *c = &node->callee, *a = &node->arguments.star, *b = &node->arguments.star_star;
  return finish(std::move(node), line, {c, a, b});
}

CallArguments ExpressionParser::arguments() {
  CallArguments all;
  expect("(");
  bool first = true;
  while (!peek().is(")")) {
    if (!std::exchange(first, false)) expect(",");
    if (peek().is(")")) break;
    if (accept("*")) {
      if (all.star) error("two lists of arguments");
      all.star = expression();
    } else if (accept("**")) {
      if (all.star_star) error("two dictionaries of arguments");
      all.star_star = expression();
    } else if (peek().type == Token::Type::name && peek(1).is("=")) {
      std::string name = take().text;
      take();
      all.named.emplace_back(std::move(name), expression());
    } else {
      if (!all.named.empty() || all.star) error("an argument without a name after one with a name");
      all.positional.push_back(expression());
    }
  }
  expect(")");
  return all;
}

ExpressionPtr ExpressionParser::filters_and_tests(ExpressionPtr node) {
  for (;;) {
    if (accept("|")) {
      node = filter(std::move(node));
    } else if (peek().is_name("is")) {
      node = test(std::move(node));
    } else if (peek().is("(")) {
      node = call(std::move(node));
    } else {
      return node;
    }
  }
}

std::unique_ptr<const Filter> ExpressionParser::filter(ExpressionPtr input) {
  auto node = std::make_unique<Filter>();
  node->line = peek().line;
  if (peek().type != Token::Type::name) error("a filter's name was expected, found '" + peek().text + "'");
  node->name = take().text;
  while (accept(".")) node->name += "." + take().text;
  node->function = find_filter(node->name);
  if (peek().is("(")) node->arguments = arguments();
  if (input) node->depth = input->depth + 1;
  for (const auto& argument : node->arguments.positional) node->depth = std::max(node->depth, argument->depth + 1);
  for (const auto& argument : node->arguments.named) node->depth = std::max(node->depth, argument.second->depth + 1);
  if (node->depth > deepest) error("an expression of more than " + std::to_string(deepest) + " levels");
  node->input = std::move(input);
  return node;
}

ExpressionPtr ExpressionParser::test(ExpressionPtr input) {
  const int line = take().line;
  auto node = std::make_unique<Test>();
  node->negated = accept_name("not");
  if (peek().type != Token::Type::name) error("a test's name was expected, found '" + peek().text + "'");
  node->name = take().text;
  node->function = find_test(node->name);
  const Token& next = peek();
  const bool starts_argument =
      (next.type == Token::Type::name && !next.is_name("else") && !next.is_name("or") && !next.is_name("and")) ||
      next.type == Token::Type::string || next.type == Token::Type::integer || next.type == Token::Type::real ||
      next.is("[") || next.is("{");
  if (next.is("(")) {
    node->arguments = arguments();
  } else if (starts_argument) {
    if (next.is_name("is")) error("tests cannot be chained with 'is'");
    node->arguments.positional.push_back(postfix(primary()));
  }
  for (const auto& argument : node->arguments.positional) node->depth = std::max(node->depth, argument->depth + 1);
  node->input = std::move(input);
  const ExpressionPtr* child = &node->input;
  return finish(std::move(node), line, {child});
}

}  // namespace limpid::jinja
