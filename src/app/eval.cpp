// limpid eval: how often a model is right, by family and language.
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "app/built_in.h"
#include "app/command.h"
#include "app/commands.h"
#include "app/interrupt.h"
#include "app/output.h"
#include "app/session.h"
#include "app/train_line.h"
#include "base/error.h"
#include "chat/prompt.h"
#include "formats/atomic_file.h"
#include "models/decoder.h"
#include "tensor/layout.h"
#include "train/evaluate.h"
#include "train/pass_rates.h"

namespace limpid {

namespace {

struct EvalArguments {
  std::string model, suite, split = "held-out", reasoning = "free", answers;
  std::int64_t k = 16, count = 100, rows = 64, tokens = 256, level = 0, seed = 0;
  double temperature = 1.0, top_p = 1.0;
  bool json = false;
};

Reasoning reasoning_of(const std::string& name) {
  return name == "forced" ? Reasoning::forced : name == "none" ? Reasoning::none : Reasoning::free;
}

// As the model's chat template asks. What it lays down itself (R1's opens <think>) counts as begun.
PromptMaker chat_prompts(const PromptBuilder& builder, Reasoning reasoning, const std::string& model) {
  return [&builder, reasoning, model](const Sample& sample) {
    PromptRequest request;
    request.messages = nlohmann::ordered_json::array({{{"role", "user"}, {"content", sample.prompt}}});
    request.thinking = reasoning == Reasoning::forced ? Thinking::on
                       : reasoning == Reasoning::none ? Thinking::off
                                                      : Thinking::automatic;
    const ChatPrompt prompt = builder.build(request);
    if (reasoning == Reasoning::forced && !prompt.inside_thinking)
      fail(ErrorKind::unsupported, "{}: --reasoning forced: its chat template knows no <think>", model);
    std::string begun;
    if (prompt.inside_thinking)
      begun = "<think>\n";
    else if (reasoning == Reasoning::none && builder.thinks())
      begun = "<think>\n\n</think>\n\n";
    return EvalPrompt{prompt.ids, begun};
  };
}

std::string percent(double value, std::int64_t n) {
  const Interval interval = wilson(value, n);
  return fmt::format("{:5.1f} ({:.0f}-{:.0f})", 100 * value, 100 * interval.low, 100 * interval.high);
}

void print_table(const EvalReport& report, const EvalArguments& arguments) {
  print("{:10} {:4} {:>8} {:>15} {:>15} {:>15} {:>7} {:>9} {:>9}\n", "family", "lang", "problems", "pass@1",
        fmt::format("pass@{}", report.k), fmt::format("cons@{}", report.k), "tokens", "reasoned", "finished");
  for (const EvalRow& row : report.rows) {
    print("{:10} {:4} {:8} {:>15} {:>15} {:>15} {:7.1f} {:8.1f}% {:8.1f}%\n", row.family.empty() ? "all" : row.family,
          row.language.empty() ? "all" : row.language, row.problems, percent(row.pass_1, row.problems),
          percent(row.pass_k, row.problems), percent(row.cons_k, row.problems), row.tokens, 100 * row.reasoned,
          100 * row.finished);
  }
  print(
      "per cent, with Wilson's 95 % interval over problems; temperature {}, top-p {}, {} tokens in {:.1f} s "
      "({:.0f}/s)\n",
      arguments.temperature, arguments.top_p, report.tokens, report.seconds,
      static_cast<double>(report.tokens) / report.seconds);
}

void write_answers(const std::string& path, const std::vector<EvalProblem>& problems, const EvalReport& report) {
  AtomicFile file(path);
  for (const EvalAnswer& answer : report.answers) {
    const EvalProblem& problem = problems[answer.problem];
    const nlohmann::ordered_json line = {
        {"family", problem.family},        {"language", problem.language},    {"level", problem.level},
        {"prompt", problem.sample.prompt}, {"answer", problem.sample.answer}, {"reply", answer.reply},
        {"correct", answer.correct},       {"finished", answer.finished},     {"tokens", answer.tokens}};
    file.write(line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  }
  file.commit();
}

EngineOptions engine_options(const EvalArguments& arguments, const Context& context, const ModelFiles& files,
                             std::size_t longest, Precision precision) {
  const auto positions = static_cast<std::int64_t>(longest) + arguments.tokens;
  if (positions > files.config().context)
    fail(ErrorKind::input, "prompts of {} tokens and {} of answer (--max-tokens): the model has a context of {}",
         longest, arguments.tokens, files.config().context);
  return rollout_engine(static_cast<int>(arguments.rows), static_cast<int>(positions),
                        precision == Precision::exact ? CacheType::f32 : CacheType::f16, context.threads(),
                        context.kernels());
}

int eval(const EvalArguments& arguments, const Context& context) {
  Interrupts interrupts;
  const std::uint64_t seed = static_cast<std::uint64_t>(arguments.seed);
  const Split split = arguments.split == "any"     ? Split::any
                      : arguments.split == "train" ? Split::train
                                                   : Split::held_out;
  const std::vector<EvalProblem> problems =
      open_suite(arguments.suite, split, seed, static_cast<int>(arguments.count), static_cast<int>(arguments.level));
  ModelFiles files = open_model(arguments.model);
  const Tokenizer tokenizer = open_tokenizer(files);
  const PromptBuilder builder(tokenizer, files.chat_template());
  const PromptMaker prompts = chat_prompts(builder, reasoning_of(arguments.reasoning), arguments.model);
  std::size_t longest = 0;
  for (const EvalProblem& problem : problems) longest = std::max(longest, prompts(problem.sample).ids.size());

  const Precision precision = precision_of(context.options, Precision::fast);
  const EngineOptions options = engine_options(arguments, context, files, longest, precision);
  const Decoder shape(files.config());
  const std::uint64_t cache = static_cast<std::uint64_t>(options.pages) *
                              static_cast<std::uint64_t>(shape.info().layers) *
                              page_bytes(shape.cache_layout(options.cache_type));
  const OpenedModel opened =
      load(std::move(files), precision, context, Engine::work_bytes(shape, options) + cache, interrupts);
  Engine engine(*opened.model, options);

  EvalOptions eval_options;
  eval_options.reasoning = reasoning_of(arguments.reasoning);
  RolloutOptions& rollout = eval_options.rollout;
  rollout.samples = static_cast<int>(arguments.k);
  rollout.max_tokens = static_cast<int>(arguments.tokens);
  rollout.sampling.temperature = static_cast<float>(arguments.temperature);
  rollout.sampling.top_p = static_cast<float>(arguments.top_p);
  rollout.sampling.seed = seed;
  rollout.stop_ids.assign(tokenizer.end_ids().begin(), tokenizer.end_ids().end());
  for (std::int32_t id : opened.files.end_ids())
    if (std::ranges::find(rollout.stop_ids, id) == rollout.stop_ids.end()) rollout.stop_ids.push_back(id);
  const std::size_t all = problems.size() * static_cast<std::size_t>(arguments.k);
  TrainLine line;
  rollout.progress = [&](std::size_t ended) {
    line.answers(arguments.model, ended, all);
    return !interrupts.requested();
  };
  const EvalReport report = evaluate(engine, tokenizer, problems, prompts, eval_options);
  line.end();
  if (!arguments.answers.empty()) write_answers(arguments.answers, problems, report);
  if (!arguments.json) {
    print_table(report, arguments);
    return 0;
  }
  nlohmann::ordered_json out = {{"model", arguments.model},
                                {"suite", arguments.suite},
                                {"split", arguments.split},
                                {"reasoning", arguments.reasoning},
                                {"temperature", arguments.temperature},
                                {"top_p", arguments.top_p},
                                {"seed", seed},
                                {"interval", "Wilson, 95 %, over problems"}};
  out.update(eval_json(report));
  out["tokens"] = report.tokens;
  out["seconds"] = report.seconds;
  print("{}\n", out.dump(1));
  return 0;
}

}  // namespace

void add_eval(Program& program) {
  auto arguments = std::make_shared<EvalArguments>();
  Command command =
      program.add("eval", "How often a model is right: pass@1, pass@k and the vote, by family and language");
  command.positional("MODEL", arguments->model, "a .gguf, a directory of safetensors, or a name in the store");
  command.positional(
      "SUITE", arguments->suite,
      "mix, a family (limpid data --help), a mix's .json, or problems in .jsonl: {\"prompt\", \"answer\"}");
  command.option("-k", arguments->k, 1, 4096, "answers to each problem (16)");
  command.option("-n", arguments->count, 1, 1 << 20, "problems of each family (100)");
  command.option("--level", arguments->level, 0, 100, "how hard (default: the levels of training)");
  command.choice("--split", arguments->split, {"held-out", "train", "any"}, "which side of the split (held-out)");
  command.choice("--reasoning", arguments->reasoning, {"free", "forced", "none"},
                 "begin each reply with <think>, or with an empty thinking (free: neither)");
  command.option("--temp", arguments->temperature, 0, 100, "temperature (1); 0 is greedy");
  command.option("--top-p", arguments->top_p, 0, 1, "top-p (1)");
  command.option("--max-tokens", arguments->tokens, 1, 1 << 20,
                 "most tokens of an answer (256); a longer one counts as wrong");
  command.option("--seed", arguments->seed, 0, std::int64_t{1} << 62, "other seed, other problems and answers (0)");
  command.option("--rows", arguments->rows, 1, 4096, "answers at a time (64)");
  command.option("--answers", arguments->answers, "write every answer into this file, a JSON object a line");
  command.flag("--json", arguments->json, "as JSON");
  command.threads_and_compute();
  command.examples(
      "limpid eval weights/r1-nano mix\nlimpid eval smollm2-135m addsub -k 4 -n 20 --temp 0.6 --top-p 0.95\n"
      "limpid eval MODEL problems.jsonl --reasoning forced --json");
  command.run([arguments](const Context& context) { return eval(*arguments, context); });
}

}  // namespace limpid
