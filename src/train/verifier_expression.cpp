#include "train/verifier_expression.h"

#include <algorithm>
#include <optional>
#include <vector>

namespace limpid {

namespace {

// Numerator over denominator > 0, in lowest terms.
struct Fraction {
  std::int64_t top, bottom;
};

std::optional<Fraction> make_fraction(__int128 top, __int128 bottom) {
  if (bottom == 0) return std::nullopt;
  if (bottom < 0) top = -top, bottom = -bottom;
  __int128 a = top < 0 ? -top : top, b = bottom;
  while (b != 0) {
    const __int128 rest = a % b;
    a = b;
    b = rest;
  }
  top /= a;
  bottom /= a;
  constexpr __int128 kMost = std::int64_t{1} << 62;
  if (top > kMost || top < -kMost || bottom > kMost) return std::nullopt;
  return Fraction{static_cast<std::int64_t>(top), static_cast<std::int64_t>(bottom)};
}

std::optional<Fraction> apply(char op, Fraction a, Fraction b) {
  const __int128 at = a.top, ab = a.bottom, bt = b.top, bb = b.bottom;
  switch (op) {
    case '+':
      return make_fraction(at * bb + bt * ab, ab * bb);
    case '-':
      return make_fraction(at * bb - bt * ab, ab * bb);
    case '*':
      return make_fraction(at * bt, ab * bb);
    default:
      return make_fraction(at * bb, ab * bt);
  }
}

struct Spelling {
  std::string_view text;
  char sign;
};
constexpr Spelling kSpellings[] = {{"×", '*'},  {"x", '*'},  {"X", '*'},  {"·", '*'},  {"÷", '/'}, {"−", '-'},
                                   {"（", '('}, {"）", ')'}, {"＋", '+'}, {"－", '-'}, {"＝", '='}};

class Parser {
 public:
  explicit Parser(std::string_view text) : rest_(text) {}

  // expression [= integer], to the end of the text.
  bool parse(std::int64_t value) {
    const std::optional<Fraction> result = sum(0);
    if (!result || result->top != value || result->bottom != 1) return false;
    const std::vector<std::int64_t> used = numbers_;
    if (take('=')) {
      const bool negative = take('-');
      const std::optional<Fraction> said = number();
      if (!said || (negative ? -said->top : said->top) != value) return false;
    }
    numbers_ = used;
    return peek() == 0;
  }

  std::vector<std::int64_t>& numbers() { return numbers_; }

 private:
  static constexpr int kDepth = 32;

  // The next sign or the first digit, 0 at the end, '?' for what has no place in an expression.
  char peek() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t')) rest_.remove_prefix(1);
    size_ = 1;
    if (rest_.empty()) return 0;
    const char c = rest_.front();
    if ((c >= '0' && c <= '9') || std::string_view("+-*/()=").find(c) != std::string_view::npos) return c;
    for (const Spelling& spelling : kSpellings) {
      if (rest_.starts_with(spelling.text)) {
        size_ = spelling.text.size();
        return spelling.sign;
      }
    }
    return '?';
  }

  bool take(char sign) {
    if (peek() != sign) return false;
    rest_.remove_prefix(size_);
    return true;
  }

  std::optional<Fraction> number() {
    peek();
    std::int64_t value = 0;
    bool any = false;
    while (!rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9') {
      value = value * 10 + (rest_.front() - '0');
      if (value > 1'000'000'000) return std::nullopt;
      rest_.remove_prefix(1);
      any = true;
    }
    if (!any) return std::nullopt;
    numbers_.push_back(value);
    return Fraction{value, 1};
  }

  std::optional<Fraction> factor(int depth) {
    if (depth > kDepth) return std::nullopt;
    if (!take('(')) return number();
    const std::optional<Fraction> inner = sum(depth + 1);
    return inner && take(')') ? inner : std::nullopt;
  }

  std::optional<Fraction> product(int depth) {
    std::optional<Fraction> left = factor(depth);
    while (left) {
      const char op = peek();
      if (op != '*' && op != '/') break;
      take(op);
      const std::optional<Fraction> right = factor(depth);
      left = right ? apply(op, *left, *right) : std::nullopt;
    }
    return left;
  }

  std::optional<Fraction> sum(int depth) {
    std::optional<Fraction> left = product(depth);
    while (left) {
      const char op = peek();
      if (op != '+' && op != '-') break;
      take(op);
      const std::optional<Fraction> right = product(depth);
      left = right ? apply(op, *left, *right) : std::nullopt;
    }
    return left;
  }

  std::string_view rest_;
  std::size_t size_ = 1;
  std::vector<std::int64_t> numbers_;
};

}  // namespace

bool reaches(std::string_view text, std::span<const std::int64_t> numbers, std::int64_t value) {
  constexpr std::size_t kLongest = 256;
  if (text.size() > kLongest) return false;
  Parser parser(text);
  if (!parser.parse(value)) return false;
  std::vector<std::int64_t> used = parser.numbers(), allowed(numbers.begin(), numbers.end());
  std::sort(used.begin(), used.end());
  std::sort(allowed.begin(), allowed.end());
  return used == allowed;
}

}  // namespace limpid
