// Questions that look like a family's and are none: a third term, a fraction, a number that is too long, a fact that is not
// said. Who trained on the families alone answers them all the same, with something invented; here they are declined.
#include <array>

#include "train/data_families.h"

namespace limpid {

namespace {

using Words = std::span<const std::string_view>;

constexpr std::string_view kTooMuch = "I can only add, subtract or multiply two short whole numbers: try 347 + 895.";
constexpr std::string_view kTooMuchChinese = "我只会两个短整数的加、减、乘，比如347 + 895。";
constexpr std::string_view kTooLittle = "That does not follow from what you said.";
constexpr std::string_view kTooLittleChinese = "条件不够，推不出来。";

constexpr std::string_view kNearMissEnglish[] = {"What is {e}?",
                                                 "{e}",
                                                 "{e} = ?",
                                                 "{e}=",
                                                 "How much is {e}?",
                                                 "Calculate {e}.",
                                                 "Compute {e}",
                                                 "What's {e}?",
                                                 "what is {e}",
                                                 "Can you work out {e}?",
                                                 "{e}?"};
constexpr std::string_view kNearMissChinese[] = {"{e}等于多少？", "{e}",         "{e}=？",  "{e} = ?",      "计算{e}",
                                                 "{e}是多少？",   "{e}等于几？", "请算{e}", "帮我算一下{e}"};

constexpr std::string_view kNearMissOps[] = {"+", "-", "*", "/"};
constexpr std::string_view kOpWords[] = {" plus ", " minus ", " times ", " divided by "};
constexpr std::string_view kOpWordsChinese[] = {"加", "减", "乘", "除以"};

constexpr std::string_view kNearMissNames[] = {"Tom", "Ann", "Bob", "Eva", "Max", "Lily", "Sam", "Mia"};
constexpr std::string_view kNearMissThings[] = {"apples", "pears", "pens", "books", "eggs", "cards"};
constexpr std::string_view kNearMissThingsChinese[] = {"个苹果", "个梨", "支笔", "本书", "个鸡蛋", "张卡片"};
constexpr std::string_view kMore[] = {"taller", "older", "faster", "heavier"};
constexpr std::string_view kMost[] = {"tallest", "oldest", "fastest", "heaviest"};
constexpr std::string_view kMoreChinese[] = {"高", "大", "快", "重"};

std::string digits(Draw& draw, int count) {
  std::string out(1, static_cast<char>('1' + static_cast<char>(draw.below(9))));
  while (--count > 0) out += static_cast<char>('0' + static_cast<char>(draw.below(10)));
  return out;
}
std::string digits(Draw& draw, int least, int most) {
  return digits(draw, static_cast<int>(draw.between(least, most)));
}

// Operands and operators between them: one fewer.
struct Expression {
  std::vector<std::string> operands;
  std::vector<std::uint32_t> ops;
};

Expression three_terms(Draw& draw) {
  Expression e;
  for (int i = draw.chance(0.8) ? 3 : 4; i > 0; --i) e.operands.push_back(digits(draw, 1, 3));
  const bool alike = draw.chance(0.5);
  for (std::size_t i = 0; i + 1 < e.operands.size(); ++i) e.ops.push_back(alike && i > 0 ? e.ops[0] : draw.below(3));
  return e;
}
Expression fractions(Draw& draw) {
  Expression e;
  for (int i = 0; i < 2; ++i) {
    const std::int64_t below = draw.between(2, 9);
    e.operands.push_back(std::to_string(draw.between(1, below - 1)) + "/" + std::to_string(below));
  }
  e.ops = {draw.below(3)};
  return e;
}
Expression division(Draw& draw) {
  Expression e;
  e.operands = {digits(draw, 1, 4), digits(draw, 1, 2)};
  e.ops = {3};
  return e;
}
Expression decimals(Draw& draw) {
  Expression e;
  const bool both = draw.chance(0.5), first = draw.chance(0.5);
  const auto operand = [&](bool decimal) {
    const std::string part = decimal ? "." + digits(draw, 1, 2) : "";
    return digits(draw, 1, 2) + part;
  };
  e.operands.push_back(operand(both || first));
  e.operands.push_back(operand(both || !first));
  e.ops = {draw.below(3)};
  return e;
}
// Longer than the families' hardest levels.
Expression too_long(Draw& draw) {
  Expression e;
  if (draw.chance(0.6)) {
    e.operands = {digits(draw, 9, 12), digits(draw, 1, 12)};
    e.ops = {draw.below(2)};
  } else {
    e.operands = {digits(draw, 4, 9), digits(draw, 1, 6)};
    e.ops = {2};
  }
  if (draw.chance(0.5)) std::swap(e.operands[0], e.operands[1]);
  return e;
}
Expression with_sign(Draw& draw) {
  Expression e;
  e.operands = {"-" + digits(draw, 1, 3), digits(draw, 1, 3)};
  e.ops = {draw.below(3)};
  return e;
}

void ask_expression(Draw& draw, const Ask& ask, const Expression& e, Sample& sample) {
  sample.problem = "beyond:" + e.operands[0];
  for (std::size_t i = 0; i < e.ops.size(); ++i)
    sample.problem += std::string(kNearMissOps[e.ops[i]]) + " " + e.operands[i + 1];
  const std::uint32_t style = draw.below(3);  // 1 + 2, 1+2, 1 plus 2
  const bool zh = ask.chinese(), cross = draw.chance(0.5);
  std::string said = e.operands[0];
  for (std::size_t i = 0; i < e.ops.size(); ++i) {
    const std::uint32_t op = e.ops[i];
    if (style == 2) {
      said += zh ? kOpWordsChinese[op] : kOpWords[op];
    } else {
      const std::string_view mark = op == 2 && cross ? "×" : op == 3 && cross ? "÷" : kNearMissOps[op];
      said += (style == 0 ? " " : "") + std::string(mark) + (style == 0 ? " " : "");
    }
    said += e.operands[i + 1];
  }
  sample.prompt = fill(draw.pick(zh ? Words(kNearMissChinese) : Words(kNearMissEnglish)), {{"e", said}});
}

constexpr std::string_view kOther[] = {"{a} squared", "the square root of {a}", "{a}^2", "{b}% of {a}", "half of {a}",
                                       "{a}!"};
constexpr std::string_view kOtherChinese[] = {"{a}的平方", "{a}的平方根", "{a}^2", "{a}的{b}%", "{a}的一半", "{a}!"};

void other_operation(Draw& draw, const Ask& ask, Sample& sample) {
  const std::uint32_t kind = draw.below(std::size(kOther));
  const std::string a = digits(draw, 1, 3), b = digits(draw, 1, 2);
  sample.problem = "beyond:" + fill(kOther[kind], {{"a", a}, {"b", b}});
  sample.prompt = fill(draw.pick(ask.chinese() ? Words(kNearMissChinese) : Words(kNearMissEnglish)),
                       {{"e", fill(ask.chinese() ? kOtherChinese[kind] : kOther[kind], {{"a", a}, {"b", b}})}});
}

// Up to four people, two of whom are compared or none; who of the others comes where nobody can say.
void unknown_order(Draw& draw, const Ask& ask, Sample& sample) {
  const bool zh = ask.chinese();
  std::vector<std::size_t> people = {0, 1, 2, 3, 4, 5, 6, 7};
  draw.shuffle(people);
  const std::uint32_t quality = draw.below(4), kind = draw.below(4);
  sample.problem = "unsaid:" + std::to_string(kind) + ":" + std::to_string(quality);
  for (std::size_t i = 0; i < 4; ++i) sample.problem += ":" + std::to_string(people[i]);
  const std::uint32_t style = draw.below(2) * 8;
  const auto name = [&](std::size_t i) {
    return zh ? chinese_name(style + static_cast<std::uint32_t>(people[i])) : kNearMissNames[people[i]];
  };
  const auto clause = [&](std::size_t upper, std::size_t lower) {
    return fill(zh ? "{u}比{l}{m}" : "{u} is {m} than {l}",
                {{"u", name(upper)}, {"l", name(lower)}, {"m", zh ? kMoreChinese[quality] : kMore[quality]}});
  };
  const std::string stop = zh ? "。" : ". ", comma = zh ? "，" : ", ";
  if (kind == 0) {  // nothing is said
    const bool choice = draw.chance(0.5);
    const std::string_view wording = zh ? (choice ? "{u}和{l}谁{m}？" : "{u}比{l}{m}吗？")
                                        : (choice ? "Who is {m}, {u} or {l}?" : "Is {u} {m} than {l}?");
    sample.prompt = fill(wording, {{"u", name(0)}, {"l", name(1)}, {"m", zh ? kMoreChinese[quality] : kMore[quality]}});
    return;
  }
  std::string_view asked;
  if (kind == 1) {  // two pairs
    sample.prompt = clause(0, 1) + comma + clause(2, 3) + stop;
    const bool most = draw.chance(0.5);
    asked = zh ? (most ? "谁最{m}？" : "谁排第二？") : (most ? "Who is the {m}?" : "Who is second?");
  } else if (kind == 2) {  // two below one
    sample.prompt = clause(0, 1) + comma + clause(0, 2) + stop;
    asked = zh ? "谁排第二？" : "Who is second?";
  } else {  // two above one
    sample.prompt = clause(0, 2) + comma + clause(1, 2) + stop;
    asked = zh ? "谁最{m}？" : "Who is the {m}?";
  }
  sample.prompt += fill(asked, {{"m", zh ? kMoreChinese[quality] : kMost[quality]}});
}

constexpr std::string_view kNoNumber[] = {"{n} has {a} {i} and buys some more. How many {i} does {n} have now?",
                                          "{n} has {a} {i} and gives some away. How many are left?",
                                          "{n} has some {i} and buys {a} more. How many {i} does {n} have now?",
                                          "{n} has {a} {i}. How many does {m} have?",
                                          "There are {a} boxes. How many {i} are there?"};
constexpr std::string_view kNoNumberChinese[] = {
    "{n}有{a}{i}，又买了一些，现在有多少{i}？", "{n}有{a}{i}，送出一些，还剩多少？",
    "{n}有一些{i}，又买了{a}{k}，现在有多少{i}？", "{n}有{a}{i}，{m}有多少？", "有{a}盒，一共有多少{i}？"};

void missing_number(Draw& draw, const Ask& ask, Sample& sample) {
  const bool zh = ask.chinese();
  const std::uint32_t kind = draw.below(std::size(kNoNumber)), first = draw.below(8),
                      second = (first + 1 + draw.below(7)) % 8, thing = draw.below(6);
  const std::string a = digits(draw, 1, 3);
  sample.problem = "unsaid:" + std::to_string(kind) + ":" + a + ":" + std::to_string(thing);
  const std::string_view things = zh ? kNearMissThingsChinese[thing] : kNearMissThings[thing];
  sample.prompt = fill(zh ? kNoNumberChinese[kind] : kNoNumber[kind],
                       {{"n", zh ? chinese_name(8 + first) : kNearMissNames[first]},
                        {"m", zh ? chinese_name(8 + second) : kNearMissNames[second]},
                        {"a", a},
                        {"i", things},
                        {"k", things.substr(0, 3)}});
}

// C is A and B, of which B is not said, and A alone does not decide it.
void missing_value(Draw& draw, const Ask& ask, Sample& sample) {
  const bool zh = ask.chinese(), value = draw.chance(0.5), swapped = draw.chance(0.5);
  const std::uint32_t kind = draw.below(3);
  sample.problem = "unsaid:value:" + std::to_string(kind) + (value ? "1" : "0") + (swapped ? "s" : "");
  const std::string a = swapped ? "B" : "A", b = swapped ? "A" : "B";
  const std::string truth = zh ? (value ? "真" : "假") : (value ? "true" : "false");
  const std::string op = zh ? (value ? "且" : "或") : (value ? " and " : " or ");  // true and B is B; so is false or B
  if (kind == 0) {
    sample.prompt =
        zh ? b + "是非" + a + "。" + b + "是真还是假？" : b + " is not " + a + ". Is " + b + " true or false?";
  } else if (kind == 1) {
    sample.prompt = zh ? a + "是" + truth + "。C是A" + op + "B。C是真还是假？"
                       : a + " is " + truth + ". C is A" + op + "B. Is C true or false?";
  } else {
    sample.prompt =
        zh ? a + "是" + truth + "。" + b + "是真还是假？" : a + " is " + truth + ". Is " + b + " true or false?";
  }
}

}  // namespace

Sample make_near_miss(Draw& draw, const Ask& ask) {
  Sample sample;
  bool too_little = false;
  switch (const std::uint32_t kind = draw.below(12)) {
    case 0:
    case 1:
      ask_expression(draw, ask, three_terms(draw), sample);
      break;
    case 2:
      ask_expression(draw, ask, fractions(draw), sample);
      break;
    case 3:
      ask_expression(draw, ask, division(draw), sample);
      break;
    case 4:
      ask_expression(draw, ask, decimals(draw), sample);
      break;
    case 5:
      ask_expression(draw, ask, too_long(draw), sample);
      break;
    case 6:
      ask_expression(draw, ask, with_sign(draw), sample);
      break;
    case 7:
      other_operation(draw, ask, sample);
      break;
    default:
      too_little = true;
      if (kind < 10)
        unknown_order(draw, ask, sample);
      else if (kind == 10)
        missing_number(draw, ask, sample);
      else
        missing_value(draw, ask, sample);
  }
  sample.answer =
      too_little ? (ask.chinese() ? kTooLittleChinese : kTooLittle) : (ask.chinese() ? kTooMuchChinese : kTooMuch);
  sample.check.kind = Check::Kind::text;
  return sample;
}

}  // namespace limpid
