// Evaluation: k answers to each problem of a suite, judged by rule. pass@1, pass@k, the majority's vote (cons@k), lengths
// and whether the model reasons, by family and language, with Wilson's 95 % intervals over problems.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "text/tokenizer.h"
#include "train/eval_suite.h"
#include "train/rollout.h"

namespace limpid {

// Whether the answer's beginning is laid down: nothing, an open <think>, or an empty thinking.
enum class Reasoning : std::uint8_t { free, forced, none };

// What the model reads for a problem, and the beginning of its reply that is part of it ("<think>\n").
struct EvalPrompt {
  std::vector<std::int32_t> ids;
  std::string begun;
};

struct EvalOptions {
  RolloutOptions rollout;  // samples: k
  Reasoning reasoning = Reasoning::free;
};

struct EvalAnswer {
  std::size_t problem = 0;
  std::string reply;  // with what was begun for it
  int tokens = 0;     // generated, the stop id included
  bool correct = false, well_formed = false, reasoned = false, finished = false;
  double language_share = 0;  // of the thinking, for the prompt's language; 1 where there are no words
};

// Of a family, of a language, of both or of everything. Rates are means over problems unless it says otherwise.
struct EvalRow {
  std::string family, language;  // "" : all
  std::int64_t problems = 0;
  double pass_1 = 0, pass_k = 0, cons_k = 0;
  double tokens = 0, longest = 0, reasoned = 0, well_formed = 0, finished = 0;
  // Means over the answers that think, of which there are `thoughts`; NaN where none does. Who answers at once has chosen
  // no language: counted as pure, such answers would make every model that learns to think look as if it mixed more.
  std::int64_t thoughts = 0;
  double one_language = std::numeric_limits<double>::quiet_NaN();
  double readable = std::numeric_limits<double>::quiet_NaN();  // well formed, ended, a share of kReadable and more
};

inline constexpr double kReadable = 0.95;

// What n answers to a problem are good for, from the k that there are: means over problems.
struct EvalPoint {
  int n = 1;
  double pass = 0;  // a right one among them (without bias)
  double cons = 0;  // the vote is right (mean over the k / n groups of n that follow one another)
};

struct EvalReport {
  int k = 1;
  std::vector<EvalRow> rows;     // all, each language, each family, each family and language
  std::vector<EvalPoint> curve;  // over everything, n = 1 to k
  std::vector<EvalAnswer> answers;
  double seconds = 0;
  std::int64_t tokens = 0;
};

using PromptMaker = std::function<EvalPrompt(const Sample&)>;

// BOS <|User|> prompt <|Assistant|> as training writes it (data_example.h), then what `reasoning` lays down. The
// tokenizer must outlive it.
PromptMaker training_prompts(const Tokenizer& tokenizer, Reasoning reasoning);

EvalReport evaluate(Engine& engine, const Tokenizer& tokenizer, const std::vector<EvalProblem>& problems,
                    const PromptMaker& prompt, const EvalOptions& options);

// The answers judged: what evaluate() does with its rollouts. Prompts in the order of problems, k rollouts each.
std::vector<EvalAnswer> judge_rollouts(const Tokenizer& tokenizer, const std::vector<EvalProblem>& problems,
                                       const std::vector<EvalPrompt>& prompts, const std::vector<Rollout>& rollouts,
                                       const RolloutOptions& options);
std::vector<EvalRow> eval_rows(const std::vector<EvalProblem>& problems, const std::vector<EvalAnswer>& answers, int k);

std::vector<EvalPoint> eval_curve(const std::vector<EvalAnswer>& answers, int k);

// {"k", "generated": tokens, "curve": [{"n", "pass", "cons"}, ...], "rows": [{"family", "language", "problems", "pass@1": {"value", "low", "high"}, ...}]}
nlohmann::ordered_json eval_json(const EvalReport& report);
// Back again, without the answers and the seconds. Throws Error(input) naming `name` for what eval_json does not write.
EvalReport eval_from_json(const nlohmann::json& json, const std::string& name);

}  // namespace limpid
