// Generators: deterministic, on their side of the split, in many words; mixes read from files.
#include "train/data_generate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
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
  EXPECT_EQ(
      sum.problem + "|" + sum.prompt + "|" + sum.thinking + "|" + sum.answer,
      "62+907|Please add 907 to 62.|add x tens6 ones2 y hundreds9 tens0 ones7= ones2+7=9 tens6+0=6 hundreds0+9=9|969");
  r.language = r.thinking = Language::chinese;
  const Sample chinese = make_sample(r, 0);
  EXPECT_EQ(chinese.problem, sum.problem);
  EXPECT_EQ(chinese.prompt + "|" + chinese.thinking, "62+907|加x十6个2y百9十0个7=个2+7=9十6+0=6百0+9=9");
}

// Every step is a look-up by what stands just before: a name and a sign, a name and "=", the ones of a number.
TEST(DataGenerate, ThinkingIsWrittenInLocalSteps) {
  const auto thinking = [](Family family, std::uint64_t index, Language language = Language::english) {
    return make_sample(request(family, 2, language), index).thinking;
  };
  EXPECT_EQ(thinking(Family::ordering, 0),
            "order: Sam> Mia, Max> Ann, Ann> Sam; Max> Ann> Sam> Mia;1 Max,2 Ann,3 Sam,4 Mia;4 Mia");
  EXPECT_EQ(thinking(Family::ordering, 0, Language::chinese), "排:芳>强,华>红,红>芳;华>红>芳>强;1华,2红,3芳,4强;4强");
  EXPECT_EQ(thinking(Family::boolean, 0), " A= true, B: not A= true, B= false, C: not A= true, C= false, D= true");
  EXPECT_EQ(thinking(Family::boolean, 0, Language::chinese), "A=真，B：非A=真，B=假，C：非A=真，C=假，D=真");
  EXPECT_EQ(thinking(Family::boolean, 1),
            "x false;1 or true: false or true= true;2 and not false= true: true and true= true;3 and true: true and "
            "true= true");
  EXPECT_EQ(thinking(Family::target, 1), "make 9 ones9 tens0;2+1=3:+3 ones6 no-3 ones0 no*3 ones9 tens0 yes");
  EXPECT_EQ(
      thinking(Family::target, 0, Language::chinese),
      "凑40个0十4;4+2=6:+5个11否-5个1否*5个30十3否;4-2=2:+5个7否-5个7-否*5个10十1否;4*2=8:+5个13否-5个3否*5个40十4是");
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
          EXPECT_EQ(is_held_out(sample), sample.held_out);
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

// A story of two steps works out two problems of the plain families; in training neither may be a held-out one.
TEST(DataGenerate, NoTrainingSampleWorksOutAHeldOutProblem) {
  for (const int level : {4, 5}) {
    std::set<std::string> worked;
    int steps_alone = 0;
    for (std::uint64_t i = 0; i < 400; ++i) {
      for (const Split split : {Split::train, Split::held_out}) {
        SampleRequest r = request(Family::word, level);
        r.split = split;
        const Sample sample = make_sample(r, i);
        ASSERT_EQ(sample.parts.size(), 2u) << sample.problem;
        long long a = 0, b = 0, c = 0;
        char op = 0;
        ASSERT_EQ(std::sscanf(sample.problem.c_str(), "word:%lld%c%lld-%lld", &a, &op, &b, &c), 4) << sample.problem;
        ASSERT_TRUE(op == '*' || op == '+');
        EXPECT_EQ(sample.parts[0], std::to_string(std::min(a, b)) + op + std::to_string(std::max(a, b)));
        EXPECT_EQ(sample.parts[1], std::to_string(op == '*' ? a * b : a + b) + "-" + std::to_string(c));
        const bool whole = is_held_out(sample.problem),
                   any = whole || is_held_out(sample.parts[0]) || is_held_out(sample.parts[1]);
        EXPECT_EQ(any, split == Split::held_out) << sample.problem;
        steps_alone += any && !whole;
        if (split == Split::train) worked.insert(sample.parts.begin(), sample.parts.end());
      }
    }
    EXPECT_GT(steps_alone, 0);
    SampleRequest plain = request(Family::multiply, 1);
    plain.split = Split::held_out;
    for (std::uint64_t i = 0; i < 400; ++i) EXPECT_EQ(worked.count(make_sample(plain, i).problem), 0u);
  }
}

// Whatever is asked of an order, in whichever words and clauses, it is on one side.
TEST(DataGenerate, AnOrderOfNamesIsOneProblem) {
  std::map<Split, std::set<std::string>> orders;
  std::map<std::string, std::set<std::string>> answers;
  for (const Split split : {Split::train, Split::held_out}) {
    for (std::uint64_t i = 0; i < 3000; ++i) {
      SampleRequest r = request(Family::ordering, 1);
      r.split = split;
      const Sample sample = make_sample(r, i);
      orders[split].insert(sample.problem);
      answers[sample.problem].insert(sample.answer);
    }
  }
  EXPECT_GT(orders[Split::train].size(), 290u);  // of 8 * 7 * 6, and no more problems than orders
  EXPECT_GT(orders[Split::held_out].size(), 20u);
  EXPECT_LE(answers.size(), 336u);
  for (const auto& [problem, names] : answers) EXPECT_LE(names.size(), 3u) << problem;
  for (const std::string& order : orders[Split::held_out]) EXPECT_EQ(orders[Split::train].count(order), 0u) << order;
}

// What looks like a problem and is none is declined, for one of two reasons, and has a held-out side.
TEST(DataGenerate, NearMissesAreDeclined) {
  for (const Language language : {Language::english, Language::chinese}) {
    std::set<std::string> answers, problems;
    for (std::uint64_t i = 0; i < 300; ++i) {
      SampleRequest r = request(Family::talk, 4, language);
      r.split = i % 3 == 0 ? Split::held_out : Split::train;
      const Sample sample = make_sample(r, i);
      EXPECT_EQ(sample.held_out, i % 3 == 0);
      EXPECT_TRUE(sample.thinking.empty());
      answers.insert(sample.answer);
      problems.insert(sample.problem);
      r.language = language == Language::english ? Language::chinese : Language::english;
      EXPECT_EQ(make_sample(r, i).problem, sample.problem);
    }
    EXPECT_EQ(answers.size(), 2u);
    EXPECT_GT(problems.size(), 200u);
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
  const Mix mix = parse_mix(
      R"({"families": {"addsub": {"weight": 3, "levels": [2, 3]}, "count": {"weight": 1, "chinese": 0}, "word": {"weight": 0}},
                                "chinese": 0.4, "thinking": 0.2, "other_language": 0.25})",
      "mix.json");
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
  EXPECT_NE(message(R"({"families": {"addsub": {"levels": [1, 99]}}})").find("expected a level from 1 to 7, found 99"),
            std::string::npos);
  EXPECT_NE(message(R"({"families": {"addsub": {"levels": [3, 1]}}})").find("levels"), std::string::npos);
  EXPECT_NE(message(R"({"families": {"addsub": {"weight": -1}}})").find("weight"), std::string::npos);
  EXPECT_NE(message(R"({"families": {"addsub": {"weight": 0}}})").find("no family has a weight"), std::string::npos);
  EXPECT_NE(message(R"({"families": {"addsub": {}}, "thinking": 2})").find("thinking"), std::string::npos);
  EXPECT_NE(message(R"({"families": {"addsub": {}}, "shuffle": 2})").find("unknown field \"shuffle\""),
            std::string::npos);
  EXPECT_NE(message("[]").find("expected an object"), std::string::npos);
  EXPECT_NE(message("{").find("mix.json"), std::string::npos);
}

}  // namespace
}  // namespace limpid
