// limpid distill: a teacher's answers that a rule finds right, and a student that learns them. limpid traces: the answers
// alone.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "app/built_in.h"
#include "app/commands.h"
#include "app/format.h"
#include "app/interrupt.h"
#include "app/output.h"
#include "app/train_line.h"
#include "base/error.h"
#include "formats/json.h"
#include "train/distill.h"
#include "train/run_changes.h"

namespace limpid {

namespace {

struct DistillArguments {
  std::string config, teacher, teacher_model, student, out, change;
  bool resume = false;
};

std::unique_ptr<Teacher> open_teacher(const DistillArguments& arguments, const Context& context) {
  const bool url = arguments.teacher.starts_with("http://") || arguments.teacher.starts_with("https://");
  if (!url) {
    if (!arguments.teacher_model.empty())
      fail(ErrorKind::input, "--teacher-model: only an endpoint (--teacher URL) has models to choose from");
    return engine_teacher(model_on_disk(arguments.teacher).string(), context.threads(), context.kernels());
  }
  if (context.options.offline) fail(ErrorKind::input, "--teacher {}: --offline forbids the network", arguments.teacher);
  if (arguments.teacher_model.empty())
    fail(ErrorKind::input, "--teacher {}: the name of its model is needed (--teacher-model)", arguments.teacher);
  const char* key = std::getenv("LIMPID_TEACHER_KEY");
  return endpoint_teacher(arguments.teacher, arguments.teacher_model, key != nullptr ? key : "");
}

std::string line_of(const TraceCounts& c, std::int64_t problems) {
  return fmt::format("{} of {} problems, {} answers: {} ended, {} right, {} well formed; {} kept, of {} problems",
                     c.problems, problems, c.answers, c.finished, c.correct, c.well_formed, c.kept, c.solved);
}

int distill(const DistillArguments& arguments, const Context& context) {
  const DistillConfig config = DistillConfig::read(arguments.config);
  Interrupts interrupts;
  const std::unique_ptr<Teacher> teacher = open_teacher(arguments, context);
  LoopEnd end;
  {
    TrainLine line;
    DistillOptions options;
    if (!arguments.student.empty()) options.student = model_on_disk(arguments.student).string();
    options.loop = line.options(context, arguments.out, arguments.resume);
    options.loop.change = change_list(arguments.change);
    options.loop.stop = [&] { return interrupts.requested(); };
    options.traced = [&](const TraceCounts& counts) { line.say(line_of(counts, config.traces.problems)); };
    end = distil(config, *teacher, options);
  }
  if (!end.finished) fail(ErrorKind::cancelled, "stopped after step {}; --resume goes on from there", end.steps);
  print("{}: {} of {} steps, {} tokens, loss {:.4f}, {}\n", arguments.out, config.run.lora ? "an adapter" : "a model",
        end.steps, end.tokens, end.loss, human_time(end.seconds));
  return 0;
}

int traces(const DistillArguments& arguments, const Context& context) {
  const TraceSettings settings = TraceSettings::parse(read_json(arguments.config), arguments.config);
  Interrupts interrupts;
  const std::unique_ptr<Teacher> teacher = open_teacher(arguments, context);
  TraceOptions options;
  options.out = arguments.out;
  options.resume = arguments.resume;
  options.progress = [&](const TraceCounts& counts) { fmt::print(stderr, "{}\n", line_of(counts, settings.problems)); };
  options.stop = [&] { return interrupts.requested(); };
  const TraceEnd end = make_traces(*teacher, settings, options);
  if (!end.finished)
    fail(ErrorKind::cancelled, "stopped after {} of {} problems; --resume goes on from there", end.counts.problems,
         settings.problems);
  print("{}: {}\n", arguments.out, line_of(end.counts, settings.problems));
  return 0;
}

void teacher_options(Command& command, DistillArguments& arguments) {
  command.option(
      "--teacher", arguments.teacher,
      "a model (directory, .gguf, name in the store, r1-nano), or the http(s) address of an OpenAI-compatible endpoint",
      true);
  command.option("--teacher-model", arguments.teacher_model,
                 "the endpoint's name of the model; a key is taken from LIMPID_TEACHER_KEY");
}

}  // namespace

void add_distill(Program& program) {
  auto arguments = std::make_shared<DistillArguments>();
  Command command = program.add("distill", "A student learns what a teacher answers rightly");
  command.positional("CONFIG", arguments->config, "{\"traces\": ..., \"train\": ...}, a .json file (docs/training.md)");
  teacher_options(command, *arguments);
  command.option("--model", arguments->student,
                 "the student's weights to begin with; without it, it begins from nothing");
  command.option("--out", arguments->out, "directory of the run and, in the end, of the model or adapter", true);
  command.flag("--resume", arguments->resume, "go on with what is in --out");
  command.option("--change", arguments->change,
                 "fields of \"train\" that are not what the checkpoint was told, with commas between: schedule, "
                 "optimiser.clip, divergence");
  command.threads();
  command.examples(
      "limpid distill nano.json --teacher r1-nano --out student\n"
      "limpid distill lora.json --teacher r1-nano --model smollm2-135m --out smollm2-think\n"
      "limpid distill lora.json --teacher http://127.0.0.1:8080/v1 --teacher-model r1 --model smollm2-135m --out "
      "adapter");
  command.run([arguments](const Context& context) { return distill(*arguments, context); });
}

void add_traces(Program& program) {
  auto arguments = std::make_shared<DistillArguments>();
  Command command = program.add("traces", "A teacher's answers that a rule finds right, as JSONL to train on");
  command.positional("CONFIG", arguments->config, "what to ask and what to keep, a .json file (docs/training.md)");
  teacher_options(command, *arguments);
  command.option("--out", arguments->out, "the .jsonl file", true);
  command.flag("--resume", arguments->resume, "go on with what is in --out");
  command.threads();
  command.examples("limpid traces traces.json --teacher r1-nano --out traces.jsonl");
  command.run([arguments](const Context& context) { return traces(*arguments, context); });
}

}  // namespace limpid
