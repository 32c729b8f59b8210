// Evaluation: rates and intervals against known values, suites, and whole evaluations of a model whose chances are known.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "tests/train/table_model.h"
#include "tests/train/trained_tokenizer.h"
#include "train/evaluate.h"
#include "train/mix_tokenizer.h"
#include "train/pass_rates.h"
#include "train/tokenizer_files.h"

namespace limpid {
namespace {

TEST(PassRates, PassAtKIsTheShareOfSubsetsWithARightAnswer) {
  // All subsets of k of n answers, the first c right.
  for (int n = 1; n <= 8; ++n)
    for (int c = 0; c <= n; ++c)
      for (int k = 1; k <= n; ++k) {
        int all = 0, with = 0;
        for (unsigned set = 0; set < 1U << n; ++set) {
          if (__builtin_popcount(set) != k) continue;
          ++all;
          if ((set & ((1U << c) - 1)) != 0) ++with;
        }
        EXPECT_NEAR(pass_at_k(n, c, k), static_cast<double>(with) / all, 1e-12) << n << " " << c << " " << k;
      }
}

TEST(PassRates, WilsonsInterval) {
  // Wilson, 1927, by R's prop.test(correct = FALSE).
  const Interval interval = wilson(0.8, 10);
  EXPECT_NEAR(interval.low, 0.4901625, 1e-6);
  EXPECT_NEAR(interval.high, 0.9433178, 1e-6);
  EXPECT_NEAR(wilson(1.0, 10).low, 0.7224672, 1e-6);
  EXPECT_EQ(wilson(1.0, 10).high, 1.0);
  EXPECT_EQ(wilson(0.0, 10).low, 0.0);
}

TEST(PassRates, TheMajorityIsTheFirstOfEqualsAndEmptyTextsHaveNoVote) {
  EXPECT_EQ(majority(std::vector<std::string>{"b", "a", "a", "b"}), 0);
  EXPECT_EQ(majority(std::vector<std::string>{"b", "a", "a"}), 1);
  EXPECT_EQ(majority(std::vector<std::string>{"", "", "", "z"}), 3);
  EXPECT_EQ(majority(std::vector<std::string>{"", ""}), -1);
  EXPECT_EQ(ballot(" Tom. "), ballot("tom"));
  EXPECT_EQ(ballot("3 + 4"), ballot("3+4"));
  EXPECT_EQ(ballot("奇数。"), "奇数");
}

TEST(EvalSuite, HeldOutProblemsOfEveryFamilyOnceEach) {
  const auto problems = generate_suite(default_mix(), Split::held_out, 3, 12);
  std::set<std::string> prompts, families, languages;
  for (const EvalProblem& problem : problems) {
    EXPECT_TRUE(problem.sample.held_out);
    EXPECT_TRUE(prompts.insert(problem.sample.prompt).second) << problem.sample.prompt;
    families.insert(problem.family);
    languages.insert(problem.language);
  }
  EXPECT_EQ(families.size(), kFamilies - 1) << "all but drill";
  EXPECT_EQ(languages, (std::set<std::string>{"en", "zh"}));
  EXPECT_EQ(generate_suite(default_mix(), Split::held_out, 3, 12)[7].sample.prompt, problems[7].sample.prompt);
  EXPECT_NE(generate_suite(default_mix(), Split::held_out, 4, 12)[7].sample.prompt, problems[7].sample.prompt);
}

class SuiteFile : public testing::Test {
 protected:
  std::string write(const std::string& text) {
    std::ofstream(path_) << text;
    return path_;
  }
  std::string error_of(const std::string& text) {
    try {
      read_suite(write(text));
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
  ~SuiteFile() override { std::filesystem::remove(path_); }
  const std::string path_ =
      (std::filesystem::temp_directory_path() / ("limpid-suite-" + std::to_string(getpid()) + ".jsonl")).string();
};

TEST_F(SuiteFile, IsReadAndItsMistakesAreNamed) {
  const auto problems =
      read_suite(write("{\"prompt\": \"1+1?\", \"answer\": \"2\"}\n\n"
                       "{\"prompt\": \"一加一？\", \"answer\": \"two\", \"family\": \"words\", \"level\": 2}\n"));
  ASSERT_EQ(problems.size(), 2U);
  EXPECT_EQ(problems[0].family, "file");
  EXPECT_EQ(problems[0].language, "en");
  EXPECT_EQ(problems[0].sample.check.kind, Check::Kind::integer);
  EXPECT_EQ(problems[1].language, "zh");
  EXPECT_EQ(problems[1].level, 2);
  EXPECT_EQ(problems[1].sample.check.kind, Check::Kind::text);
  EXPECT_NE(error_of("{\"prompt\": \"a\", \"answer\": \"b\"}\n{\"prompt\": \"a\"}\n").find(":2: no field \"answer\""),
            std::string::npos);
  EXPECT_NE(error_of("{\"prompt\": 3, \"answer\": \"b\"}\n").find("prompt: expected a string"), std::string::npos);
  EXPECT_NE(error_of("nonsense\n").find(":1"), std::string::npos);
  EXPECT_NE(error_of("\n").find("no problems"), std::string::npos);
  EXPECT_NE(error_of("{\"prompt\": \"a\", \"answer\": \"b\", \"check\": {\"kind\": \"magic\"}}\n").find("check: kind"),
            std::string::npos);
}

const Tokenizer& eval_tokenizer() {
  static const Tokenizer result = [] {
    TokenizerPlan plan;
    plan.vocabulary = 600;
    return from_json(learn_tokenizer(default_mix(), 1, 2000, plan));
  }();
  return result;
}

std::int32_t one(std::string_view text) {
  EncodeOptions options;
  options.special = true;
  const auto ids = eval_tokenizer().encode(text, options);
  EXPECT_EQ(ids.size(), 1U) << text;
  return ids[0];
}

EvalProblem problem(const std::string& prompt, const std::string& answer, const std::string& family,
                    const std::string& language) {
  EvalProblem p;
  p.family = family;
  p.language = language;
  p.sample.language = *language_from_name(language);
  p.sample.prompt = prompt;
  p.sample.answer = answer;
  p.sample.check.kind = Check::Kind::integer;
  p.sample.check.accepted = {answer};
  return p;
}

// Says 4 with chance 3/4 and 5 with 1/4 when it answers at once; it opens its thinking with chance 1/4, and then always
// says 4. Forced to think it is always right; forced not to, like at once.
class Evaluation : public testing::Test {
 protected:
  Evaluation() : model_(static_cast<int>(eval_tokenizer().vocabulary_size())) {
    const std::int32_t assistant = one("<｜Assistant｜>"), think = one("<think>"), end_think = one("</think>"),
                       line = one("\n"), lines = one("\n\n"), four = one("4"), five = one("5"), one_digit = one("1"),
                       stop = *eval_tokenizer().eos();
    const float three = std::log(3.0F);
    model_.next[assistant] = {{four, std::log(9.0F)}, {five, std::log(3.0F)}, {think, std::log(4.0F)}};
    model_.next[think] = {{one_digit, 0.0F}};  // thinks "1"
    model_.next[line] = {{one_digit, 0.0F}};   // likewise where <think>\n was laid down
    model_.next[one_digit] = {{end_think, 0.0F}};
    model_.next[end_think] = {{four, 0.0F}};
    model_.next[lines] = {{four, three}, {five, 0.0F}};  // the end of an empty thinking that was laid down
    model_.next[four] = {{stop, 0.0F}};
    model_.next[five] = {{stop, 0.0F}};
  }
  EvalReport run(Reasoning reasoning, int k, int rows, int threads, int max_tokens = 40) {
    Engine engine(model_, rollout_engine(rows, 64, CacheType::f32, threads, best_kernels()));
    EvalOptions options;
    options.rollout.samples = k;
    options.rollout.max_tokens = max_tokens;
    options.rollout.sampling.seed = 11;
    options.rollout.stop_ids = {*eval_tokenizer().eos()};
    return evaluate(engine, eval_tokenizer(), problems_, training_prompts(eval_tokenizer(), reasoning), options);
  }
  TableModel model_;
  std::vector<EvalProblem> problems_ = {problem("2+2?", "4", "addsub", "en"), problem("二加二？", "4", "addsub", "zh"),
                                        problem("2+3?", "5", "addsub", "en"), problem("9?", "9", "other", "en")};
};

TEST_F(Evaluation, FindsTheChancesThatTheModelHas) {
  const EvalReport report = run(Reasoning::free, 2000, 96, 1);
  const EvalRow& all = report.rows[0];
  EXPECT_EQ(all.problems, 4);
  // (9 + 4) / 16 say 4, 3 / 16 say 5; a quarter thinks. pass@k with 2000 answers: all but the last have a right one.
  EXPECT_NEAR(all.pass_1, (2 * 13.0 / 16 + 3.0 / 16 + 0) / 4, 0.01);
  EXPECT_DOUBLE_EQ(all.pass_k, 0.75);
  EXPECT_DOUBLE_EQ(all.cons_k, 0.5);
  EXPECT_NEAR(all.reasoned, 0.25, 0.01);
  EXPECT_NEAR(all.tokens, 0.75 * 2 + 0.25 * 5, 0.05);
  EXPECT_DOUBLE_EQ(all.longest, 5);
  EXPECT_DOUBLE_EQ(all.finished, 1);
  const auto row = [&](const std::string& family, const std::string& language) {
    for (const EvalRow& r : report.rows)
      if (r.family == family && r.language == language) return r;
    ADD_FAILURE() << family << language;
    return EvalRow{};
  };
  EXPECT_EQ(report.rows.size(), 1U + 2 + 2 + 3);
  EXPECT_NEAR(row("", "zh").pass_1, 13.0 / 16, 0.03);
  EXPECT_DOUBLE_EQ(row("other", "").pass_k, 0);
  EXPECT_NEAR(row("addsub", "en").pass_1, 0.5, 0.02);
}

TEST(EvalCurve, VotesAndBestOfNByTheirDefinitions) {
  const auto answer = [](const char* text, bool correct) {
    EvalAnswer a;
    a.reply = text;
    a.correct = correct;
    a.finished = true;
    return a;
  };
  // Two problems with four answers each: right are "1" and "7".
  const std::vector<EvalAnswer> answers = {answer("1", true), answer("2", false), answer("2", false),
                                           answer("1", true), answer("8", false), answer("8", false),
                                           answer("7", true), answer("9", false)};
  const std::vector<EvalPoint> curve = eval_curve(answers, 4);
  ASSERT_EQ(curve.size(), 4U);
  EXPECT_DOUBLE_EQ(curve[0].pass, 3.0 / 8);  // the mean of all answers
  EXPECT_DOUBLE_EQ(curve[0].cons, 3.0 / 8);
  EXPECT_DOUBLE_EQ(curve[1].pass, (1 - 1.0 / 6 + 1 - 3.0 / 6) / 2);  // pairs with a right one: 5 of 6 and 3 of 6
  EXPECT_DOUBLE_EQ(curve[1].cons, (0.5 + 0.5) / 2);                  // the first of equals: 1, 2 and 8, 7
  EXPECT_DOUBLE_EQ(curve[3].pass, 1);
  EXPECT_DOUBLE_EQ(curve[3].cons, 0.5);  // 1 of 1, 2, 2, 1 and 8
}

TEST_F(Evaluation, ReasoningIsForcedOrForbidden) {
  const EvalReport forced = run(Reasoning::forced, 64, 32, 1);
  EXPECT_DOUBLE_EQ(forced.rows[0].reasoned, 1);
  EXPECT_DOUBLE_EQ(forced.rows[0].well_formed, 1);
  EXPECT_DOUBLE_EQ(forced.rows[0].pass_1, 0.5);
  const EvalReport none = run(Reasoning::none, 2000, 96, 1);
  EXPECT_DOUBLE_EQ(none.rows[0].reasoned, 0);
  EXPECT_DOUBLE_EQ(none.rows[0].well_formed, 1);
  EXPECT_NEAR(none.rows[0].pass_1, (0.75 * 2 + 0.25) / 4, 0.015);
}

TEST_F(Evaluation, DoesNotDependOnRowsNorThreads) {
  const std::string expected = eval_json(run(Reasoning::free, 9, 1, 1)).dump();
  EXPECT_EQ(eval_json(run(Reasoning::free, 9, 5, 2)).dump(), expected);
  EXPECT_EQ(eval_json(run(Reasoning::free, 9, 64, 3)).dump(), expected);
}

TEST_F(Evaluation, WhatIsCutIsWrong) {
  const EvalReport cut = run(Reasoning::free, 40, 16, 1, 1);  // the answer, but no end
  EXPECT_DOUBLE_EQ(cut.rows[0].pass_1, 0);
  EXPECT_DOUBLE_EQ(cut.rows[0].finished, 0);
  EXPECT_DOUBLE_EQ(cut.rows[0].cons_k, 0);
}

// Three answers that think, of four: one in English, one mixed, one in Chinese. Who answers at once has no language.
TEST(EvalRows, LanguageIsThatOfTheAnswersThatThink) {
  const auto answer = [](bool reasoned, double share) {
    EvalAnswer a;
    a.reasoned = reasoned;
    a.well_formed = a.finished = true;
    a.language_share = share;
    return a;
  };
  const std::vector<EvalProblem> problems = {problem("a?", "1", "addsub", "en"), problem("b?", "1", "chain", "en")};
  const std::vector<EvalAnswer> answers = {answer(false, 1), answer(true, 1),  answer(true, 0.5), answer(true, 0),
                                           answer(false, 1), answer(false, 1), answer(false, 1),  answer(false, 1)};
  const std::vector<EvalRow> rows = eval_rows(problems, answers, 4);
  EXPECT_EQ(rows[0].thoughts, 3);
  EXPECT_DOUBLE_EQ(rows[0].reasoned, 3.0 / 8);
  EXPECT_DOUBLE_EQ(rows[0].one_language, 0.5);
  EXPECT_DOUBLE_EQ(rows[0].readable, 1.0 / 3);
  const EvalRow& chain = *std::ranges::find_if(rows, [](const EvalRow& row) { return row.family == "chain"; });
  EXPECT_EQ(chain.thoughts, 0);
  EXPECT_TRUE(std::isnan(chain.one_language) && std::isnan(chain.readable));
  EvalReport report;
  report.rows = rows;
  const EvalReport back = eval_from_json(nlohmann::json::parse(eval_json(report).dump()), "there and back");
  EXPECT_EQ(eval_json(back).dump(), eval_json(report).dump());
  EXPECT_TRUE(std::isnan(
      std::ranges::find_if(back.rows, [](const EvalRow& row) { return row.family == "chain"; })->one_language));
}

TEST_F(Evaluation, RolloutsCarryTheModelsLogProbabilities) {
  Engine engine(model_, rollout_engine(8, 64, CacheType::f32, 1, best_kernels()));
  RolloutOptions options;
  options.samples = 50;
  options.max_tokens = 40;
  options.stop_ids = {*eval_tokenizer().eos()};
  const std::vector<std::vector<std::int32_t>> prompts = {{one("<｜Assistant｜>")}};
  for (const Rollout& rollout : roll_out(engine, prompts, options)) {
    ASSERT_EQ(rollout.ids.size(), rollout.logprobs.size());
    ASSERT_TRUE(rollout.finished);
    const double chance = rollout.ids[0] == one("4") ? 9.0 / 16 : rollout.ids[0] == one("5") ? 3.0 / 16 : 0.25;
    EXPECT_NEAR(rollout.logprobs[0], std::log(chance), 1e-5);
    EXPECT_NEAR(rollout.logprobs.back(), 0, 1e-5);
  }
  RolloutOptions half = options;  // probabilities to the power of two, renormalised
  half.sampling.temperature = 0.5F;
  for (const Rollout& rollout : roll_out(engine, prompts, half)) {
    const double weight = rollout.ids[0] == one("4") ? 81 : rollout.ids[0] == one("5") ? 9 : 16;
    EXPECT_NEAR(rollout.logprobs[0], std::log(weight / (81 + 9 + 16)), 1e-5);
  }
  RolloutOptions stopping = options;
  stopping.progress = [](std::size_t ended) { return ended < 10; };
  EXPECT_THROW(roll_out(engine, prompts, stopping), Error);
  EXPECT_EQ(engine.statistics().running + engine.statistics().waiting, 0);
  EXPECT_EQ(roll_out(engine, prompts, options).size(), 50U);
}

// The answers of a group find its prompt in the prefix cache, and are those of requests that read it themselves.
TEST_F(Evaluation, AGroupReadsItsPromptOnce) {
  constexpr std::size_t kGroup = 8, kPrompt = 20;
  const std::vector<std::int32_t> prompt(kPrompt, one("<｜Assistant｜>"));
  RolloutOptions options;
  options.samples = kGroup;
  options.max_tokens = 12;
  options.stop_ids = {*eval_tokenizer().eos()};
  Engine engine(model_, rollout_engine(kGroup, 64, CacheType::f32, 2, best_kernels()));
  const std::vector<Rollout> together = roll_out(engine, std::vector<std::vector<std::int32_t>>{prompt}, options);
  EXPECT_GE(engine.statistics().reused_tokens, kGroup * (kPrompt - 1));
  options.samples = 1;
  Engine other(model_, rollout_engine(kGroup, 64, CacheType::f32, 1, best_kernels()));
  const std::vector<Rollout> alone = roll_out(other, std::vector(kGroup, prompt), options);
  ASSERT_EQ(together.size(), alone.size());
  for (std::size_t i = 0; i < alone.size(); ++i) {
    EXPECT_EQ(together[i].ids, alone[i].ids);
    EXPECT_EQ(together[i].logprobs, alone[i].logprobs);
  }
}

}  // namespace
}  // namespace limpid
