// limpid recipe: a model from nothing, stage by stage.
#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "app/commands.h"
#include "app/eval_table.h"
#include "app/interrupt.h"
#include "app/output.h"
#include "app/product_speed.h"
#include "app/rl_curve.h"
#include "app/train_line.h"
#include "base/error.h"
#include "formats/json.h"
#include "kernels/gradient.h"
#include "train/recipe_run.h"

namespace limpid {

namespace {

struct RecipeArguments {
  std::string name, out, stage, products = "auto";
  std::int64_t seed = -1;
  bool resume = false, control = false;
};

std::string recipe_list() {
  std::string out;
  for (const std::string& name : Recipe::built_in()) out += name + ", ";
  return out + "or a file that ends in .json";
}

// Whether the values for products in f32 count: as told, as the directory's run has them, or as the processor likes.
bool choose_f32(const RecipeArguments& arguments, const Context& context) {
  if (arguments.products != "auto") return arguments.products == "f32";
  for (const char* name : {"/recipe.json", "/recipe-control.json"}) {
    if (!std::filesystem::exists(arguments.out + name)) continue;
    const nlohmann::json was = read_json(arguments.out + name);
    if (was.is_object() && was.contains("products")) return was["products"] == "f32";
  }
  return !context.kernels().gradient->fast_bf16;
}

Recipe open_recipe(const RecipeArguments& arguments, const Context& context) {
  RecipeChoice choice;
  if (arguments.seed >= 0) choice.seed = static_cast<std::uint64_t>(arguments.seed);
  choice.control = arguments.control;
  choice.f32 = choose_f32(arguments, context);
  Recipe recipe = Recipe::open(arguments.name, choice);
  if (!recipe.knows_f32 && arguments.products != "auto")
    fail(ErrorKind::input, "--products: recipe {} has one way only (no \"parts_in_f32\")", recipe.name);
  if (recipe.knows_f32)
    fmt::print(stderr, "products in {} ({})\n", recipe.in_f32 ? "f32" : "bf16",
               arguments.products != "auto" ? "as told" : "--products chooses otherwise");
  return recipe;
}

int recipe(const RecipeArguments& arguments, const Context& context) {
  const Recipe recipe = open_recipe(arguments, context);
  Interrupts interrupts;
  RecipeOptions options;
  options.out = arguments.out;
  options.only = arguments.stage;
  options.resume = arguments.resume;
  options.threads = context.threads();
  options.kernels = &context.kernels();
  options.stop = [&] { return interrupts.requested(); };
  if (std::ranges::any_of(recipe.stages, [](const RecipeStage& s) { return s.run || s.rl || s.distill; }))
    options.train.peak_flops = measure_product_speed(context.kernels(), context.threads());
  TrainLine line;
  line.show_in(options.train);
  RlCurve curve(1, options.train.peak_flops);
  curve.show_in(options.rl);
  std::vector<Evaluated> evaluated;
  const auto end_stage = [&] {
    line.end();
    print("{}", eval_table(evaluated));
    flush_out();
    evaluated.clear();
  };
  options.begin = [&](const RecipeStage& next) {
    end_stage();
    fmt::print(stderr, "-- {}{}{}\n", next.name, next.about.empty() ? "" : ": ", next.about);
    if (next.rl) curve.begin(next.rl->grpo.steps);
  };
  options.traced = [&](const TraceCounts& counts) { line.count(counts); };
  options.evaluating = [&](const std::string& model, Reasoning reasoning, std::size_t ended, std::size_t all) {
    line.answers(fmt::format("{}, reasoning {}", model, reasoning_name(reasoning)), ended, all);
  };
  options.evaluated = [&](const RecipeStage&, const std::string& model, Reasoning reasoning, const EvalReport& report) {
    line.end();
    fmt::print(stderr, "{}, reasoning {}: pass@1 {:.1f} %, {:.1f} tokens, {:.0f} s\n", model, reasoning_name(reasoning),
               100 * report.rows[0].pass_1, report.rows[0].tokens, report.seconds);
    evaluated.push_back({model, reasoning, report});
  };
  const bool finished = run_recipe(recipe, options);
  end_stage();
  if (!finished) fail(ErrorKind::cancelled, "stopped; --resume goes on from there");
  print("{0}: every stage is done; limpid report {0} shows what they did\n", arguments.out);
  return 0;
}

}  // namespace

void add_recipe(Program& program) {
  auto arguments = std::make_shared<RecipeArguments>();
  Command command = program.add("recipe", "Make a model from nothing, stage by stage");
  command.positional("NAME", arguments->name, recipe_list());
  command.option("--out", arguments->out, "directory of all stages", true);
  command.option("--stage", arguments->stage, "only this stage");
  command.option("--seed", arguments->seed, 0, std::int64_t{1} << 62,
                 "other seed, other model (default: the recipe's)");
  command.choice(
      "--products", arguments->products, {"auto", "bf16", "f32"},
      "arithmetic of a recipe that knows both (auto: bf16 where the processor has AMX, then as the run began)");
  command.flag("--resume", arguments->resume, "go on where it was stopped");
  command.flag("--control", arguments->control, "rewards go to answers by lot: reinforcement must not help then");
  command.threads();
  command.examples(
      "limpid recipe r1-zero --out run\nlimpid recipe r1-zero --out run --resume\nlimpid recipe my.json --out run "
      "--stage rl");
  command.run([arguments](const Context& context) { return recipe(*arguments, context); });
}

}  // namespace limpid
