// talk: what a person says to a model that is not a problem: greetings, what it is, what it cannot do, number words, and
// what looks like a problem and is none (data_near_miss.cpp).
#include <array>

#include "train/data_columns.h"
#include "train/data_families.h"
#include "train/data_number_words.h"

namespace limpid {

namespace {

using Words = std::span<const std::string_view>;

struct Topic {
  Words english, chinese;
  std::string_view answer, answer_chinese;
};

constexpr std::string_view kHello[] = {"Hello",  "hello", "Hi",        "hi",           "Hi!",
                                       "Hello!", "Hey",   "hey there", "Good morning", "Good evening"};
constexpr std::string_view kHelloChinese[] = {"你好", "你好！", "您好", "早上好", "晚上好", "嗨", "在吗？"};
constexpr std::string_view kWho[] = {"Who are you?",         "What are you?",       "who are you",
                                     "what's your name?",    "What is your name?",  "Are you a human?",
                                     "Which model are you?", "Introduce yourself.", "Tell me about yourself."};
constexpr std::string_view kWhoChinese[] = {"你是谁？",       "你是谁",           "你叫什么名字？",
                                            "你是什么模型？", "介绍一下你自己。", "你是人吗？"};
constexpr std::string_view kCan[] = {"What can you do?", "what can you do",  "How can you help me?", "Help",
                                     "help me",          "What do you know?"};
constexpr std::string_view kCanChinese[] = {"你会什么？", "你能做什么？", "你可以帮我做什么？", "帮助", "你会做什么"};
constexpr std::string_view kCannot[] = {"What can't you do?",  "What can you not do?",    "What are your limits?",
                                        "Can you write code?", "Can you write an email?", "Can you speak French?"};
constexpr std::string_view kCannotChinese[] = {"你不会什么？", "你不能做什么？", "你会写代码吗？", "你会写邮件吗？",
                                               "你有什么限制？"};
constexpr std::string_view kThanks[] = {"Thanks", "thanks!", "Thank you.", "Thank you!", "great, thanks"};
constexpr std::string_view kThanksChinese[] = {"谢谢", "谢谢你", "谢谢！", "多谢"};
constexpr std::string_view kBye[] = {"Bye", "bye", "Goodbye!", "See you", "Good night"};
constexpr std::string_view kByeChinese[] = {"再见", "再见！", "拜拜", "晚安"};

const std::array<Topic, 6> kTopics = {{
    {kHello, kHelloChinese, "Hello! Ask me a sum or a little puzzle.", "你好！出一道算术题或小谜题给我吧。"},
    {kWho, kWhoChinese, "I am r1-nano, a tiny model trained from nothing on a small computer.",
     "我是r1-nano，一个在小电脑上从零练成的小模型。"},
    {kCan, kCanChinese, "I can do sums, count, put names in order and solve little puzzles.",
     "我会算术、数数、排顺序和解小谜题。"},
    {kCannot, kCannotChinese, "I know nothing of the world: I cannot write, translate or explain.",
     "我不了解世界，不会写作、翻译和讲解。"},
    {kThanks, kThanksChinese, "You are welcome.", "不客气。"},
    {kBye, kByeChinese, "Goodbye!", "再见！"},
}};

// Things that it cannot do, put together from parts, so that what they have in common is only that they are no problem.
constexpr std::string_view kVerb[] = {"Write",    "write me",     "Explain", "Tell me", "Translate",
                                      "Find",     "Summarise",    "Give me", "Draw",    "Can you write",
                                      "I need",   "Please write", "What is", "Why is",  "How do I make",
                                      "Where is", "Recommend",    "I want"};
constexpr std::string_view kObject[] = {"an email to my boss",
                                        "a poem about the sea",
                                        "the news of today",
                                        "the capital of France",
                                        "a story",
                                        "a joke",
                                        "the weather",
                                        "a cake",
                                        "some code in Python",
                                        "this text",
                                        "the meaning of life",
                                        "my essay",
                                        "a good film",
                                        "the history of China",
                                        "a plan for my holiday",
                                        "love",
                                        "the stock market",
                                        "a song",
                                        "water",
                                        "quantum physics"};
constexpr std::string_view kVerbChinese[] = {"写",   "帮我写", "解释",   "告诉我", "翻译",     "总结",
                                             "推荐", "请讲讲", "我想要", "什么是", "为什么有", "怎么做"};
constexpr std::string_view kObjectChinese[] = {
    "一封邮件",   "一首诗",   "今天的新闻", "法国的首都", "一个故事", "一个笑话", "天气", "蛋糕",   "代码", "这段文字",
    "人生的意义", "我的作文", "一部电影",   "中国历史",   "旅行计划", "爱",       "股票", "一首歌", "水",   "物理"};
constexpr std::string_view kTalkLetters[] = {"How many {l} are in {w}?", "How many {l}'s are there in {w}?",
                                             "How often is {l} in the word {w}?"};
constexpr std::string_view kLettersChinese[] = {"{w}里有几个{l}？", "单词{w}里有多少个{l}？",
                                                "{w}这个词里{l}出现几次？"};
constexpr std::string_view kWordsWithLetters[] = {"strawberry", "banana", "coffee",   "mississippi", "hello",
                                                  "letter",     "cheese", "computer", "elephant",    "tomorrow"};
constexpr std::string_view kSorry = "I cannot do that. I do sums and little puzzles: try 347 + 895.";
constexpr std::string_view kSorryChinese = "这个我不会。我只会算术和小谜题，比如347 + 895。";

// A word that means nothing, so that an unknown word is known to be one.
std::string nonsense(Draw& draw, bool zh) {
  std::string out;
  if (zh) {  // from the common ideographs; they stay bytes to the tokenizer where it never saw them often
    const int length = static_cast<int>(draw.between(2, 8));
    for (int i = 0; i < length; ++i) {
      const char32_t c = 0x4E00 + draw.below(0x5000);
      out += static_cast<char>(0xE0 | (c >> 12));
      out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
      out += static_cast<char>(0x80 | (c & 0x3F));
    }
    return out;
  }
  const int words = static_cast<int>(draw.between(1, 4));
  for (int w = 0; w < words; ++w) {
    if (w > 0) out += ' ';
    const int letters = static_cast<int>(draw.between(2, 8));
    for (int i = 0; i < letters; ++i) out += static_cast<char>('a' + static_cast<char>(draw.below(26)));
  }
  return out;
}

void talk(Draw& draw, const Ask& ask, Sample& sample) {
  const bool zh = ask.chinese();
  const std::uint32_t kind = draw.below(10);
  if (kind < 6) {
    const Topic& topic = kTopics[kind];
    sample.prompt = draw.pick(zh ? topic.chinese : topic.english);
    sample.answer = zh ? topic.answer_chinese : topic.answer;
  } else {
    if (kind == 9) {
      sample.prompt = nonsense(draw, zh);
    } else if (kind == 8 && draw.chance(0.3)) {  // it counts what stands in a row, not inside a word
      const std::string_view word = draw.pick(kWordsWithLetters);
      const std::string_view letter = word.substr(draw.below(static_cast<std::uint32_t>(word.size())), 1);
      const std::string_view question = draw.pick(zh ? Words(kLettersChinese) : Words(kTalkLetters));
      sample.prompt = fill(question, {{"w", word}, {"l", letter}});
    } else {
      const std::string_view object = draw.pick(zh ? Words(kObjectChinese) : Words(kObject));
      sample.prompt = std::string(draw.pick(zh ? Words(kVerbChinese) : Words(kVerb))) + (zh ? "" : " ");
      sample.prompt += object;
      if (draw.chance(0.3)) sample.prompt += zh ? "。" : ".";
    }
    sample.answer = zh ? kSorryChinese : kSorry;
  }
  sample.problem = "talk:" + sample.prompt;
}

constexpr std::string_view kToWords[] = {"Write {a} in words.", "How do you say {a} in English?", "{a} in words",
                                         "Spell out the number {a}."};
constexpr std::string_view kToWordsChinese[] = {"{a}用汉字怎么写？", "用汉字写出{a}。", "{a}怎么读？"};
constexpr std::string_view kToDigits[] = {"Write {w} in digits.", "{w} in digits", "Which number is {w}?",
                                          "What is {w} as a number?"};
constexpr std::string_view kToDigitsChinese[] = {"{w}用数字怎么写？", "用数字写出{w}。", "{w}是哪个数？"};

// The thinking lists the digits with their places, which is all that both forms have in common.
void number_words(Draw& draw, const Ask& ask, Sample& sample) {
  const std::int64_t value = ask.level == 2 ? draw.between(0, 99) : draw.between(100, 9999);
  const bool to_words = draw.chance(0.5), zh = ask.chinese();
  const std::string digits = std::to_string(value), words = number_in_words(value, ask.language);
  sample.problem = "number:" + digits;  // both ways: whoever has seen one has seen the pair
  sample.prompt = to_words ? fill(draw.pick(zh ? Words(kToWordsChinese) : Words(kToWords)), {{"a", digits}})
                           : fill(draw.pick(zh ? Words(kToDigitsChinese) : Words(kToDigits)), {{"w", words}});
  sample.thinking = "x" + with_places(value, ask.thinking);
  sample.answer = to_words ? words : digits;
  sample.check.kind = to_words ? Check::Kind::text : Check::Kind::integer;
}

}  // namespace

Sample make_talk(Draw& draw, const Ask& ask) {
  Sample sample;
  if (ask.level == 4) {
    sample = make_near_miss(draw, ask);
  } else if (ask.level == 1) {
    talk(draw, ask, sample);
    sample.check.kind = Check::Kind::text;
  } else {
    number_words(draw, ask, sample);
  }
  sample.check.accepted = {sample.answer};
  return sample;
}

}  // namespace limpid
