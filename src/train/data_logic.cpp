// ordering and boolean: who stands where, and what is true.
#include <algorithm>
#include <array>
#include <numeric>

#include "train/data_families.h"

namespace limpid {

namespace {

using Words = std::span<const std::string_view>;

constexpr std::string_view kNames[] = {"Tom", "Ann", "Bob", "Eva", "Max", "Lily", "Sam", "Mia"};

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
constexpr std::string_view kOrdinals[] = {"first", "second", "third", "fourth", "fifth", "sixth", "seventh"};
constexpr std::string_view kNumerals[] = {"一", "二", "三", "四", "五", "六", "七"};

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

std::string ask_rank(Draw& draw, const Quality& quality, std::size_t rank, std::size_t count, bool turned_any, bool zh) {
  if (rank + 1 == count && draw.chance(0.6)) {
    return zh ? "谁最" + std::string(quality.chinese_least) + "？" : "Who is the " + std::string(quality.least) + "?";
  }
  if (!turned_any && draw.chance(0.4)) {
    return zh ? "谁排第" + std::string(kNumerals[rank]) + "？" : "Who is " + std::string(kOrdinals[rank]) + "?";
  }
  if (zh) {
    return rank == 0 ? "谁最" + std::string(quality.chinese_most) + "？"
                     : "谁第" + std::string(kNumerals[rank]) + std::string(quality.chinese_most) + "？";
  }
  const std::string which = rank == 0 ? "" : std::string(kOrdinals[rank]) + " ";
  return "Who is the " + which + std::string(quality.most) + "?";
}

}  // namespace

std::string_view chinese_name(std::uint32_t index) {
  constexpr std::array<std::string_view, kChineseNames> kChinese = {"甲", "乙", "丙", "丁", "戊", "己", "庚", "辛",
                                                                   "小明", "小红", "小刚", "小丽", "小华", "小军", "小芳", "小强"};
  return kChinese[index];
}

// Neighbours in the order are compared, in any order and either way round. The thinking writes every clause with a sign,
// then counts down the line and says which place is asked for.
Sample make_ordering(Draw& draw, const Ask& ask) {
  const auto count = static_cast<std::size_t>(ask.level + 2);
  const std::uint32_t style = draw.below(2) * 8;  // of Chinese names
  std::vector<std::size_t> people(std::size(kNames));
  std::iota(people.begin(), people.end(), std::size_t{0});
  draw.shuffle(people);
  const std::size_t quality_index = draw.below(std::size(kQualities));
  const Quality& quality = kQualities[quality_index];
  std::vector<Clause> clauses;
  const bool may_turn = draw.chance(0.5);
  for (std::size_t i = 0; i + 1 < count; ++i) clauses.push_back({i, i + 1, may_turn && draw.chance(0.5)});
  draw.shuffle(clauses);
  const std::size_t rank = draw.below(static_cast<std::uint32_t>(count));

  Sample sample;
  sample.problem = "order:" + std::to_string(quality_index) + ":" + std::to_string(rank);
  for (const Clause& c : clauses) {
    sample.problem += ":" + std::to_string(people[c.upper]) + ">" + std::to_string(people[c.lower]);
  }
  std::vector<std::string_view> names;
  for (std::size_t i = 0; i < count; ++i) names.push_back(ask.chinese() ? chinese_name(style + static_cast<std::uint32_t>(people[i])) : kNames[people[i]]);
  const bool turned_any = std::any_of(clauses.begin(), clauses.end(), [](const Clause& c) { return c.turned; });
  sample.prompt = say(clauses, names, quality, ask.chinese()) + (ask.chinese() ? "。" : ". ") +
                  ask_rank(draw, quality, rank, count, turned_any, ask.chinese());

  const std::string space = ask.chinese() ? "" : " ";
  sample.thinking = ask.chinese_thinking() ? "排:" : "order:";
  for (std::size_t i = 0; i < clauses.size(); ++i) {
    if (i > 0) sample.thinking += ",";
    const Clause& c = clauses[i];
    sample.thinking += space + std::string(names[c.turned ? c.lower : c.upper]) + (c.turned ? "<" : ">") + space +
                       std::string(names[c.turned ? c.upper : c.lower]);
  }
  for (std::size_t i = 0; i < count; ++i) sample.thinking += "," + std::to_string(i + 1) + space + std::string(names[i]);
  sample.thinking += ";" + std::to_string(rank + 1) + space + std::string(names[rank]);
  sample.answer = names[rank];
  sample.check.kind = Check::Kind::text;
  sample.check.accepted = {sample.answer};
  return sample;
}

namespace {

constexpr std::string_view kChainEnglish[] = {
    "Evaluate from left to right: {e}", "From left to right, is {e} true or false?", "{e}, from left to right: true or false?",
    "What is {e}? Go from left to right."};
constexpr std::string_view kChainChinese[] = {"从左到右算：{e}。是真还是假？", "{e}，从左往右，结果是真是假？",
                                              "{e}，从左到右算得什么？"};
constexpr std::string_view kOps[] = {"and", "or", "xor"};
constexpr std::string_view kOpsChinese[] = {"且", "或", "异或"};
constexpr std::string_view kSigns[] = {"&", "|", "^"};

bool apply(std::uint32_t op, bool a, bool b) { return op == 0 ? a && b : op == 1 ? a || b : a != b; }

std::string truth(bool value, Language language, bool spaced = true) {
  if (language == Language::chinese) return value ? "真" : "假";
  return (spaced ? " " : "") + std::string(value ? "true" : "false");
}

struct Term {
  std::uint32_t op;
  bool negated, value;
};

// true and not false or true; the first term's op is not said.
void boolean_chain(Draw& draw, const Ask& ask, Sample& sample) {
  std::vector<Term> terms;
  for (int i = 0; i <= ask.level + 1; ++i) terms.push_back({draw.below(3), draw.chance(0.2), draw.chance(0.5)});
  const bool zh = ask.chinese();
  std::string said, working;
  sample.problem = "chain:";
  bool state = false;
  for (std::size_t i = 0; i < terms.size(); ++i) {
    const Term& term = terms[i];
    const bool value = term.value != term.negated;
    if (i > 0) said += zh ? "，" + std::string(kOpsChinese[term.op]) : " " + std::string(kOps[term.op]) + " ";
    said += (term.negated ? (zh ? "非" : "not ") : "") + truth(term.value, ask.language, false);
    sample.problem += (i > 0 ? std::string(kSigns[term.op]) : "") + (term.negated ? "!" : "") + (term.value ? "1" : "0");
    if (i == 0) {
      state = value;
      working = "x" + truth(state, ask.thinking);
      continue;
    }
    working += "," + std::to_string(i) + truth(state, ask.thinking) + std::string(kSigns[term.op]) + truth(value, ask.thinking);
    state = apply(term.op, state, value);
    working += "=" + truth(state, ask.thinking);
  }
  sample.prompt = fill(draw.pick(zh ? Words(kChainChinese) : Words(kChainEnglish)), {{"e", said}});
  sample.thinking = working;
  sample.answer = truth(state, ask.language, false);
}

// A is true. B is not A. C is A and B. What is C?
void boolean_names(Draw& draw, const Ask& ask, Sample& sample) {
  const bool zh = ask.chinese();
  std::vector<bool> values;
  sample.problem = "names";
  std::string said, working;
  for (int i = 0; i <= ask.level + 1; ++i) {
    const std::string name(1, static_cast<char>('A' + i));
    const std::uint32_t kind = i == 0 ? 0 : i == 1 ? draw.below(2) : draw.below(3);
    said += name + (zh ? "是" : " is ");
    if (i > 0) working += ",";
    working += std::to_string(i + 1) + name + "=";
    bool value = false;
    if (kind == 0) {  // a fact
      value = draw.chance(0.5);
      said += truth(value, ask.language, false);
      sample.problem += value ? ":1" : ":0";
    } else {
      const auto pick = [&] { return static_cast<std::size_t>(draw.below(static_cast<std::uint32_t>(i))); };
      const std::size_t a = pick();
      const std::string left(1, static_cast<char>('A' + static_cast<char>(a)));
      if (kind == 1) {
        value = !values[a];
        said += (zh ? "非" : "not ") + left;
        working += "!" + truth(values[a], ask.thinking) + "=";
        sample.problem += ":!" + left;
      } else {
        std::size_t b = pick();
        if (b == a) b = (a + 1) % static_cast<std::size_t>(i);
        const std::uint32_t op = draw.below(2);
        const std::string right(1, static_cast<char>('A' + static_cast<char>(b)));
        value = apply(op, values[a], values[b]);
        said += left + (zh ? std::string(kOpsChinese[op]) : " " + std::string(kOps[op]) + " ") + right;
        working += truth(values[a], ask.thinking) + std::string(kSigns[op]) + truth(values[b], ask.thinking) + "=";
        sample.problem += ":" + left + std::string(kSigns[op]) + right;
      }
    }
    values.push_back(value);
    working += truth(value, ask.thinking);
    said += zh ? "。" : ". ";
  }
  const std::string last(1, static_cast<char>('A' + ask.level + 1));
  sample.prompt = said + (zh ? last + "是真还是假？" : "Is " + last + " true or false?");
  sample.thinking = working;
  sample.answer = truth(values.back(), ask.language, false);
}

}  // namespace

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
