// limpid train: a model from nothing, by a configuration and data.
#include <memory>
#include <string>

#include "app/commands.h"
#include "app/format.h"
#include "app/interrupt.h"
#include "app/output.h"
#include "app/train_line.h"
#include "base/error.h"
#include "train/loop.h"
#include "train/run_changes.h"

namespace limpid {

namespace {

struct TrainArguments {
  std::string config, data, out;
  bool resume = false;
  std::string change;
};

int train(const TrainArguments& arguments, const Context& context) {
  const RunConfig config = RunConfig::read(arguments.config);
  const DataSpec data = DataSpec::parse(arguments.data);
  Interrupts interrupts;
  LoopEnd end;
  {
    TrainLine line;
    LoopOptions options = line.options(context, arguments.out, arguments.resume);
    options.change = change_list(arguments.change);
    options.stop = [&] { return interrupts.requested(); };
    end = train_model(config, data, options);
  }
  if (!end.finished) fail(ErrorKind::cancelled, "stopped after step {}; --resume goes on from there", end.steps);
  print("{}: {} steps, {} tokens, loss {:.4f}, {}\n", arguments.out, end.steps, end.tokens, end.loss,
        human_time(end.seconds));
  return 0;
}

}  // namespace

void add_train(Program& program) {
  auto arguments = std::make_shared<TrainArguments>();
  Command command = program.add("train", "Train a model from nothing by a configuration");
  command.positional("CONFIG", arguments->config, "the configuration, a .json file (docs/training.md)");
  command.option("--data", arguments->data,
                 "mix, a family of problems, a mix's .json file, or files of data with commas between", true);
  command.option("--out", arguments->out, "directory of the run and, in the end, of the model", true);
  command.flag("--resume", arguments->resume, "go on from the checkpoint in --out, where there is one");
  command.option("--change", arguments->change,
                 "fields of CONFIG that are not what the checkpoint was told, with commas between: schedule, "
                 "optimiser.clip, divergence");
  command.threads();
  command.examples(
      "limpid train nano.json --data mix --out run\nlimpid train nano.json --data corpus.jsonl,notes.txt --out run "
      "--resume");
  command.run([arguments](const Context& context) { return train(*arguments, context); });
}

}  // namespace limpid
