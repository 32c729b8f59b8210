// limpid rl: a trained model learns from rewards by rule (GRPO).
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>

#include "app/built_in.h"
#include "app/commands.h"
#include "app/interrupt.h"
#include "app/output.h"
#include "app/product_speed.h"
#include "app/rl_curve.h"
#include "base/error.h"
#include "train/rl_loop.h"
#include "train/run_changes.h"

namespace limpid {

namespace {

struct RlArguments {
  std::string config, model, out;
  bool resume = false, log_rollouts = false;
  std::string change;
};

int rl(const RlArguments& arguments, const Context& context) {
  const RlConfig config = RlConfig::read(arguments.config);
  Interrupts interrupts;
  RlOptions options;
  options.model = model_on_disk(arguments.model).string();
  options.out = arguments.out;
  options.resume = arguments.resume;
  options.change = change_list(arguments.change);
  options.log_rollouts = arguments.log_rollouts;
  options.threads = context.threads();
  options.kernels = &context.kernels();
  RlCurve curve(config.grpo.steps, measure_product_speed(context.kernels(), options.threads));
  curve.show_in(options);
  options.stop = [&] { return interrupts.requested(); };
  const RlEnd end = reinforce(config, options);
  if (!end.finished) fail(ErrorKind::cancelled, "stopped after step {}; --resume goes on from there", end.steps);
  print("{}: {} steps; metrics.jsonl has the curve, samples.jsonl the answers before, between and after\n",
        arguments.out, end.steps);
  return 0;
}

}  // namespace

void add_rl(Program& program) {
  auto arguments = std::make_shared<RlArguments>();
  Command command = program.add("rl", "Let a trained model learn from rewards by rule (GRPO)");
  command.positional("CONFIG", arguments->config, "the configuration, a .json file (docs/training.md)");
  command.option("--model", arguments->model, "directory of the model to begin with", true);
  command.option("--out", arguments->out, "directory of the run and, in the end, of the model", true);
  command.flag("--resume", arguments->resume, "go on from the checkpoint in --out, where there is one");
  command.option("--change", arguments->change,
                 "fields of CONFIG that are not what the checkpoint was told, with commas between: grpo.learning_rate, "
                 "grpo.warmup_steps, grpo.clip_low, "
                 "grpo.clip_high, grpo.optimiser.clip, grpo.divergence");
  command.flag("--log-rollouts", arguments->log_rollouts,
               "write every answer with its ids and log-probabilities into rollouts.jsonl");
  command.threads();
  command.examples(
      "limpid rl rl.json --model run --out run-rl\nlimpid rl rl.json --model run --out run-rl --resume --change "
      "grpo.learning_rate");
  command.run([arguments](const Context& context) { return rl(*arguments, context); });
}

}  // namespace limpid
