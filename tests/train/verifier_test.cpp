// Verifiers on right answers, wrong ones, and text that was written to break them.
#include "train/verifier.h"

#include <gtest/gtest.h>

#include "train/data_mix.h"
#include "train/verifier_expression.h"

namespace limpid {
namespace {

Check integer(const char* text) { return {Check::Kind::integer, {text}, {}, 0}; }
Check text(const char* accepted) { return {Check::Kind::text, {accepted}, {}, 0}; }

TEST(Verifier, TakesAReplyApart) {
  const ReplyParts parts = take_apart("<think>\n1+1\n</think>\n\n2");
  EXPECT_EQ(parts.thinking, "1+1");
  EXPECT_EQ(parts.answer, "2");
  EXPECT_TRUE(parts.well_formed);
  EXPECT_TRUE(take_apart("<think></think>2").well_formed);
}

TEST(Verifier, NamesEveryBreachOfTheForm) {
  for (const char* reply :
       {"", "2", "1<think></think>2", "<think>", "<think>2", "</think>2", "<think></think>", "<think></think> \n",
        "<think></think>1</think>2", "<think><think></think>2", "<think></think>2<think>", "<think>\xff</think>2"}) {
    EXPECT_FALSE(take_apart(reply).well_formed) << reply;
  }
  EXPECT_EQ(take_apart("2").answer, "2");
  EXPECT_EQ(take_apart("<think>2").answer, "");  // thinking that never ended answers nothing
  EXPECT_EQ(take_apart("<think>a</think>b</think>c").answer, "c");
}

TEST(Verifier, Integers) {
  for (const char* good : {"1242", " 1242\n", "1242.", "01242", "1242。"})
    EXPECT_TRUE(is_correct(integer("1242"), good)) << good;
  for (const char* bad : {"", "-1242", "124", "12420", "1242 apples", "1 242", "1242..", "+1242", "0x4DA", "1242.0"}) {
    EXPECT_FALSE(is_correct(integer("1242"), bad)) << bad;
  }
  EXPECT_TRUE(is_correct(integer("-5"), "-5"));
  EXPECT_TRUE(is_correct(integer("-5"), "−05"));
  EXPECT_FALSE(is_correct(integer("-5"), "5"));
  EXPECT_TRUE(is_correct(integer("0"), "-0"));
  EXPECT_FALSE(is_correct(integer("1"), std::string(5000, '0') + "1"));
}

TEST(Verifier, Texts) {
  EXPECT_TRUE(is_correct(text("Tom"), " tom."));
  EXPECT_TRUE(is_correct(text("forty-two"), "Forty two"));
  EXPECT_TRUE(is_correct(text("小明"), "小明。"));
  EXPECT_FALSE(is_correct(text("Tom"), "Tom and Ann"));
  EXPECT_FALSE(is_correct(text("even"), "odd or even"));
  EXPECT_FALSE(is_correct(text("Tom"), ""));
}

TEST(Verifier, ExpressionsByExactArithmetic) {
  const std::vector<std::int64_t> n = {3, 7, 8};
  for (const char* good : {"3*7+8", "8+3*7", "(3*7)+8", " 7 × 3 + 8 ", "3*7+8=29", "（3x7）＋8"})
    EXPECT_TRUE(reaches(good, n, 29)) << good;
  for (const char* bad : {"", "29", "3*7+8=30", "3*7+8=", "3*7+8=29=29", "3*(7+8)", "3*7+8+0", "3*7", "3*7+8*8", "37+8",
                          "3*7+8)", "((3*7+8)", "3**7+8", "3*7+8 yes", "3 7 8", "--3*7+8",
                          "3*7+\xff"
                          "8",
                          "3*7+8.0", "+3*7+8"}) {
    EXPECT_FALSE(reaches(bad, n, 29)) << bad;
  }
  const std::vector<std::int64_t> fractions = {3, 3, 8, 8};
  EXPECT_TRUE(reaches("8/(3-8/3)", fractions, 24));  // needs fractions on the way
  const std::vector<std::int64_t> zero = {1, 2, 2};
  EXPECT_FALSE(reaches("1/(2-2)", zero, 0));
  EXPECT_TRUE(reaches("1*(2-2)", zero, 0));
  EXPECT_FALSE(reaches("2-1-2", zero, 1));  // from left to right
}

TEST(Verifier, HostileExpressionsAreFalse) {
  const std::vector<std::int64_t> n = {1};
  EXPECT_FALSE(reaches(std::string(200, '(') + "1", n, 1));
  EXPECT_FALSE(reaches(std::string(100, '(') + "1" + std::string(100, ')'), n, 1));
  EXPECT_FALSE(reaches(std::string(100000, '1'), n, 1));
  EXPECT_FALSE(reaches("99999999999999999999", n, 1));
  std::string huge = "999999999";
  std::vector<std::int64_t> nines = {999999999};
  for (int i = 0; i < 9; ++i) huge += "*999999999", nines.push_back(999999999);
  EXPECT_FALSE(reaches(huge, nines, 1));
}

TEST(Verifier, CountsWordsByLanguage) {
  const LanguageCount count = count_languages("add x ones3 tens4 加个 b", "");
  EXPECT_EQ(count.english, 3u);  // add ones tens; x and b are single letters
  EXPECT_EQ(count.chinese, 2u);
  EXPECT_DOUBLE_EQ(count.share(Language::english), 0.6);
  EXPECT_EQ(count_languages("Tom>Ann 真", "Tom is taller than Ann").english, 0u);  // repeated from the prompt
  EXPECT_EQ(count_languages("1+1=2", "").share(Language::chinese), 1);
  EXPECT_EQ(count_languages("\xff\xfe\xe4\xbd", "\xff").chinese, 0u);
}

// Every sample's own reply is right, well formed and of the language that the sample says; a changed answer is wrong.
TEST(Verifier, AcceptsEverySampleAndNoOther) {
  const Mix mix = default_mix();
  int in_language = 0, other = 0;
  for (std::uint64_t i = 0; i < 4000; ++i) {
    const Sample sample = mixed_sample(mix, Split::any, 5, i).sample;
    const Judgement judgement = judge(sample, reply(sample, true));
    ASSERT_TRUE(judgement.correct) << sample.prompt << " " << sample.answer;
    ASSERT_TRUE(judgement.well_formed);
    ASSERT_TRUE(judge(sample, reply(sample, false)).correct);
    ASSERT_FALSE(judge(sample, reply(sample, true) + "1").correct) << sample.prompt;
    ASSERT_FALSE(is_correct(sample.check, "x" + sample.answer));
    if (sample.thinking.empty()) continue;
    if (sample.language == sample.thinking_language) {
      ASSERT_EQ(judgement.language_share, 1) << sample.thinking;
      ++in_language;
    } else {
      ASSERT_LT(judgement.language_share, 0.5) << sample.thinking;
      ++other;
    }
  }
  EXPECT_GT(in_language, 2000);
  EXPECT_GT(other, 500);
}

}  // namespace
}  // namespace limpid
