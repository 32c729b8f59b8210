// word: small stories around one or two sums, differences and products.
#include <algorithm>

#include "train/data_columns.h"
#include "train/data_families.h"

namespace limpid {

namespace {

using Words = std::span<const std::string_view>;

constexpr std::string_view kStoryNames[] = {"Tom", "Ann", "Bob", "Eva", "Max", "Lily", "Sam", "Mia"};
constexpr std::string_view kNamesChinese[] = {"小明", "小红", "小刚", "小丽", "小华", "小军", "小芳", "小强"};
constexpr std::string_view kStoryThings[] = {"apples", "pears", "pens", "books", "eggs", "cards"};
// With the word that counts them.
constexpr std::string_view kStoryThingsChinese[] = {"个苹果", "个梨", "支笔", "本书", "个鸡蛋", "张卡片"};

constexpr std::string_view kStoryAddEnglish[] = {
    "{n} has {a} {i} and buys {b} more. How many {i} does {n} have now?",
    "{n} has {a} {i}. {m} has {b} more than {n}. How many does {m} have?",
    "{n} has {a} {i} and {m} has {b}. How many {i} do they have in all?",
    "There are {a} {i} on the table, then {n} puts {b} more there. How many are there now?"};
constexpr std::string_view kStoryAddChinese[] = {"{n}有{a}{i}，又买了{b}{k}，现在有多少{i}？",
                                                 "{n}有{a}{i}，{m}比{n}多{b}{k}，{m}有多少？",
                                                 "{n}有{a}{i}，{m}有{b}{k}，一共有多少{i}？"};
constexpr std::string_view kStorySubtractEnglish[] = {
    "{n} has {a} {i} and gives {b} away. How many are left?",
    "{n} has {a} {i}. {m} has {b} fewer than {n}. How many does {m} have?",
    "There were {a} {i} in the box and {n} took {b} out. How many {i} are still there?"};
constexpr std::string_view kStorySubtractChinese[] = {"{n}有{a}{i}，送出{b}{k}，还剩多少？",
                                                      "{n}有{a}{i}，{m}比{n}少{b}{k}，{m}有多少？",
                                                      "盒子里有{a}{i}，{n}拿走{b}{k}，还剩多少{i}？"};
constexpr std::string_view kStoryTimesEnglish[] = {
    "There are {b} boxes with {a} {i} in each. How many {i} are there?",
    "{n} buys {b} boxes of {a} {i}. How many {i} is that?",
    "Each of {b} children has {a} {i}. How many {i} do they have in all?"};
constexpr std::string_view kStoryTimesChinese[] = {"有{b}盒，每盒有{a}{i}，一共有多少{i}？",
                                                   "{n}买了{b}盒，每盒{a}{i}，一共多少{i}？"};
constexpr std::string_view kAddSubtractEnglish[] = {
    "{n} has {a} {i}, buys {b} more and then gives {c} away. How many are left?"};
constexpr std::string_view kAddSubtractChinese[] = {"{n}有{a}{i}，又买了{b}{k}，再送出{c}{k}，还剩多少？"};
constexpr std::string_view kTimesSubtractEnglish[] = {
    "{n} buys {b} boxes with {a} {i} in each and then gives {c} away. How many are left?"};
constexpr std::string_view kTimesSubtractChinese[] = {"{n}买了{b}盒，每盒{a}{i}，再送出{c}{k}，还剩多少？"};

enum class Story { add, subtract, times, add_subtract, times_subtract };

Words wordings(Story story, bool zh) {
  switch (story) {
    case Story::add:
      return zh ? Words(kStoryAddChinese) : Words(kStoryAddEnglish);
    case Story::subtract:
      return zh ? Words(kStorySubtractChinese) : Words(kStorySubtractEnglish);
    case Story::times:
      return zh ? Words(kStoryTimesChinese) : Words(kStoryTimesEnglish);
    case Story::add_subtract:
      return zh ? Words(kAddSubtractChinese) : Words(kAddSubtractEnglish);
    case Story::times_subtract:
      break;
  }
  return zh ? Words(kTimesSubtractChinese) : Words(kTimesSubtractEnglish);
}

// Whether the story is of one step, the numbers, and the result of the first step.
struct Numbers {
  Story story;
  std::int64_t a, b, c, middle;
};

Numbers draw_numbers(Draw& draw, int level) {
  Numbers n{};
  if (level <= 2) {
    n.story = draw.chance(0.5) ? Story::add : Story::subtract;
    const std::int64_t least = level == 1 ? 2 : 100, most = level == 1 ? 99 : 999;
    n.a = draw.between(least, most);
    n.b = draw.between(level == 1 ? 1 : 10, n.story == Story::add ? most : n.a);
  } else if (level == 3) {
    n.story = Story::times;
    n.a = draw.between(10, 99);
    n.b = draw.between(2, 9);
  } else {
    const bool large = level > 4;
    n.story = draw.chance(0.5) ? Story::add_subtract : Story::times_subtract;
    n.a = draw.between(large ? 100 : 10, large ? 999 : 99);
    n.b = n.story == Story::times_subtract ? draw.between(2, 9) : draw.between(large ? 100 : 10, large ? 999 : 99);
  }
  n.middle = n.story == Story::times || n.story == Story::times_subtract ? n.a * n.b : n.a + n.b;
  if (level > 3) n.c = draw.between(1, std::min<std::int64_t>(n.middle, level > 4 ? 999 : 99));
  return n;
}

std::string sum_problem(std::int64_t a, std::int64_t b) {
  return std::to_string(std::min(a, b)) + "+" + std::to_string(std::max(a, b));
}
std::string difference_problem(std::int64_t a, std::int64_t b) { return std::to_string(a) + "-" + std::to_string(b); }
std::string product_problem(std::int64_t a, std::int64_t b) {
  return std::to_string(std::min(a, b)) + "*" + std::to_string(std::max(a, b));
}

// A story of one step is the problem of the plain family, and one of two has two such problems for parts, so that the split
// holds across families.
void name_problem(const Numbers& n, Sample& sample) {
  const std::string a = std::to_string(n.a), b = std::to_string(n.b), c = std::to_string(n.c);
  switch (n.story) {
    case Story::add:
      sample.problem = sum_problem(n.a, n.b);
      return;
    case Story::subtract:
      sample.problem = difference_problem(n.a, n.b);
      return;
    case Story::times:
      sample.problem = product_problem(n.a, n.b);
      return;
    case Story::add_subtract:
      sample.problem = "word:" + a + "+" + b + "-" + c;
      sample.parts = {sum_problem(n.a, n.b), difference_problem(n.middle, n.c)};
      return;
    case Story::times_subtract:
      break;
  }
  sample.problem = "word:" + a + "*" + b + "-" + c;
  sample.parts = {product_problem(n.a, n.b), difference_problem(n.middle, n.c)};
}

}  // namespace

Sample make_word(Draw& draw, const Ask& ask) {
  const Numbers n = draw_numbers(draw, ask.level);
  Sample sample;
  name_problem(n, sample);
  const std::uint32_t first = draw.below(8), second = (first + 1 + draw.below(7)) % 8, thing = draw.below(6);
  const bool zh = ask.chinese();
  const std::string_view things = zh ? kStoryThingsChinese[thing] : kStoryThings[thing];
  // The counting word alone is the first character.
  sample.prompt = fill(draw.pick(wordings(n.story, zh)), {{"n", zh ? kNamesChinese[first] : kStoryNames[first]},
                                                          {"m", zh ? kNamesChinese[second] : kStoryNames[second]},
                                                          {"i", things},
                                                          {"k", things.substr(0, 3)},
                                                          {"a", std::to_string(n.a)},
                                                          {"b", std::to_string(n.b)},
                                                          {"c", std::to_string(n.c)}});
  std::int64_t result = n.middle;
  switch (n.story) {
    case Story::add:
      sample.thinking = worked_sum(n.a, n.b, ask.thinking);
      break;
    case Story::subtract:
      sample.thinking = worked_difference(n.a, n.b, ask.thinking);
      result = n.a - n.b;
      break;
    case Story::times:
      sample.thinking = worked_product(n.a, n.b, ask.thinking);
      break;
    case Story::add_subtract:
    case Story::times_subtract:
      sample.thinking =
          n.story == Story::add_subtract ? worked_sum(n.a, n.b, ask.thinking) : worked_product(n.a, n.b, ask.thinking);
      sample.thinking += worked_difference(n.middle, n.c, ask.thinking, false);
      result = n.middle - n.c;
      break;
  }
  sample.answer = std::to_string(result);
  sample.check.accepted = {sample.answer};
  return sample;
}

}  // namespace limpid
