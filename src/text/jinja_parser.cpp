#include "text/jinja_parser.h"

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <utility>

#include "base/error.h"
#include "text/jinja_builtins.h"
#include "text/jinja_expression_parser.h"
#include "text/jinja_lexer.h"

namespace limpid::jinja {
namespace {

constexpr int most_nested_blocks = 60;

class Parser : private ExpressionParser {
 public:
  explicit Parser(std::vector<Token> tokens) : ExpressionParser(std::move(tokens)) {}

  Block run() {
    Block block = body({});
    return block;
  }

 private:
  using Type = Token::Type;

  template <typename Node>
  static std::unique_ptr<Node> make(int line) {
    auto node = std::make_unique<Node>();
    node->line = line;
    return node;
  }

  // Statements up to one of the tags in `ends`, whose name is the next token then; an empty list: up to the end of the
  // template.
  Block body(std::initializer_list<std::string_view> ends) {
    if (++nested_ > most_nested_blocks)
      error("blocks are nested deeper than " + std::to_string(most_nested_blocks) + " levels");
    Block block;
    for (;;) {
      const int line = peek().line;
      if (peek().type == Type::end) {
        if (ends.size()) error("the template ends where '{% " + std::string(*ends.begin()) + " %}' was expected");
        break;
      }
      if (peek().type == Type::data) {
        auto data = make<Data>(line);
        data->text = take().text;
        block.push_back(std::move(data));
      } else if (accept(Type::variable_begin)) {
        auto output = make<Output>(line);
        output->value = tuple();
        expect(Type::variable_end, "'}}'");
        block.push_back(std::move(output));
      } else {
        expect(Type::block_begin, "a tag");
        if (peek().type == Type::name && std::find(ends.begin(), ends.end(), peek().text) != ends.end()) break;
        block.push_back(statement());
        expect(Type::block_end, "'%}'");
      }
    }
    --nested_;
    return block;
  }

  void end_tag(std::string_view name) {  // after body(): the tag that ended it
    expect_name(name);
  }

  std::unique_ptr<const Statement> statement() {
    const int line = peek().line;
    if (peek().type != Type::name) error("a tag's name was expected, found '" + peek().text + "'");
    const std::string name = take().text;
    if (name == "if") return if_statement(line);
    if (name == "for") return for_statement(line);
    if (name == "set") return set_statement(line);
    if (name == "with") return with_statement(line);
    if (name == "filter") return filter_block(line);
    if (name == "macro") return macro(line);
    if (name == "call") return call_block(line);
    if (name == "break" || name == "continue") {
      if (loops_ == 0) error("'" + name + "' outside of a loop");
      auto control = make<LoopControl>(line);
      control->flow = name == "break" ? Flow::stop_loop : Flow::next_turn;
      return control;
    }
    if (name == "generation") {
      auto block = make<Generation>(line);
      expect(Type::block_end, "'%}'");
      block->body = body({"endgeneration"});
      end_tag("endgeneration");
      return block;
    }
    for (const std::string_view known :
         {"include", "import", "from", "extends", "block", "do", "autoescape", "trans"}) {
      if (name == known) fail(ErrorKind::unsupported, "line {}: the tag '{}' is not for chat templates", line, name);
    }
    error("unknown tag '" + name + "'");
  }

  std::unique_ptr<const Statement> if_statement(int line) {
    auto node = make<If>(line);
    for (;;) {
      ExpressionPtr condition = tuple(Condexpr::no);
      expect(Type::block_end, "'%}'");
      node->branches.emplace_back(std::move(condition), body({"elif", "else", "endif"}));
      if (accept_name("elif")) continue;
      if (accept_name("else")) {
        expect(Type::block_end, "'%}'");
        node->otherwise = body({"endif"});
      }
      end_tag("endif");
      return node;
    }
  }

  std::unique_ptr<const Statement> for_statement(int line) {
    auto node = make<For>(line);
    node->target = target(false);
    expect_name("in");
    node->items = tuple(Condexpr::no);
    if (accept_name("if")) node->condition = expression();
    if (accept_name("recursive")) fail(ErrorKind::unsupported, "line {}: recursive loops", line);
    expect(Type::block_end, "'%}'");
    ++loops_;
    node->body = body({"endfor", "else"});
    --loops_;
    if (accept_name("else")) {
      expect(Type::block_end, "'%}'");
      node->otherwise = body({"endfor"});
    }
    end_tag("endfor");
    return node;
  }

  // a | ns.a | a, b | (a, b)
  Target target(bool with_attribute) {
    Target first = target_part(with_attribute);
    if (!peek().is(",")) return first;
    Target all;
    all.parts.push_back(std::move(first));
    while (accept(",")) {
      if (peek().type != Type::name && !peek().is("(")) break;
      if (peek().is_name("in")) break;
      all.parts.push_back(target_part(with_attribute));
    }
    return all;
  }

  Target target_part(bool with_attribute) {
    if (++nested_ > most_nested_blocks) error("targets are nested too deep");
    Target part;
    if (accept("(")) {
      part = target(with_attribute);
      expect(")");
    } else {
      if (peek().type != Type::name) error("a name to assign to was expected, found '" + peek().text + "'");
      part.name = take().text;
      for (const std::string_view fixed : {"true", "false", "none", "True", "False", "None"}) {
        if (part.name == fixed) error("'" + part.name + "' cannot be assigned to");
      }
      if (with_attribute && accept(".")) {
        if (peek().type != Type::name) error("an attribute's name was expected, found '" + peek().text + "'");
        part.attribute = take().text;
      }
    }
    --nested_;
    return part;
  }

  std::unique_ptr<const Statement> set_statement(int line) {
    auto node = make<Set>(line);
    node->target = target(true);
    if (accept("=")) {
      node->value = tuple();
      return node;
    }
    node->filters = filters();
    expect(Type::block_end, "'%}'");
    node->body = block_outside_loops("endset");
    return node;
  }

  std::unique_ptr<const Statement> with_statement(int line) {
    auto node = make<With>(line);
    while (peek().type != Type::block_end) {
      if (!node->values.empty()) expect(",");
      Target name = target_part(false);
      expect("=");
      node->values.emplace_back(std::move(name), expression());
    }
    expect(Type::block_end, "'%}'");
    node->body = body({"endwith"});
    end_tag("endwith");
    return node;
  }

  std::vector<std::unique_ptr<const Filter>> filters() {
    std::vector<std::unique_ptr<const Filter>> all;
    while (accept("|")) all.push_back(filter(nullptr));
    return all;
  }

  std::unique_ptr<const Statement> filter_block(int line) {
    auto node = make<FilterBlock>(line);
    node->filters.push_back(filter(nullptr));
    for (auto& more : filters()) node->filters.push_back(std::move(more));
    expect(Type::block_end, "'%}'");
    node->body = block_outside_loops("endfilter");
    return node;
  }

  // The body of something that is called or captured: break and continue of a loop around it do not reach in.
  Block block_outside_loops(std::string_view end) {
    const int loops = std::exchange(loops_, 0);
    Block block = body({end});
    end_tag(end);
    loops_ = loops;
    return block;
  }

  void parameters(MacroDefinition& node) {
    expect("(");
    while (!peek().is(")")) {
      if (!node.parameters.empty()) expect(",");
      if (peek().is(")")) break;
      if (peek().type != Type::name) error("a parameter's name was expected, found '" + peek().text + "'");
      Parameter parameter;
      parameter.name = take().text;
      if (accept("=")) {
        parameter.fallback = expression();
      } else if (!node.parameters.empty() && node.parameters.back().fallback) {
        error("a parameter without a default after one with a default");
      }
      node.parameters.push_back(std::move(parameter));
    }
    expect(")");
  }

  std::unique_ptr<const Statement> macro(int line) {
    auto node = make<MacroDefinition>(line);
    if (peek().type != Type::name) error("a macro's name was expected, found '" + peek().text + "'");
    node->name = take().text;
    parameters(*node);
    expect(Type::block_end, "'%}'");
    node->body = block_outside_loops("endmacro");
    return node;
  }

  std::unique_ptr<const Statement> call_block(int line) {
    auto node = make<CallBlock>(line);
    node->caller.name = "caller";
    node->caller.line = line;
    if (peek().is("(")) parameters(node->caller);
    node->call = expression();
    if (!dynamic_cast<const Call*>(node->call.get())) error("a call was expected after 'call'");
    expect(Type::block_end, "'%}'");
    node->caller.body = block_outside_loops("endcall");
    return node;
  }

  int nested_ = 0;
  int loops_ = 0;
};

}  // namespace

Block parse(std::string_view source) { return Parser(tokenize(source)).run(); }

}  // namespace limpid::jinja
