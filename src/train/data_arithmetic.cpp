// addsub, multiply and chain: arithmetic in the words that people use for it.
#include <algorithm>
#include <array>
#include <cstdlib>

#include "train/data_columns.h"
#include "train/data_families.h"

namespace limpid {

namespace {

using Words = std::span<const std::string_view>;

constexpr std::string_view kAddEnglish[] = {"What is {a} + {b}?",
                                            "What is {a} plus {b}?",
                                            "{a} + {b} = ?",
                                            "{a}+{b}=",
                                            "{a}+{b}",
                                            "{a} plus {b}?",
                                            "Add {a} and {b}.",
                                            "Calculate {a} + {b}.",
                                            "How much is {a} + {b}?",
                                            "What's {a}+{b}?",
                                            "what is {a}+{b}",
                                            "Compute {a} + {b}",
                                            "Please add {b} to {a}.",
                                            "Can you work out {a} + {b}?",
                                            "What is the sum of {a} and {b}?",
                                            "{a} + {b}?"};
constexpr std::string_view kAddChinese[] = {
    "{a}加{b}等于多少？", "{a}+{b}=？",   "{a} + {b} = ?",        "计算{a}+{b}",
    "{a}+{b}是多少？",    "请算{a}加{b}", "{a}与{b}的和是多少？", "帮我算一下{a}+{b}",
    "{a}加上{b}得多少？", "{a}+{b}",      "{a}+{b}等于几？",      "{a} + {b} 等于多少？"};
constexpr std::string_view kSubtractEnglish[] = {"What is {a} - {b}?",
                                                 "What is {a} minus {b}?",
                                                 "{a} - {b} = ?",
                                                 "{a}-{b}=",
                                                 "{a}-{b}",
                                                 "{a} minus {b}?",
                                                 "Subtract {b} from {a}.",
                                                 "Calculate {a} - {b}.",
                                                 "How much is {a} - {b}?",
                                                 "What's {a}-{b}?",
                                                 "what is {a}-{b}",
                                                 "Compute {a} - {b}",
                                                 "Take {b} away from {a}.",
                                                 "Can you work out {a} - {b}?",
                                                 "{a} - {b}?"};
constexpr std::string_view kSubtractChinese[] = {
    "{a}减{b}等于多少？", "{a}-{b}=？",   "{a} - {b} = ?",        "计算{a}-{b}",
    "{a}-{b}是多少？",    "请算{a}减{b}", "{a}与{b}的差是多少？", "帮我算一下{a}-{b}",
    "{a}减去{b}得多少？", "{a}-{b}",      "{a}-{b}等于几？",      "{a} - {b} 等于多少？"};
constexpr std::string_view kTimesEnglish[] = {"What is {a} * {b}?",
                                              "What is {a} times {b}?",
                                              "{a} * {b} = ?",
                                              "{a}*{b}=",
                                              "{a} x {b}",
                                              "{a} times {b}?",
                                              "Multiply {a} by {b}.",
                                              "Calculate {a} * {b}.",
                                              "How much is {a} x {b}?",
                                              "What's {a}*{b}?",
                                              "what is {a}*{b}",
                                              "Compute {a} * {b}",
                                              "What is the product of {a} and {b}?",
                                              "Can you work out {a} × {b}?",
                                              "{a} × {b}?"};
constexpr std::string_view kTimesChinese[] = {
    "{a}乘{b}等于多少？", "{a}×{b}=？",   "{a} × {b} = ?",        "计算{a}×{b}",
    "{a}*{b}是多少？",    "请算{a}乘{b}", "{a}与{b}的积是多少？", "帮我算一下{a}*{b}",
    "{a}乘以{b}得多少？", "{a}*{b}",      "{a}×{b}等于几？",      "{a} × {b} 等于多少？"};

std::int64_t power_of_ten(int exponent) {
  std::int64_t power = 1;
  while (exponent-- > 0) power *= 10;
  return power;
}

std::int64_t of_digits(Draw& draw, int digits) {
  return draw.between(digits == 1 ? 0 : power_of_ten(digits - 1), power_of_ten(digits) - 1);
}

Check integer(std::int64_t value) {
  Check check;
  check.accepted = {std::to_string(value)};
  return check;
}

}  // namespace

// At least one of the numbers has level + 1 digits (1 or 2 at level 1); one difference in ten is negative.
Sample make_addsub(Draw& draw, const Ask& ask) {
  const bool add = draw.chance(0.5);
  std::int64_t a = of_digits(draw, ask.level == 1 ? static_cast<int>(draw.between(1, 2)) : ask.level + 1);
  std::int64_t b = of_digits(draw, static_cast<int>(draw.between(std::max(1, ask.level - 1), ask.level + 1)));
  if (add ? draw.chance(0.5) : (a < b) != draw.chance(0.1)) std::swap(a, b);
  Sample sample;
  sample.problem = add ? std::to_string(std::min(a, b)) + "+" + std::to_string(std::max(a, b))
                       : std::to_string(a) + "-" + std::to_string(b);
  const Words words = add ? (ask.chinese() ? Words(kAddChinese) : Words(kAddEnglish))
                          : (ask.chinese() ? Words(kSubtractChinese) : Words(kSubtractEnglish));
  sample.prompt = fill(draw.pick(words), {{"a", std::to_string(a)}, {"b", std::to_string(b)}});
  sample.thinking = add ? worked_sum(a, b, ask.thinking) : worked_difference(a, b, ask.thinking);
  sample.check = integer(add ? a + b : a - b);
  sample.answer = sample.check.accepted[0];
  return sample;
}

Sample make_multiply(Draw& draw, const Ask& ask) {
  constexpr std::array<std::array<int, 2>, 5> kShapes = {{{2, 1}, {3, 1}, {2, 2}, {3, 2}, {3, 3}}};
  const auto [left, right] = kShapes[static_cast<std::size_t>(ask.level - 1)];
  const std::int64_t a = of_digits(draw, left), b = right == 1 ? draw.between(2, 9) : of_digits(draw, right);
  // The longer number is worked on digit by digit, whichever was said first.
  const bool swapped = draw.chance(0.3);
  Sample sample;
  sample.problem = std::to_string(std::min(a, b)) + "*" + std::to_string(std::max(a, b));
  const std::int64_t first = swapped ? b : a, second = swapped ? a : b;
  sample.prompt = fill(draw.pick(ask.chinese() ? Words(kTimesChinese) : Words(kTimesEnglish)),
                       {{"a", std::to_string(first)}, {"b", std::to_string(second)}});
  sample.thinking = worked_product(a, b, ask.thinking);
  sample.check = integer(a * b);
  sample.answer = sample.check.accepted[0];
  return sample;
}

namespace {

struct Step {
  char op;
  int operand;
};

constexpr std::string_view kOrdinals[] = {" first", " second",  " third",  " fourth", " fifth",
                                          " sixth", " seventh", " eighth", " ninth"};
constexpr std::string_view kNumerals[] = {"一", "二", "三", "四", "五", "六", "七", "八", "九"};

constexpr std::string_view kChainEnglish[] = {"Start with {a}, {w}. What are the last two digits?",
                                              "Take {a}, {w}. Keep only the last two digits.",
                                              "{s}, from left to right. Last two digits?",
                                              "From left to right, what are the last two digits of {s}?",
                                              "Begin at {a}, {w}. Which number do the last two digits make?",
                                              "Work from left to right: {s}. Give the last two digits."};
constexpr std::string_view kChainChinese[] = {"从{a}开始，{w}，末两位是多少？", "{a}{v}，从左往右算，只留末两位。",
                                              "从左到右算{s}，末两位是多少？", "先取{a}，{w}，只看末两位，得多少？",
                                              "{s}，从左往右，末两位？"};

// One operation on a two-digit state (t, u): units first, with the carry as the first digit of what they give or a minus
// behind them for a borrow, then the last digit of the tens.
std::string worked_step(const Step& step, int& state, Language language) {
  const int t = state / 10, u = state % 10;
  const int p = step.operand / 10, q = step.operand % 10;
  int units = 0, tens = 0;
  std::string mark;
  if (step.op == '+') {
    units = u + q;
    tens = t + p + units / 10;
  } else if (step.op == '*') {
    units = u * q;
    tens = t * q + units / 10;
  } else {
    units = u - q;
    tens = t - p - (units < 0 ? 1 : 0);
    if (units < 0) {
      units += 10;
      mark = "-";
    }
  }
  state = tens % 10 * 10 + units % 10;
  return step.op + std::to_string(step.operand) + place_name(0, language) + std::to_string(units) + mark +
         place_name(1, language) + std::to_string(tens % 10);
}

int apply(const Step& step, int state) {
  return (step.op == '+' ? state + step.operand : step.op == '-' ? state - step.operand : state * step.operand) % 100;
}

}  // namespace

// Level + 1 operations with one digit on a number below 100. A subtraction never goes below zero, so that "the last two digits" means
// the same whether they are taken after each step or at the end.
Sample make_chain(Draw& draw, const Ask& ask) {
  const int start = static_cast<int>(draw.between(1, 99));
  std::vector<Step> steps;
  int state = start;
  for (int i = 0; i <= ask.level; ++i) {
    Step step{"+-*"[draw.below(3)], 0};
    if (step.op == '-' && state == 0) step.op = '+';
    step.operand = step.op == '*' ? static_cast<int>(draw.between(2, 9))
                                  : static_cast<int>(draw.between(1, step.op == '-' ? std::min(state, 9) : 9));
    steps.push_back(step);
    state = apply(step, state);
  }
  Sample sample;
  std::string english, chinese, together, symbols = std::to_string(start);
  const bool spaced = draw.chance(0.5);
  for (const Step& step : steps) {
    const std::string operand = std::to_string(step.operand);
    symbols += (spaced ? std::string(" ") + step.op + " " : std::string(1, step.op)) + operand;
    english += (english.empty() ? "" : ", ") +
               std::string(step.op == '+'   ? "plus "
                           : step.op == '-' ? "minus "
                                            : "times ") +
               operand;
    const std::string said = (step.op == '+' ? "加" : step.op == '-' ? "减" : "乘") + operand;
    chinese += (chinese.empty() ? "" : "，") + said;
    together += said;
  }
  sample.problem = "chain:" + std::to_string(start);
  for (const Step& step : steps) sample.problem += step.op + std::to_string(step.operand);
  sample.prompt =
      fill(draw.pick(ask.chinese() ? Words(kChainChinese) : Words(kChainEnglish)),
           {{"a", std::to_string(start)}, {"w", ask.chinese() ? chinese : english}, {"v", together}, {"s", symbols}});
  const bool zh = ask.chinese_thinking();
  sample.thinking = "x" + place_name(0, ask.thinking) + std::to_string(start % 10) + place_name(1, ask.thinking) +
                    std::to_string(start / 10);
  int worked = start;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    sample.thinking += zh ? kNumerals[i] : kOrdinals[i];
    sample.thinking += worked_step(steps[i], worked, ask.thinking);
  }
  sample.check = integer(state);
  sample.answer = sample.check.accepted[0];
  return sample;
}

}  // namespace limpid
