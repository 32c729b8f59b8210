// drill: the small steps of the worked solutions, practised by themselves, as a school book does: copying a row, naming the places of
// digits, sums of one digit, comparisons as signs, a line or a value from others. Every token of a reply can be learned from its prompt, so that looking up, which whole
// problems teach slowly (docs/training.md), is learned early.
#include <array>

#include "train/data_columns.h"
#include "train/data_families.h"

namespace limpid {

namespace {

using Words = std::span<const std::string_view>;

constexpr std::string_view kDrillLetters[] = {" a", " b", " c", " d", " e", " f", " g", " h", " j", " k",
                                              " m", " n", " p", " r", " s", " t", " v", " w", " x", " z"};
constexpr std::string_view kDrillThings[] = {" apple", " pear", " cat",  " dog", " pen",
                                             " book",  " fish", " bird", " cup", " ball"};
constexpr std::string_view kDrillThingsChinese[] = {"苹果", "梨", "猫", "狗", "笔", "书", "鱼", "鸟", "杯", "球"};
constexpr std::string_view kDrillNames[] = {" Tom", " Ann", " Bob", " Eva", " Max", " Lily", " Sam", " Mia"};
constexpr std::string_view kTurns[][2] = {
    {"taller", "shorter"}, {"older", "younger"}, {"faster", "slower"}, {"heavier", "lighter"}};
constexpr std::string_view kTurnsChinese[][2] = {{"高", "矮"}, {"大", "小"}, {"快", "慢"}, {"重", "轻"}};

constexpr char kDrillDigits[] = "0123456789";

// Copy: b a c b
void row(Draw& draw, const Ask& ask, Sample& sample) {
  const bool zh = ask.chinese();
  const std::uint32_t kind = draw.below(4);
  const auto length = static_cast<int>(draw.between(3, 12));
  const auto any = [&] {
    return kind == 0   ? draw.pick(kDrillLetters)
           : kind == 1 ? std::string_view(kDrillDigits).substr(draw.below(10), 1)
           : kind == 2 ? draw.pick(zh ? Words(kDrillThingsChinese) : Words(kDrillThings))
           : zh        ? chinese_name(draw.below(kChineseNames))
                       : draw.pick(kDrillNames);
  };
  // Half of the rows have one item often, as rows to be counted have: what follows it is then told by what stands before.
  const std::string often(draw.chance(0.5) ? any() : "");
  std::string shown, last;
  for (int i = 0; i < length; ++i) {
    std::string item;
    do {
      item = !often.empty() && draw.chance(0.35) ? often : std::string(any());
    } while (item == last);
    shown += (zh && kind >= 2 && i > 0 ? "、" : "") + item;
    last = item;
  }
  sample.prompt = (zh ? "抄写:" : "Copy:") + shown;
  sample.answer = shown;
}

std::int64_t some_number(Draw& draw) {
  std::int64_t most = 10;
  for (auto digits = draw.between(1, 7); digits > 1; --digits) most *= 10;
  return draw.between(most == 10 ? 0 : most / 10, most - 1);
}

// Places: 347 and 95   x hundreds3 tens4 ones7 y tens9 ones5
void places(Draw& draw, const Ask& ask, Sample& sample) {
  const bool zh = ask.chinese();
  const std::int64_t a = some_number(draw), b = some_number(draw);
  const std::string_view between = std::array<std::string_view, 7>{
      "+", "-", "*", " + ", " - ", zh ? "加" : " plus ", zh ? "和" : " and "}[draw.below(7)];
  sample.prompt = (zh ? "各位:" : "Places: ") + std::to_string(a) + std::string(between) + std::to_string(b);
  sample.answer =
      "x" + with_places(a, ask.thinking) + (ask.chinese_thinking() ? "y" : " y") + with_places(b, ask.thinking);
}

// Sums: 7+8+1,13-1-5,6*7+5   7+8+1=16,13-1-5=7,6*7+5=47
void facts(Draw& draw, const Ask& ask, Sample& sample) {
  std::string shown, done;
  for (int i = 0; i < 5; ++i) {
    const auto a = static_cast<int>(draw.below(10)), b = static_cast<int>(draw.below(10));
    const std::uint32_t kind = draw.below(3);
    std::string text;
    int value = 0;
    if (kind == 0) {
      const int carry = static_cast<int>(draw.below(2));
      value = a + b + carry;
      text = std::to_string(a) + "+" + std::to_string(b) + (carry != 0 ? "+1" : "");
    } else if (kind == 1) {
      const int borrow = static_cast<int>(draw.below(2)), from = a < b + borrow ? a + 10 : a;
      value = from - b - borrow;
      text = std::to_string(from) + (borrow != 0 ? "-1" : "") + "-" + std::to_string(b);
    } else {
      const auto carry = static_cast<int>(draw.below(9));
      value = a * b + carry;
      text = std::to_string(a) + "*" + std::to_string(b) + (carry != 0 ? "+" + std::to_string(carry) : "");
    }
    shown += (i > 0 ? "," : "") + text;
    done += (i > 0 ? "," : "") + text + "=" + std::to_string(value);
  }
  sample.prompt = (ask.chinese() ? "口算:" : "Sums: ") + shown;
  sample.answer = done;
}

// Ann is shorter than Tom, Eva is older than Bob   Tom> Ann, Eva> Bob
void signs(Draw& draw, const Ask& ask, Sample& sample) {
  const bool zh = ask.chinese();
  const std::uint32_t quality = draw.below(4);
  const auto clauses = static_cast<int>(draw.between(1, 5));
  for (int i = 0; i < clauses; ++i) {
    const std::uint32_t turned = draw.below(2);
    std::string left, right;
    do {
      left = zh ? chinese_name(draw.below(kChineseNames)) : draw.pick(kDrillNames);
      right = zh ? chinese_name(draw.below(kChineseNames)) : draw.pick(kDrillNames);
    } while (left == right);
    if (zh) {
      sample.prompt += (i > 0 ? "，" : "") + left + "比" + right + std::string(kTurnsChinese[quality][turned]);
    } else {
      sample.prompt +=
          (i > 0 ? "," + left : left.substr(1)) + " is " + std::string(kTurns[quality][turned]) + " than" + right;
    }
    const std::string a = zh ? left : left.substr(1), b = zh ? right : right.substr(1);
    sample.answer += (i > 0 ? "," : "") + (turned != 0 ? is_above(b, a) : is_above(a, b));
  }
  sample.prompt += zh ? "。" : ".";
}

}  // namespace

Sample make_drill(Draw& draw, const Ask& ask) {
  Sample sample;
  switch (ask.level) {
    case 1:
      row(draw, ask, sample);
      break;
    case 2:
      places(draw, ask, sample);
      break;
    case 3:
      facts(draw, ask, sample);
      break;
    case 4:
      signs(draw, ask, sample);
      break;
    default:
      if (draw.chance(0.6))
        drill_line(draw, ask, sample);
      else
        drill_value(draw, ask, sample);
  }
  if (sample.answer[0] == ' ') sample.answer.erase(0, 1);
  sample.problem = "drill:" + sample.prompt;
  sample.check.kind = Check::Kind::text;
  sample.check.accepted = {sample.answer};
  return sample;
}

}  // namespace limpid
