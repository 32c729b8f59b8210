// ordering and boolean: who stands where, and what is true.
#include <algorithm>
#include <array>
#include <numeric>

#include "train/data_families.h"

namespace limpid {

namespace {

using Words = std::span<const std::string_view>;

constexpr std::string_view kLogicNames[] = {"Tom", "Ann", "Bob", "Eva", "Max", "Lily", "Sam", "Mia"};

// More and less of something, as comparative and superlative.
struct Quality {
  std::string_view more, less, most, least, chinese_more, chinese_less, chinese_most, chinese_least;
};
constexpr Quality kQualities[] = {
    {"taller", "shorter", "tallest", "shortest", "高", "矮", "高", "矮"},
    {"older", "younger", "oldest", "youngest", "大", "小", "大", "小"},
    {"faster", "slower", "fastest", "slowest", "快", "慢", "快", "慢"},
    {"heavier", "lighter", "heaviest", "lightest", "重", "轻", "重", "轻"},
};
constexpr std::string_view kLogicOrdinals[] = {"first", "second", "third", "fourth", "fifth", "sixth", "seventh"};
constexpr std::string_view kLogicNumerals[] = {"一", "二", "三", "四", "五", "六", "七"};

struct Clause {
  std::size_t upper, lower;  // places in the order
  bool turned;               // said the other way round: "Ann is shorter than Tom"
};

std::string say(const std::vector<Clause>& clauses, const std::vector<std::string_view>& names, const Quality& quality,
                bool zh) {
  std::string out;
  for (const Clause& c : clauses) {
    const std::string_view left = names[c.turned ? c.lower : c.upper], right = names[c.turned ? c.upper : c.lower];
    if (!out.empty()) out += zh ? "，" : ", ";
    out += left;
    if (zh) {
      out += "比";
      out += right;
      out += c.turned ? quality.chinese_less : quality.chinese_more;
    } else {
      out += " is ";
      out += c.turned ? quality.less : quality.more;
      out += " than ";
      out += right;
    }
  }
  return out;
}

std::string ask_rank(Draw& draw, const Quality& quality, std::size_t rank, std::size_t count, bool turned_any,
                     bool zh) {
  if (rank + 1 == count && draw.chance(0.6)) {
    return zh ? "谁最" + std::string(quality.chinese_least) + "？" : "Who is the " + std::string(quality.least) + "?";
  }
  if (!turned_any && draw.chance(0.4)) {
    return zh ? "谁排第" + std::string(kLogicNumerals[rank]) + "？"
              : "Who is " + std::string(kLogicOrdinals[rank]) + "?";
  }
  if (zh) {
    return rank == 0 ? "谁最" + std::string(quality.chinese_most) + "？"
                     : "谁第" + std::string(kLogicNumerals[rank]) + std::string(quality.chinese_most) + "？";
  }
  const std::string which = rank == 0 ? "" : std::string(kLogicOrdinals[rank]) + " ";
  return "Who is the " + which + std::string(quality.most) + "?";
}

}  // namespace

std::string_view chinese_name(std::uint32_t index) {
  constexpr std::array<std::string_view, kChineseNames> kLogicChinese = {
      "甲", "乙", "丙", "丁", "戊", "己", "庚", "辛", "小明", "小红", "小刚", "小丽", "小华", "小军", "小芳", "小强"};
  return kLogicChinese[index];
}

std::string name_in_thinking(std::string_view name) {
  constexpr std::string_view kFamiliar = "小";
  if (name.front() >= 'A' && name.front() <= 'Z') return " " + std::string(name);
  return std::string(name.size() > kFamiliar.size() && name.starts_with(kFamiliar) ? name.substr(kFamiliar.size())
                                                                                   : name);
}

std::string is_above(std::string_view upper, std::string_view lower) {
  return name_in_thinking(upper) + ">" + name_in_thinking(lower);
}

namespace {

// People in their order, and the comparisons of neighbours: in any order and either way round.
struct Line {
  std::vector<std::size_t> people;
  std::vector<Clause> clauses;
  std::vector<std::string_view> names;

  // The problem is the order itself: whoever trains on three names in one order has seen it, whatever was asked and in which
  // words.
  std::string problem() const {
    std::string out = "order";
    for (std::size_t i = 0; i < names.size(); ++i) out += (i == 0 ? ":" : ">") + std::to_string(people[i]);
    return out;
  }
  std::string signs() const {  // " Ann> Bob, Tom> Ann"
    std::string out;
    for (const Clause& c : clauses) out += (out.empty() ? "" : ",") + is_above(names[c.upper], names[c.lower]);
    return out;
  }
  std::string downwards() const {  // " Tom> Ann> Bob"
    std::string out = name_in_thinking(names[0]);
    for (std::size_t i = 1; i < names.size(); ++i) out += ">" + name_in_thinking(names[i]);
    return out;
  }
};

Line draw_people(Draw& draw, std::size_t count, std::uint32_t style, bool chinese) {
  Line line;
  line.people.resize(std::size(kLogicNames));
  std::iota(line.people.begin(), line.people.end(), std::size_t{0});
  draw.shuffle(line.people);
  for (std::size_t i = 0; i < count; ++i) {
    line.names.push_back(chinese ? chinese_name(style + static_cast<std::uint32_t>(line.people[i]))
                                 : kLogicNames[line.people[i]]);
  }
  return line;
}

void draw_clauses(Draw& draw, Line& line) {
  const bool may_turn = draw.chance(0.5);
  for (std::size_t i = 0; i + 1 < line.names.size(); ++i)
    line.clauses.push_back({i, i + 1, may_turn && draw.chance(0.5)});
  draw.shuffle(line.clauses);
}

}  // namespace

// Neighbours in the order are compared, in any order and either way round. The thinking writes every clause as "upper> lower",
// then the line from the top down, where "name>" is followed by what followed it before, numbers it, and says which place
// is asked for. Only the top is seen at a glance. Ways that look for it word by word were worse (docs/log.md).
Sample make_ordering(Draw& draw, const Ask& ask) {
  const auto count = static_cast<std::size_t>(ask.level + 2);
  const std::uint32_t style = draw.below(2) * 8;  // of Chinese names
  Line line = draw_people(draw, count, style, ask.chinese());
  const Quality& quality = kQualities[draw.below(std::size(kQualities))];
  draw_clauses(draw, line);
  const std::size_t rank = draw.below(static_cast<std::uint32_t>(count));
  const std::vector<std::string_view>& names = line.names;

  Sample sample;
  sample.problem = line.problem();
  const bool turned_any =
      std::any_of(line.clauses.begin(), line.clauses.end(), [](const Clause& c) { return c.turned; });
  sample.prompt = say(line.clauses, names, quality, ask.chinese()) + (ask.chinese() ? "。" : ". ") +
                  ask_rank(draw, quality, rank, count, turned_any, ask.chinese());
  sample.thinking = (ask.chinese_thinking() ? "排:" : "order:") + line.signs() + ";" + line.downwards();
  for (std::size_t i = 0; i < count; ++i)
    sample.thinking += (i == 0 ? ";" : ",") + std::to_string(i + 1) + name_in_thinking(names[i]);
  sample.thinking += ";" + std::to_string(rank + 1) + name_in_thinking(names[rank]);
  sample.answer = names[rank];
  sample.check.kind = Check::Kind::text;
  sample.check.accepted = {sample.answer};
  return sample;
}

// Line: Tom> Ann, Eva> Tom   Eva> Tom> Ann
void drill_line(Draw& draw, const Ask& ask, Sample& sample) {
  const auto count = static_cast<std::size_t>(draw.between(2, 5));
  Line line = draw_people(draw, count, draw.below(2) * 8, ask.chinese());
  draw_clauses(draw, line);
  sample.prompt = (ask.chinese() ? "上下:" : "Line:") + line.signs();
  sample.answer = line.downwards();
  sample.parts = {line.problem()};
}

namespace {

constexpr std::string_view kLogicChainEnglish[] = {
    "Evaluate from left to right: {e}", "From left to right, is {e} true or false?",
    "{e}, from left to right: true or false?", "What is {e}? Go from left to right."};
constexpr std::string_view kLogicChainChinese[] = {"从左到右算：{e}。是真还是假？", "{e}，从左往右，结果是真是假？",
                                                   "{e}，从左到右算得什么？"};
constexpr std::string_view kLogicOps[] = {"and", "or", "xor"};
constexpr std::string_view kOpsChinese[] = {"且", "或", "异或"};
constexpr std::string_view kSigns[] = {"&", "|", "^"};

bool apply(std::uint32_t op, bool a, bool b) { return op == 0 ? a && b : op == 1 ? a || b : a != b; }

std::string truth(bool value, Language language, bool spaced = true) {
  if (language == Language::chinese) return value ? "真" : "假";
  return (spaced ? " " : "") + std::string(value ? "true" : "false");
}

// The words and marks of the thinking.
struct Terms {
  explicit Terms(Language thinking) : language(thinking), chinese(thinking == Language::chinese) {}
  std::string op(std::uint32_t op) const {
    return chinese ? std::string(kOpsChinese[op]) : " " + std::string(kLogicOps[op]);
  }
  std::string not_() const { return chinese ? "非" : " not"; }
  std::string name(std::size_t i) const {
    return (chinese ? "" : " ") + std::string(1, static_cast<char>('A' + static_cast<char>(i)));
  }
  std::string is(const std::string& left, bool value) const { return left + "=" + truth(value, language); }
  // Full-width marks, because an ASCII mark and the letter behind it are one piece to the tokenizer.
  std::string comma() const { return chinese ? "，" : ","; }
  std::string colon() const { return chinese ? "：" : ":"; }
  std::string semicolon() const { return chinese ? "；" : ";"; }

  Language language;
  bool chinese;
};

struct Term {
  std::uint32_t op;
  bool negated, value;
};

// true and not false or true; the first term's op is not said. The thinking numbers the terms as they are said and works each
// one into what it has: x true;1 and not false= true: true and true= true;2 or true: true or true= true
void boolean_chain(Draw& draw, const Ask& ask, Sample& sample) {
  std::vector<Term> terms;
  for (int i = 0; i <= ask.level + 1; ++i) terms.push_back({draw.below(3), draw.chance(0.2), draw.chance(0.5)});
  const bool zh = ask.chinese();
  const Terms say(ask.thinking);
  std::string said, working = "x";
  sample.problem = "chain:";
  bool state = false;
  for (std::size_t i = 0; i < terms.size(); ++i) {
    const Term& term = terms[i];
    const bool value = term.value != term.negated;
    if (i > 0) said += zh ? "，" + std::string(kOpsChinese[term.op]) : " " + std::string(kLogicOps[term.op]) + " ";
    said += (term.negated ? (zh ? "非" : "not ") : "") + truth(term.value, ask.language, false);
    sample.problem +=
        (i > 0 ? std::string(kSigns[term.op]) : "") + (term.negated ? "!" : "") + (term.value ? "1" : "0");
    if (i > 0) working += say.semicolon() + std::to_string(i) + say.op(term.op);
    working += term.negated ? say.is(say.not_() + truth(term.value, ask.thinking), value) : truth(value, ask.thinking);
    const bool before = state;
    state = i == 0 ? value : apply(term.op, state, value);
    if (i > 0)
      working +=
          say.colon() + say.is(truth(before, ask.thinking) + say.op(term.op) + truth(value, ask.thinking), state);
  }
  sample.prompt = fill(draw.pick(zh ? Words(kLogicChainChinese) : Words(kLogicChainEnglish)), {{"e", said}});
  sample.thinking = working;
  sample.answer = truth(state, ask.language, false);
}

// A is true. B is not A. C is A and B. What is C? In the thinking a value always stands behind its name and "=", as an
// operand too, so that it is looked up by the two tokens before it:
//   A= true, B: not A= true, B= false, C: A= true and B= false, C= false
void boolean_names(Draw& draw, const Ask& ask, Sample& sample) {
  const bool zh = ask.chinese();
  const Terms say(ask.thinking);
  std::vector<bool> values;
  sample.problem = "names";
  std::string said, working;
  for (int i = 0; i <= ask.level + 1; ++i) {
    const auto self = static_cast<std::size_t>(i);
    const std::string name(1, static_cast<char>('A' + i));
    const std::uint32_t kind = i == 0 ? 0 : i == 1 ? draw.below(2) : draw.below(3);
    said += name + (zh ? "是" : " is ");
    if (i > 0) working += say.comma();
    bool value = false;
    if (kind == 0) {  // a fact
      value = draw.chance(0.5);
      said += truth(value, ask.language, false);
      sample.problem += value ? ":1" : ":0";
    } else {
      const auto pick = [&] { return static_cast<std::size_t>(draw.below(static_cast<std::uint32_t>(i))); };
      const std::size_t a = pick();
      const std::string left(1, static_cast<char>('A' + static_cast<char>(a)));
      working += say.name(self) + say.colon();
      if (kind == 1) {
        value = !values[a];
        said += (zh ? "非" : "not ") + left;
        working += say.not_() + say.is(say.name(a), values[a]);
        sample.problem += ":!" + left;
      } else {
        std::size_t b = pick();
        if (b == a) b = (a + 1) % static_cast<std::size_t>(i);
        const std::uint32_t op = draw.below(2);
        const std::string right(1, static_cast<char>('A' + static_cast<char>(b)));
        value = apply(op, values[a], values[b]);
        said += left + (zh ? std::string(kOpsChinese[op]) : " " + std::string(kLogicOps[op]) + " ") + right;
        working += say.is(say.name(a), values[a]) + say.op(op) + say.is(say.name(b), values[b]);
        sample.problem += ":" + std::min(left, right) + std::string(kSigns[op]) + std::max(left, right);
      }
      working += say.comma();
    }
    values.push_back(value);
    working += say.is(say.name(self), value);
    said += zh ? "。" : ". ";
  }
  const std::string last(1, static_cast<char>('A' + ask.level + 1));
  sample.prompt = said + (zh ? last + "是真还是假？" : "Is " + last + " true or false?");
  sample.thinking = working;
  sample.answer = truth(values.back(), ask.language, false);
}

}  // namespace

// A= true, B= false, C= true. D is B and C.   D: B= false and C= true, D= false
void drill_value(Draw& draw, const Ask& ask, Sample& sample) {
  const Terms say(ask.language);
  const std::uint32_t known = 2 + draw.below(4);
  std::vector<bool> values;
  for (std::uint32_t i = 0; i < known; ++i) {
    values.push_back(draw.chance(0.5));
    sample.prompt += (i > 0 ? say.comma() : "") + say.is(say.name(i), values[i]);
  }
  const std::uint32_t a = draw.below(known), b = (a + 1 + draw.below(known - 1)) % known, op = draw.below(3);
  sample.prompt += (ask.chinese() ? "。" : ".") + say.name(known) + (ask.chinese() ? "是" : " is");
  sample.answer = say.name(known) + say.colon();
  if (op == 2) {
    sample.prompt += say.not_() + say.name(a);
    sample.answer += say.not_() + say.is(say.name(a), values[a]);
  } else {
    sample.prompt += say.name(a) + say.op(op) + say.name(b);
    sample.answer += say.is(say.name(a), values[a]) + say.op(op) + say.is(say.name(b), values[b]);
  }
  sample.prompt += ask.chinese() ? "。" : ".";
  sample.answer += say.comma() + say.is(say.name(known), op == 2 ? !values[a] : apply(op, values[a], values[b]));
  if (sample.prompt[0] == ' ') sample.prompt.erase(0, 1);
}

Sample make_boolean(Draw& draw, const Ask& ask) {
  Sample sample;
  if (draw.chance(0.3)) {
    boolean_chain(draw, ask, sample);
  } else {
    boolean_names(draw, ask, sample);
  }
  sample.check.kind = Check::Kind::text;
  sample.check.accepted = {sample.answer};
  return sample;
}

}  // namespace limpid
