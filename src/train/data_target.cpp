// target: an expression of three numbers with a given value.
#include <algorithm>
#include <array>
#include <optional>

#include "train/data_families.h"

namespace limpid {

namespace {

using Words = std::span<const std::string_view>;

constexpr std::string_view kEnglish[] = {
    "Make {t} from {l}.", "How can you get {t} from {l}?", "Use {l} to make {t}.", "Using each of {l} once, make {t}.",
    "How do {l} make {t}?", "Combine {l} to reach {t}."};
constexpr std::string_view kChinese[] = {"{l}怎样凑成{t}？", "{l} 怎样凑成 {t}？", "用{l}凑出{t}。", "用{l}怎么算出{t}？",
                                         "把{l}各用一次，得到{t}。"};

std::optional<int> apply(char op, int a, int b) {
  if (op == '-') return a >= b ? std::optional<int>(a - b) : std::nullopt;
  return op == '+' ? a + b : a * b;
}

// The search that the thinking shows: (a op b) op c over the pairs and operators in a fixed order, no value below zero.
// With `any_order` the pairs are (1, 2), (1, 3), (2, 3), each the larger number first when it is not.
struct Search {
  int target;
  bool zh;
  std::string shown;  // the tries
  int tries = 0;
  std::string answer;

  bool pair(int a, int b, int c) {
    for (const char op : {'+', '-', '*'}) {
      if (!shown.empty()) shown += ";";
      shown += std::to_string(a) + op + std::to_string(b);
      const std::optional<int> middle = apply(op, a, b);
      if (!middle) {
        shown += zh ? "否" : " no";
        continue;
      }
      shown += "=" + std::to_string(*middle) + ":";
      for (const char next : {'+', '-', '*'}) {
        ++tries;
        shown += next + std::to_string(c);
        const std::optional<int> value = apply(next, *middle, c);
        if (value) shown += "=" + std::to_string(*value);
        if (value == target) {
          shown += zh ? "是" : " yes";
          const bool brackets = next == '*' && op != '*';
          answer = (brackets ? "(" : "") + std::to_string(a) + op + std::to_string(b) + (brackets ? ")" : "") + next +
                   std::to_string(c);
          return true;
        }
        shown += zh ? "否" : " no";
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
    search = Search{value.value_or(-1), ask.chinese_thinking(), "", 0, ""};
  } while (!value || *value > 999 || !search.run(numbers, any_order) || (ask.level <= 3 && search.tries > 12));

  const std::string target = std::to_string(*value);
  const std::string a = std::to_string(numbers[0]), b = std::to_string(numbers[1]), c = std::to_string(numbers[2]);
  Sample sample;
  std::array<int, 3> sorted = numbers;
  std::sort(sorted.begin(), sorted.end());
  sample.problem = "target:" + std::to_string(sorted[0]) + "," + std::to_string(sorted[1]) + "," +
                   std::to_string(sorted[2]) + ":" + target;
  const std::uint32_t style = draw.below(3);
  const std::string list = ask.chinese() ? (style == 0 ? a + "，" + b + "，" + c : style == 1 ? a + "、" + b + "和" + c : a + "、" + b + "、" + c)
                                         : (style == 0 ? a + ", " + b + ", " + c : style == 1 ? a + " " + b + " " + c : a + ", " + b + " and " + c);
  sample.prompt = fill(draw.pick(ask.chinese() ? Words(kChinese) : Words(kEnglish)), {{"t", target}, {"l", list}});
  sample.thinking = (ask.chinese_thinking() ? "凑" : "make ") + target + ";" + search.shown;
  sample.answer = search.answer;
  sample.check.kind = Check::Kind::expression;
  sample.check.accepted = {sample.answer};
  sample.check.numbers.assign(numbers.begin(), numbers.end());
  sample.check.value = *value;
  return sample;
}

}  // namespace limpid
