// The expressions of the template language: recursive descent over tokens, in Jinja2's order of precedence
// (conditional, or, and, not, comparison, + -, ~, * / // %, **, unary, postfix, filters and tests).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja_ast.h"
#include "text/jinja_lexer.h"

namespace limpid::jinja {

class ExpressionParser {
 public:
  explicit ExpressionParser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

 protected:
  enum class Condexpr { no, yes };

  const Token& peek(std::size_t ahead = 0) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }
  const Token& take() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
  bool accept(std::string_view punctuation);
  bool accept(Token::Type type);
  bool accept_name(std::string_view name);
  void expect(std::string_view punctuation);
  void expect(Token::Type type, std::string_view what);
  void expect_name(std::string_view name);
  [[noreturn]] void error(const std::string& what) const;

  ExpressionPtr expression(Condexpr condexpr = Condexpr::yes);
  ExpressionPtr tuple(Condexpr condexpr = Condexpr::yes);     // a, b | a
  std::unique_ptr<const Filter> filter(ExpressionPtr input);  // name(arguments), after the bar

 private:
  ExpressionPtr conditional();
  ExpressionPtr disjunction();
  ExpressionPtr conjunction();
  ExpressionPtr negation();
  ExpressionPtr comparison();
  ExpressionPtr sum();
  ExpressionPtr concatenation();
  ExpressionPtr product();
  ExpressionPtr power();
  ExpressionPtr unary(bool with_filter = true);
  ExpressionPtr primary();
  ExpressionPtr parenthesized();
  ExpressionPtr number();
  ExpressionPtr list();
  ExpressionPtr dict();
  ExpressionPtr postfix(ExpressionPtr node);
  ExpressionPtr subscript(ExpressionPtr node);
  ExpressionPtr dot(ExpressionPtr node);
  ExpressionPtr filters_and_tests(ExpressionPtr node);
  ExpressionPtr test(ExpressionPtr input);
  ExpressionPtr call(ExpressionPtr callee);
  CallArguments arguments();
  ExpressionPtr binary(Arithmetic operation, ExpressionPtr left, ExpressionPtr right, int line);
  bool ends_tuple() const;
  template <typename Node>
  ExpressionPtr finish(std::unique_ptr<Node> node, int line, std::initializer_list<const ExpressionPtr*> children);

  class Nest;
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int nested_ = 0;
};

}  // namespace limpid::jinja
