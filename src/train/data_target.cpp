// target: an expression of three numbers with a given value.
#include <algorithm>
#include <array>
#include <optional>

#include "train/data_columns.h"
#include "train/data_families.h"

namespace limpid {

namespace {

using Words = std::span<const std::string_view>;

constexpr std::string_view kTargetEnglish[] = {"Make {t} from {l}.",   "How can you get {t} from {l}?",
                                               "Use {l} to make {t}.", "Using each of {l} once, make {t}.",
                                               "How do {l} make {t}?", "Combine {l} to reach {t}."};
constexpr std::string_view kTargetChinese[] = {"{l}怎样凑成{t}？", "{l} 怎样凑成 {t}？", "用{l}凑出{t}。",
                                               "用{l}怎么算出{t}？", "把{l}各用一次，得到{t}。"};

std::optional<int> apply(char op, int a, int b) {
  if (op == '-') return a >= b ? std::optional<int>(a - b) : std::nullopt;
  return op == '+' ? a + b : a * b;
}

// The ones of m op n and what is left above them: ones28 of 44*7, ones7- of 11-4, with the carry or the borrow in sight, then
// tens, which are all that is not ones (182 has tens18).
struct Columns {
  int ones, last, tens;
  bool borrow;
};

Columns columns(char op, int m, int n) {
  const int above = m / 10, below = m % 10;
  if (op == '+') return {below + n, (below + n) % 10, above + (below + n) / 10, false};
  if (op == '*') return {below * n, below * n % 10, above * n + below * n / 10, false};
  const int borrowed = below < n ? (n - below + 9) / 10 : 0, ones = below - n + 10 * borrowed;
  return {ones, ones, above - borrowed, borrowed > 0};
}

// The search that the thinking shows: (a op b) op c over the pairs and operators in a fixed order, no value below zero.
// With `any_order` the pairs are (1, 2), (1, 3), (2, 3), each the larger number first when it is not. Of each value the ones
// are worked out first, and the tens only where the ones are the target's:
//   make 54 ones4 tens5;6+5=11:+4 ones5 no-4 ones7 no*4 ones4 tens4 no;...
struct Search {
  int target;
  Language language;
  std::string shown;  // the tries
  int tries = 0;
  std::string answer;

  std::string verdict(bool yes) const {
    if (language == Language::chinese) return yes ? "是" : "否";
    return yes ? " yes" : " no";
  }

  bool reached(char op, int m, int n) {
    ++tries;
    const Columns value = columns(op, m, n);
    shown += op + std::to_string(n) + place_name(0, language) + std::to_string(value.ones) + (value.borrow ? "-" : "");
    bool yes = value.last == target % 10;
    if (yes) {
      shown += place_name(1, language) + std::to_string(value.tens);
      yes = value.tens == target / 10;
    }
    shown += verdict(yes);
    return yes;
  }

  bool pair(int a, int b, int c) {
    for (const char op : {'+', '-', '*'}) {
      shown += ";" + std::to_string(a) + op + std::to_string(b);
      const std::optional<int> middle = apply(op, a, b);
      if (!middle) {
        shown += verdict(false);
        continue;
      }
      shown += "=" + std::to_string(*middle) + ":";
      for (const char next : {'+', '-', '*'}) {
        if (!reached(next, *middle, c)) continue;
        const bool brackets = next == '*' && op != '*';
        answer = (brackets ? "(" : "") + std::to_string(a) + op + std::to_string(b) + (brackets ? ")" : "") + next +
                 std::to_string(c);
        return true;
      }
    }
    return false;
  }

  bool run(const std::array<int, 3>& n, bool any_order) {
    if (!any_order) return pair(n[0], n[1], n[2]);
    constexpr std::array<std::array<std::size_t, 3>, 3> kPairs = {{{0, 1, 2}, {0, 2, 1}, {1, 2, 0}}};
    for (const auto& [i, j, k] : kPairs) {
      if (pair(std::max(n[i], n[j]), std::min(n[i], n[j]), n[k])) return true;
    }
    return false;
  }
};

}  // namespace

// The target is what a random choice of operators gives, so a solution exists. Up to level 3 the search finds one within
// 12 tries, which keeps the thinking short.
Sample make_target(Draw& draw, const Ask& ask) {
  const bool any_order = ask.level >= 3;
  const int most = std::array<int, 4>{6, 9, 9, 15}[static_cast<std::size_t>(ask.level - 1)];
  std::array<int, 3> numbers{};
  std::optional<int> value;
  Search search;
  do {
    for (int& n : numbers) n = static_cast<int>(draw.between(1, most));
    std::array<int, 3> order = numbers;
    if (any_order) {
      const std::size_t last = draw.below(3);
      std::swap(order[last], order[2]);
      if (order[0] < order[1]) std::swap(order[0], order[1]);
    }
    value = apply("+-*"[draw.below(3)], order[0], order[1]);
    if (value) value = apply("+-*"[draw.below(3)], *value, order[2]);
    search = Search{value.value_or(-1), ask.thinking, "", 0, ""};
  } while (!value || *value > 999 || !search.run(numbers, any_order) || (ask.level <= 3 && search.tries > 12));

  const std::string target = std::to_string(*value);
  const std::string a = std::to_string(numbers[0]), b = std::to_string(numbers[1]), c = std::to_string(numbers[2]);
  Sample sample;
  std::array<int, 3> sorted = numbers;
  std::sort(sorted.begin(), sorted.end());
  sample.problem = "target:" + std::to_string(sorted[0]) + "," + std::to_string(sorted[1]) + "," +
                   std::to_string(sorted[2]) + ":" + target;
  const std::uint32_t style = draw.below(3);
  const std::string list = ask.chinese() ? (style == 0   ? a + "，" + b + "，" + c
                                            : style == 1 ? a + "、" + b + "和" + c
                                                         : a + "、" + b + "、" + c)
                                         : (style == 0   ? a + ", " + b + ", " + c
                                            : style == 1 ? a + " " + b + " " + c
                                                         : a + ", " + b + " and " + c);
  sample.prompt =
      fill(draw.pick(ask.chinese() ? Words(kTargetChinese) : Words(kTargetEnglish)), {{"t", target}, {"l", list}});
  sample.thinking = (ask.chinese_thinking() ? "凑" : "make ") + target + place_name(0, ask.thinking) +
                    std::to_string(*value % 10) + place_name(1, ask.thinking) + std::to_string(*value / 10) +
                    search.shown;
  sample.answer = search.answer;
  sample.check.kind = Check::Kind::expression;
  sample.check.accepted = {sample.answer};
  sample.check.numbers.assign(numbers.begin(), numbers.end());
  sample.check.value = *value;
  return sample;
}

}  // namespace limpid
