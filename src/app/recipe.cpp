// limpid recipe: a model from nothing, stage by stage.
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>

#include "app/commands.h"
#include "app/interrupt.h"
#include "app/output.h"
#include "app/rl_curve.h"
#include "base/error.h"
#include "train/pass_rates.h"
#include "train/recipe.h"

namespace limpid {

namespace {

struct Arguments {
  std::string name, out, stage;
  std::int64_t seed = -1;
  bool resume = false;
};

std::string recipe_list() {
  std::string out;
  for (const std::string& name : Recipe::built_in()) out += name + ", ";
  return out + "or a file that ends in .json";
}

void tell_training(LoopOptions& options) {
  const bool terminal = ::isatty(STDERR_FILENO) != 0;
  auto shown = std::make_shared<int>(-1);
  options.progress = [terminal, shown](const Progress& p) {
    const int percent = static_cast<int>(100 * p.done);
    if (percent / 5 == *shown / 5 && *shown >= 0 && !(terminal && percent != *shown)) return;
    *shown = percent;
    fmt::print(stderr, "{:3}%  step {}  loss {:.4f}  MaxVio {:.2f}  {:.0f} tokens/s  {:.0f} s left\n", percent, p.step, p.result.loss,
               p.result.violation, p.tokens_per_second, p.seconds_left);
  };
  options.say = [](const std::string& line) { fmt::print(stderr, "{}\n", line); };
}

void print_report(const std::string& model, Reasoning reasoning, const EvalReport& report) {
  print("{} ({} reasoning), per cent [Wilson's 95 % interval over problems]\n", model, reasoning_name(reasoning));
  for (const EvalRow& row : report.rows) {
    if (!row.family.empty() && !row.language.empty()) continue;
    const Interval interval = wilson(row.pass_1, row.problems);
    print("  {:10} {:3} pass@1 {:5.1f} [{:.0f}-{:.0f}]  pass@{} {:5.1f}  cons@{} {:5.1f}  length {:5.1f}  reasons {:5.1f}\n",
          row.family.empty() ? "all" : row.family, row.language.empty() ? "all" : row.language, 100 * row.pass_1, 100 * interval.low,
          100 * interval.high, report.k, 100 * row.pass_k, report.k, 100 * row.cons_k, row.tokens, 100 * row.reasoned);
  }
}

int recipe(const Arguments& arguments, const Context& context) {
  const std::optional<std::uint64_t> seed =
      arguments.seed >= 0 ? std::optional(static_cast<std::uint64_t>(arguments.seed)) : std::nullopt;
  const Recipe recipe = Recipe::open(arguments.name, seed);
  Interrupts interrupts;
  RecipeOptions options;
  options.out = arguments.out;
  options.only = arguments.stage;
  options.resume = arguments.resume;
  options.train.threads = options.rl.threads = context.threads();
  options.train.kernels = options.rl.kernels = &context.kernels();
  options.train.stop = options.rl.stop = [&] { return interrupts.requested(); };
  tell_training(options.train);
  std::unique_ptr<RlCurve> curve;
  for (const RecipeStage& stage : recipe.stages)
    if (stage.rl && curve == nullptr) curve = std::make_unique<RlCurve>(stage.rl->grpo.steps);
  if (curve != nullptr) curve->show_in(options.rl);
  options.begin = [](const RecipeStage& stage) { fmt::print(stderr, "-- {}\n", stage.name); };
  options.evaluated = [](const RecipeStage&, const std::string& model, Reasoning reasoning, const EvalReport& report) {
    print_report(model, reasoning, report);
    flush_out();
  };
  if (!run_recipe(recipe, options)) fail(ErrorKind::cancelled, "stopped; --resume goes on from there");
  return 0;
}

}  // namespace

void add_recipe(Program& program) {
  auto arguments = std::make_shared<Arguments>();
  Command command = program.add("recipe", "Make a model from nothing, stage by stage");
  command.positional("NAME", arguments->name, recipe_list());
  command.option("--out", arguments->out, "directory of all stages", true);
  command.option("--stage", arguments->stage, "only this stage");
  command.option("--seed", arguments->seed, 0, std::int64_t{1} << 62, "other seed, other model (default: the recipe's)");
  command.flag("--resume", arguments->resume, "go on where it was stopped");
  command.threads();
  command.examples("limpid recipe r1-zero --out run\nlimpid recipe r1-zero --out run --resume\nlimpid recipe my.json --out run --stage rl");
  command.run([arguments](const Context& context) { return recipe(*arguments, context); });
}

}  // namespace limpid
