#include "train/evaluate.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "train/data_example.h"
#include "train/pass_rates.h"
#include "train/verifier.h"

namespace limpid {

namespace {

std::string_view begun_for(Reasoning reasoning) {
  switch (reasoning) {
    case Reasoning::forced:
      return "<think>\n";
    case Reasoning::none:
      return "<think>\n\n</think>\n\n";
    case Reasoning::free:
      return "";
  }
  return "";
}

// What of one problem's answers goes into the rates.
struct ProblemRates {
  double pass_1 = 0, pass_k = 0, cons_k = 0, tokens = 0, longest = 0, reasoned = 0, well_formed = 0, finished = 0;
  std::int64_t thoughts = 0;              // answers that think
  double one_language = 0, readable = 0;  // sums over them
};

std::string ballot_of(const EvalAnswer& answer) {
  return answer.finished ? ballot(take_apart(answer.reply).answer) : "";
}

ProblemRates rates_of(std::span<const EvalAnswer> answers) {
  ProblemRates rates;
  std::vector<std::string> ballots;
  std::int64_t correct = 0;
  const auto k = static_cast<double>(answers.size());
  for (const EvalAnswer& answer : answers) {
    correct += answer.correct ? 1 : 0;
    rates.tokens += answer.tokens;
    rates.longest = std::max(rates.longest, static_cast<double>(answer.tokens));
    rates.reasoned += (answer.reasoned ? 1 : 0);
    rates.well_formed += (answer.well_formed ? 1 : 0);
    rates.finished += (answer.finished ? 1 : 0);
    if (answer.reasoned) {
      ++rates.thoughts;
      rates.one_language += answer.language_share;
      rates.readable += answer.well_formed && answer.language_share >= kReadable ? 1 : 0;
    }
    ballots.push_back(ballot_of(answer));
  }
  for (double* sum : {&rates.tokens, &rates.reasoned, &rates.well_formed, &rates.finished}) *sum /= k;
  const auto n = static_cast<std::int64_t>(answers.size());
  rates.pass_1 = static_cast<double>(correct) / k;
  rates.pass_k = pass_at_k(n, correct, n);
  const std::int64_t chosen = majority(ballots);
  rates.cons_k = chosen >= 0 && answers[static_cast<std::size_t>(chosen)].correct ? 1 : 0;
  return rates;
}

void add(EvalRow& row, const ProblemRates& rates) {
  if (++row.problems == 1) row.one_language = row.readable = 0;  // sums, until divide()
  row.pass_1 += rates.pass_1;
  row.pass_k += rates.pass_k;
  row.cons_k += rates.cons_k;
  row.tokens += rates.tokens;
  row.longest = std::max(row.longest, rates.longest);
  row.reasoned += rates.reasoned;
  row.well_formed += rates.well_formed;
  row.thoughts += rates.thoughts;
  row.one_language += rates.one_language;
  row.finished += rates.finished;
  row.readable += rates.readable;
}

void divide(EvalRow& row) {
  const auto n = static_cast<double>(std::max<std::int64_t>(row.problems, 1));
  for (double* value :
       {&row.pass_1, &row.pass_k, &row.cons_k, &row.tokens, &row.reasoned, &row.well_formed, &row.finished})
    *value /= n;
  for (double* value : {&row.one_language, &row.readable}) *value /= static_cast<double>(row.thoughts);  // none: NaN
}

// JSON has no NaN.
nlohmann::ordered_json known(double value) {
  return std::isnan(value) ? nlohmann::ordered_json() : nlohmann::ordered_json(value);
}

nlohmann::ordered_json rate_json(double value, std::int64_t n) {
  const Interval interval = wilson(value, n);
  return {{"value", value}, {"low", interval.low}, {"high", interval.high}};
}

}  // namespace

PromptMaker training_prompts(const Tokenizer& tokenizer, Reasoning reasoning) {
  EncodeOptions marks;
  marks.special = true;
  const std::string begun(begun_for(reasoning));
  const std::vector<TokenId> tail = tokenizer.encode(begun, marks);
  return [writer = ExampleWriter(tokenizer), begun, tail](const Sample& sample) {
    EvalPrompt prompt{writer.prompt(sample.prompt), begun};
    prompt.ids.insert(prompt.ids.end(), tail.begin(), tail.end());
    return prompt;
  };
}

std::vector<EvalAnswer> judge_rollouts(const Tokenizer& tokenizer, const std::vector<EvalProblem>& problems,
                                       const std::vector<EvalPrompt>& prompts, const std::vector<Rollout>& rollouts,
                                       const RolloutOptions& options) {
  std::vector<EvalAnswer> answers;
  answers.reserve(rollouts.size());
  for (std::size_t i = 0; i < rollouts.size(); ++i) {
    const Rollout& rollout = rollouts[i];
    EvalAnswer answer;
    answer.problem = i / static_cast<std::size_t>(options.samples);
    std::span<const std::int32_t> ids(rollout.ids);
    if (rollout.finished) ids = ids.first(ids.size() - 1);  // the stop id is no text
    answer.reply = prompts[answer.problem].begun + tokenizer.decode(ids);
    answer.tokens = static_cast<int>(rollout.ids.size());
    answer.finished = rollout.finished;
    const Judgement judgement = judge(problems[answer.problem].sample, answer.reply);
    answer.correct = judgement.correct && rollout.finished;
    answer.well_formed = judgement.well_formed && rollout.finished;
    answer.language_share = judgement.language_share;
    answer.reasoned = !take_apart(answer.reply).thinking.empty();
    answers.push_back(std::move(answer));
  }
  return answers;
}

std::vector<EvalRow> eval_rows(const std::vector<EvalProblem>& problems, const std::vector<EvalAnswer>& answers,
                               int k) {
  std::vector<EvalRow> rows(1);
  const auto row_of = [&](const std::string& family, const std::string& language) -> EvalRow& {
    for (EvalRow& row : rows)
      if (row.family == family && row.language == language) return row;
    rows.push_back({family, language});
    return rows.back();
  };
  std::set<std::string> languages, families;
  for (const EvalProblem& problem : problems) languages.insert(problem.language);
  for (const std::string& language : languages) row_of("", language);
  for (const EvalProblem& problem : problems)
    if (families.insert(problem.family).second) row_of(problem.family, "");
  for (const EvalProblem& problem : problems) row_of(problem.family, problem.language);
  for (std::size_t p = 0; p < problems.size(); ++p) {
    const auto count = static_cast<std::size_t>(k);
    const ProblemRates rates = rates_of(std::span(answers).subspan(p * count, count));
    add(rows[0], rates);
    add(row_of("", problems[p].language), rates);
    add(row_of(problems[p].family, ""), rates);
    add(row_of(problems[p].family, problems[p].language), rates);
  }
  for (EvalRow& row : rows) divide(row);
  return rows;
}

std::vector<EvalPoint> eval_curve(const std::vector<EvalAnswer>& answers, int k) {
  const auto count = static_cast<std::size_t>(k), problems = answers.size() / count;
  std::vector<std::string> ballots;
  for (const EvalAnswer& answer : answers) ballots.push_back(ballot_of(answer));
  std::vector<EvalPoint> curve;
  for (std::size_t n = 1; n <= count && problems > 0; ++n) {
    EvalPoint point{static_cast<int>(n), 0, 0};
    const std::size_t groups = count / n;
    for (std::size_t p = 0; p < problems; ++p) {
      const std::span<const EvalAnswer> of_problem = std::span(answers).subspan(p * count, count);
      const auto right = std::ranges::count_if(of_problem, [](const EvalAnswer& a) { return a.correct; });
      point.pass += pass_at_k(k, right, static_cast<std::int64_t>(n)) / static_cast<double>(problems);
      for (std::size_t g = 0; g < groups; ++g) {
        const std::int64_t chosen = majority(std::span<const std::string>(ballots).subspan(p * count + g * n, n));
        const bool good = chosen >= 0 && of_problem[g * n + static_cast<std::size_t>(chosen)].correct;
        point.cons += (good ? 1.0 : 0.0) / static_cast<double>(groups * problems);
      }
    }
    curve.push_back(point);
  }
  return curve;
}

EvalReport evaluate(Engine& engine, const Tokenizer& tokenizer, const std::vector<EvalProblem>& problems,
                    const PromptMaker& prompt, const EvalOptions& options) {
  const auto begin = std::chrono::steady_clock::now();
  std::vector<EvalPrompt> prompts;
  std::vector<std::vector<std::int32_t>> ids;
  for (const EvalProblem& problem : problems) {
    prompts.push_back(prompt(problem.sample));
    ids.push_back(prompts.back().ids);
  }
  const std::vector<Rollout> rollouts = roll_out(engine, ids, options.rollout);
  EvalReport report;
  report.k = options.rollout.samples;
  report.answers = judge_rollouts(tokenizer, problems, prompts, rollouts, options.rollout);
  report.rows = eval_rows(problems, report.answers, report.k);
  report.curve = eval_curve(report.answers, report.k);
  for (const Rollout& rollout : rollouts) report.tokens += static_cast<std::int64_t>(rollout.ids.size());
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return report;
}

nlohmann::ordered_json eval_json(const EvalReport& report) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const EvalRow& row : report.rows) {
    rows.push_back({{"family", row.family.empty() ? "all" : row.family},
                    {"language", row.language.empty() ? "all" : row.language},
                    {"problems", row.problems},
                    {"pass@1", rate_json(row.pass_1, row.problems)},
                    {"pass@k", rate_json(row.pass_k, row.problems)},
                    {"cons@k", rate_json(row.cons_k, row.problems)},
                    {"tokens", row.tokens},
                    {"longest", row.longest},
                    {"reasoned", row.reasoned},
                    {"well_formed", row.well_formed},
                    {"thoughts", row.thoughts},
                    {"one_language", known(row.one_language)},
                    {"readable", known(row.readable)},
                    {"finished", row.finished}});
  }
  nlohmann::ordered_json curve = nlohmann::ordered_json::array();
  for (const EvalPoint& point : report.curve)
    curve.push_back({{"n", point.n}, {"pass", point.pass}, {"cons", point.cons}});
  return {{"k", report.k}, {"generated", report.tokens}, {"curve", curve}, {"rows", rows}};
}

EvalReport eval_from_json(const nlohmann::json& json, const std::string& name) {
  EvalReport report;
  try {
    report.k = json.at("k").get<int>();
    report.tokens = json.at("generated").get<std::int64_t>();
    for (const nlohmann::json& point : json.at("curve"))
      report.curve.push_back(
          {point.at("n").get<int>(), point.at("pass").get<double>(), point.at("cons").get<double>()});
    const auto name_of = [](const nlohmann::json& value) {
      return value == "all" ? std::string() : value.get<std::string>();
    };
    for (const nlohmann::json& row : json.at("rows")) {
      EvalRow& out = report.rows.emplace_back();
      out.family = name_of(row.at("family"));
      out.language = name_of(row.at("language"));
      out.problems = row.at("problems").get<std::int64_t>();
      out.pass_1 = row.at("pass@1").at("value").get<double>();
      out.pass_k = row.at("pass@k").at("value").get<double>();
      out.cons_k = row.at("cons@k").at("value").get<double>();
      const std::pair<const char*, double*> rates[] = {{"tokens", &out.tokens},
                                                       {"longest", &out.longest},
                                                       {"reasoned", &out.reasoned},
                                                       {"well_formed", &out.well_formed},
                                                       {"finished", &out.finished}};
      for (const auto& [field, value] : rates) *value = row.at(field).get<double>();
      out.thoughts = row.at("thoughts").get<std::int64_t>();
      for (const auto& [field, value] : {std::pair{"one_language", &out.one_language}, {"readable", &out.readable}})
        if (!row.at(field).is_null()) *value = row.at(field).get<double>();
    }
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorKind::input, "{}: no evaluation: {}", name, error.what());
  }
  if (report.rows.empty()) fail(ErrorKind::input, "{}: no evaluation: no rows", name);
  return report;
}

}  // namespace limpid
