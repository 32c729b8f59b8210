// Generators: deterministic, on their side of the split, in many words; mixes read from files.
#include "train/data_generate.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/error.h"
#include "train/data_mix.h"
#include "train/data_number_words.h"

namespace limpid {
namespace {

SampleRequest request(Family family, int level, Language language = Language::english) {
  SampleRequest r;
  r.family = family;
  r.level = level;
  r.language = r.thinking = language;
  r.seed = 11;
  return r;
}

TEST(DataGenerate, IsAPureFunctionOfSeedAndIndex) {
  for (std::size_t f = 0; f < kFamilies; ++f) {
    const SampleRequest r = request(static_cast<Family>(f), 1);
    const Sample once = make_sample(r, 123456789012);
    (void)make_sample(r, 5);
    EXPECT_EQ(make_sample(r, 123456789012).prompt, once.prompt);
    SampleRequest other = r;
    other.seed = 12;
    int same = 0;
    for (std::uint64_t i = 0; i < 20; ++i) same += make_sample(r, i).problem == make_sample(other, i).problem;
    EXPECT_LT(same, 10) << family_name(r.family);
  }
}

// The text of these samples is part of what a recipe's seed means: whoever changes it changes every model.
TEST(DataGenerate, GoldenSamples) {
  SampleRequest r = request(Family::addsub, 2);
  r.split = Split::any;
  const Sample sum = make_sample(r, 0);
  EXPECT_EQ(sum.problem + "|" + sum.prompt + "|" + sum.thinking + "|" + sum.answer, "62+907|Please add 907 to 62.|add x tens6 ones2 y hundreds9 tens0 ones7= ones2+7=9 tens6+0=6 hundreds0+9=9|969");
  r.language = r.thinking = Language::chinese;
  const Sample chinese = make_sample(r, 0);
  EXPECT_EQ(chinese.problem, sum.problem);
  EXPECT_EQ(chinese.prompt + "|" + chinese.thinking, "62+907|加x十6个2y百9十0个7=个2+7=9十6+0=6百0+9=9");
}

TEST(DataGenerate, SidesOfTheSplitDoNotMeet) {
  for (std::size_t f = 0; f < kFamilies; ++f) {
    const auto family = static_cast<Family>(f);
    const int level = family == Family::talk ? 3 : 1;
    std::map<Split, std::set<std::string>> problems;
    for (const Split split : {Split::train, Split::held_out}) {
      for (const Language language : {Language::english, Language::chinese}) {
        SampleRequest r = request(family, level, language);
        r.split = split;
        for (std::uint64_t i = 0; i < 300; ++i) {
          const Sample sample = make_sample(r, i);
          EXPECT_EQ(sample.held_out, split == Split::held_out);
          EXPECT_EQ(is_held_out(sample.problem), sample.held_out);
          problems[split].insert(sample.problem);
        }
      }
    }
    for (const std::string& problem : problems[Split::held_out]) EXPECT_EQ(problems[Split::train].count(problem), 0u);
  }
}

TEST(DataGenerate, AStoryIsOnTheSideOfItsSum) {
  SampleRequest story = request(Family::word, 1);
  for (std::uint64_t i = 0; i < 50; ++i) {
    const std::string problem = make_sample(story, i).problem;
    EXPECT_TRUE(problem.find_first_not_of("0123456789+-") == std::string::npos) << problem;  // as addsub writes it
  }
}

TEST(DataGenerate, SaysTheSameProblemInManyWords) {
  for (const Family family : {Family::addsub, Family::multiply, Family::target, Family::chain}) {
    for (const Language language : {Language::english, Language::chinese}) {
      std::set<std::string> wordings;
      for (std::uint64_t i = 0; i < 400; ++i) {
        std::string words;
        for (const char c : make_sample(request(family, 1, language), i).prompt) {
          if (c < '0' || c > '9') words += c;
        }
        wordings.insert(words);
      }
      EXPECT_GE(wordings.size(), 10u) << family_name(family) << " " << language_name(language);
    }
  }
}

TEST(DataGenerate, RefusesLevelsThatAreNone) {
  for (const int level : {0, -1, 8}) EXPECT_THROW(make_sample(request(Family::addsub, level), 0), Error);
  SampleRequest r = request(Family::talk, 1);
  r.split = Split::held_out;
  EXPECT_THROW(make_sample(r, 0), Error);  // greetings are never held out
}

TEST(DataGenerate, NumbersInWords) {
  EXPECT_EQ(number_in_words(0, Language::english), "zero");
  EXPECT_EQ(number_in_words(9342, Language::english), "nine thousand three hundred forty-two");
  EXPECT_EQ(number_in_words(1010, Language::chinese), "一千零一十");
  EXPECT_EQ(number_in_words(1002, Language::chinese), "一千零二");
  EXPECT_EQ(number_in_words(110, Language::chinese), "一百一十");
  EXPECT_EQ(number_in_words(12, Language::chinese), "十二");
  EXPECT_EQ(number_in_words(20, Language::chinese), "二十");
  EXPECT_EQ(number_in_words(5000, Language::chinese), "五千");
}

TEST(DataMix, DrawsInTheSharesThatItSays) {
  const Mix mix = parse_mix(R"({"families": {"addsub": {"weight": 3, "levels": [2, 3]}, "count": {"weight": 1, "chinese": 0}, "word": {"weight": 0}},
                                "chinese": 0.4, "thinking": 0.2, "other_language": 0.25})", "mix.json");
  int addsub = 0, chinese = 0, thinking = 0, other = 0;
  constexpr int kAll = 8000;
  for (std::uint64_t i = 0; i < kAll; ++i) {
    const MixedSample mixed = mixed_sample(mix, Split::train, 1, i);
    const Sample& s = mixed.sample;
    ASSERT_TRUE(s.family == Family::addsub || s.family == Family::count);
    ASSERT_EQ(mixed.reply().starts_with("<think>\n\n</think>\n\n"), !mixed.with_thinking || s.thinking.empty());
    thinking += mixed.with_thinking;
    other += s.thinking_language != s.language;
    if (s.family == Family::count) {
      ASSERT_EQ(s.language, Language::english);
      continue;
    }
    ASSERT_TRUE(s.level == 2 || s.level == 3);
    ++addsub;
    chinese += s.language == Language::chinese;
  }
  EXPECT_NEAR(addsub / double{kAll}, 0.75, 0.02);
  EXPECT_NEAR(chinese / static_cast<double>(addsub), 0.4, 0.02);
  EXPECT_NEAR(thinking / double{kAll}, 0.2, 0.02);
  EXPECT_NEAR(other / double{kAll}, 0.25, 0.02);
}

TEST(DataMix, NamesWhatIsWrong) {
  const auto message = [](const char* json) -> std::string {
    try {
      parse_mix(json, "mix.json");
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_NE(message(R"({"families": {"sums": {}}})").find("families.sums: unknown family"), std::string::npos);
  EXPECT_NE(message(R"({"families": {"addsub": {"level": 1}}})").find("unknown field \"level\""), std::string::npos);
  EXPECT_NE(message(R"({"families": {"addsub": {"levels": [1, 99]}}})").find("expected a level from 1 to 7, found 99"), std::string::npos);
  EXPECT_NE(message(R"({"families": {"addsub": {"levels": [3, 1]}}})").find("levels"), std::string::npos);
  EXPECT_NE(message(R"({"families": {"addsub": {"weight": -1}}})").find("weight"), std::string::npos);
  EXPECT_NE(message(R"({"families": {"addsub": {"weight": 0}}})").find("no family has a weight"), std::string::npos);
  EXPECT_NE(message(R"({"families": {"addsub": {}}, "thinking": 2})").find("thinking"), std::string::npos);
  EXPECT_NE(message(R"({"families": {"addsub": {}}, "shuffle": 2})").find("unknown field \"shuffle\""), std::string::npos);
  EXPECT_NE(message("[]").find("expected an object"), std::string::npos);
  EXPECT_NE(message("{").find("mix.json"), std::string::npos);
}

}  // namespace
}  // namespace limpid
