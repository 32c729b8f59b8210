// count: how often a symbol occurs in a row of them, or whether that is odd or even.
#include "train/data_families.h"

namespace limpid {

namespace {

using Words = std::span<const std::string_view>;

enum class Symbols { letters, digits, things };

constexpr std::string_view kLetters[] = {"a", "b", "c", "d", "e", "f", "g", "h", "j", "k",
                                         "m", "n", "p", "r", "s", "t", "v", "w", "x", "z"};
constexpr std::string_view kDigits[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
constexpr std::string_view kThings[] = {"apple", "pear", "cat", "dog", "pen", "book", "fish", "bird", "cup", "ball"};
constexpr std::string_view kThingsChinese[] = {"苹果", "梨", "猫", "狗", "笔", "书", "鱼", "鸟", "杯", "球"};

constexpr std::string_view kCountEnglish[] = {"How many times does {s} appear in {l}?",
                                              "How often does {s} occur in: {l}?", "Count the {s} in {l}.",
                                              "In {l}, how many times do you see {s}?", "how many {s} in {l}"};
constexpr std::string_view kCountChinese[] = {"{l}里有几个{s}？", "数一数{l}里的{s}有几个。",
                                              "在{l}中，{s}出现了几次？", "{s}在{l}里出现几次？", "{l}，有多少个{s}？"};
constexpr std::string_view kParityEnglish[] = {"Is the number of {s} in {l} odd or even?",
                                               "Does {s} appear an odd or even number of times in {l}?",
                                               "odd or even: how many {s} in {l}?"};
constexpr std::string_view kParityChinese[] = {"{l}里{s}的个数是奇数还是偶数？",
                                               "{s}在{l}里出现的次数是奇数还是偶数？"};

std::string row(const std::vector<std::string_view>& items, Symbols symbols, bool chinese) {
  // Letters have their space in front everywhere, so that a letter is the same token wherever it stands.
  const std::string_view between = symbols == Symbols::digits ? "" : chinese && symbols == Symbols::things ? "、" : " ";
  std::string out = chinese && symbols == Symbols::letters ? " " : "";
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out += between;
    out += items[i];
  }
  return out;
}

int length_for(Draw& draw, int level) {
  constexpr int kBounds[][2] = {{4, 6}, {7, 9}, {10, 12}, {13, 16}, {17, 24}};
  return static_cast<int>(draw.between(kBounds[level - 1][0], kBounds[level - 1][1]));
}

}  // namespace

// The thinking goes along the row and numbers what is counted: b1 a c b2. A row has many kinds and no neighbours alike, because a small model
// finds its place in a row by the items just before (docs/training.md); without the echo it does not learn to count at all.
Sample make_count(Draw& draw, const Ask& ask) {
  const auto symbols = static_cast<Symbols>(draw.below(3));
  const bool parity = draw.chance(0.3);
  const int length = length_for(draw, ask.level);
  // Which kinds stand in the row; the first of them is asked for and is every third item or so.
  std::vector<std::uint32_t> order(symbols == Symbols::letters ? std::size(kLetters) : 10);
  for (std::uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  draw.shuffle(order);
  std::vector<std::uint32_t> drawn;
  while (drawn.size() < static_cast<std::size_t>(length)) {
    const std::uint32_t kind = order[draw.chance(0.35) ? 0 : draw.below(static_cast<std::uint32_t>(order.size()))];
    if (drawn.empty() || kind != drawn.back()) drawn.push_back(kind);
  }

  const bool things = symbols == Symbols::things;
  const Words names = symbols == Symbols::letters  ? Words(kLetters)
                      : symbols == Symbols::digits ? Words(kDigits)
                      : ask.chinese()              ? Words(kThingsChinese)
                                                   : Words(kThings);
  std::vector<std::string_view> items;
  for (const std::uint32_t i : drawn) items.push_back(names[i]);
  const std::string_view wanted = names[order[0]];

  Sample sample;
  sample.problem = "count:";  // of its parity too, which is read off the same count
  sample.problem += std::to_string(static_cast<int>(symbols)) + ":" + std::to_string(order[0]) + ":";
  for (const std::uint32_t i : drawn) sample.problem += std::to_string(i) + ",";

  const Words words = parity ? (ask.chinese() ? Words(kParityChinese) : Words(kParityEnglish))
                             : (ask.chinese() ? Words(kCountChinese) : Words(kCountEnglish));
  sample.prompt = fill(draw.pick(words), {{"s", wanted}, {"l", row(items, symbols, ask.chinese())}});

  const bool zh = ask.chinese_thinking();
  sample.thinking = zh ? "数" : "count";
  sample.thinking += (zh && things ? "," : zh && symbols == Symbols::digits ? "" : " ") + std::string(wanted) + ":";
  int count = 0;
  for (std::size_t i = 0; i < items.size(); ++i) {
    sample.thinking += symbols == Symbols::letters || (things && !ask.chinese()) ? " " : things && i > 0 ? "、" : "";
    sample.thinking += std::string(items[i]);
    if (items[i] == wanted)
      sample.thinking +=
          (symbols == Symbols::digits ? "=" : "") + std::to_string(++count) + (symbols == Symbols::digits ? "," : "");
  }
  if (parity) {
    sample.check.kind = Check::Kind::text;
    sample.answer = ask.chinese() ? (count % 2 ? "奇数" : "偶数") : (count % 2 ? "odd" : "even");
  } else {
    sample.answer = std::to_string(count);
  }
  sample.check.accepted = {sample.answer};
  return sample;
}

}  // namespace limpid
