// limpid sft: a model goes on from its weights on replies (fine-tuning), all of it or by adapters.
#include <memory>
#include <string>

#include "app/built_in.h"
#include "app/commands.h"
#include "app/format.h"
#include "app/interrupt.h"
#include "app/output.h"
#include "app/train_line.h"
#include "base/error.h"
#include "train/run_changes.h"
#include "train/sft.h"

namespace limpid {

namespace {

struct SftArguments {
  std::string config, model, data, out;
  bool resume = false;
  std::string change;
};

int sft(const SftArguments& arguments, const Context& context) {
  const RunConfig config = RunConfig::read(arguments.config, RunKind::fine_tuning);
  const DataSpec data = DataSpec::parse(arguments.data);
  Interrupts interrupts;
  LoopEnd end;
  {
    TrainLine line;
    LoopOptions options = line.options(context, arguments.out, arguments.resume);
    options.change = change_list(arguments.change);
    options.stop = [&] { return interrupts.requested(); };
    end = fine_tune(config, model_on_disk(arguments.model).string(), data, options);
  }
  if (!end.finished) fail(ErrorKind::cancelled, "stopped after step {}; --resume goes on from there", end.steps);
  print("{}: {} of {} steps, {} tokens, loss {:.4f}, {}\n", arguments.out, config.lora ? "an adapter" : "a model",
        end.steps, end.tokens, end.loss, human_time(end.seconds));
  return 0;
}

}  // namespace

void add_sft(Program& program) {
  auto arguments = std::make_shared<SftArguments>();
  Command command = program.add("sft", "Go on training from given weights, on replies: all weights, or LoRA");
  command.positional("CONFIG", arguments->config, "the configuration, a .json file (docs/training.md)");
  command.option("--model", arguments->model, "a directory of safetensors, a .gguf, a name in the store, or r1-nano",
                 true);
  command.option("--data", arguments->data,
                 "mix, a family of problems, a mix's .json file, or files of data with commas between", true);
  command.option("--out", arguments->out, "directory of the run and, in the end, of the model or adapter", true);
  command.flag("--resume", arguments->resume, "go on from the checkpoint in --out, where there is one");
  command.option("--change", arguments->change,
                 "fields of CONFIG that are not what the checkpoint was told, with commas between: schedule, "
                 "optimiser.clip, divergence");
  command.threads();
  command.examples(
      "limpid sft sft.json --model run --data replies.jsonl --out tuned\n"
      "limpid sft lora.json --model smollm2-135m --data traces.jsonl --out adapter --resume");
  command.run([arguments](const Context& context) { return sft(*arguments, context); });
}

}  // namespace limpid
