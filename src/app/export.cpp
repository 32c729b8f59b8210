// limpid export: a model in another format, for other programs.
#include <algorithm>
#include <memory>
#include <string>

#include "app/built_in.h"
#include "app/commands.h"
#include "app/format.h"
#include "app/output.h"
#include "app/printable.h"
#include "app/session.h"
#include "app/write_progress.h"
#include "convert/export.h"

namespace limpid {

namespace {

struct ExportArguments {
  std::string model, out, to, type;
  bool no_mtp = false;
  double temperature = -1, top_p = -1;  // not given
};

int run(const ExportArguments& arguments) {
  ExportOptions options;
  if (arguments.to.empty()) fail(ErrorKind::input, "export: --to gguf or --to safetensors is needed");
  options.to = arguments.to == "gguf" ? ExportFormat::gguf : ExportFormat::safetensors;
  options.mtp = !arguments.no_mtp;
  if (arguments.temperature >= 0) options.temperature = static_cast<float>(arguments.temperature);
  if (arguments.top_p > 0) options.top_p = static_cast<float>(arguments.top_p);
  if (!arguments.type.empty()) {
    options.type = dtype_from_name(arguments.type);
    if (!options.type)
      fail(ErrorKind::input, "export: unknown type '{}', expected F32, BF16, F16 or (to GGUF) Q8_0", arguments.type);
  }
  const ModelFiles files = open_model(arguments.model);
  WriteProgress progress("exporting", arguments.out);
  const ExportResult result = export_model(files, arguments.out, options,
                                           [&](std::uint64_t done, std::uint64_t total) { progress(done, total); });
  progress.finish();
  print("{}: {} tensors, {} in {}\n", visible(arguments.out), result.tensors, human_bytes(result.bytes),
        info(result.type).name);
  if (!result.kept.empty())
    print("in F16, because their rows are no multiple of {} values: {} tensors, {} ...\n", info(result.type).block,
          result.kept.size(), visible(result.kept.front()));
  return 0;
}

}  // namespace

void add_export(Program& program) {
  auto arguments = std::make_shared<ExportArguments>();
  Command command = program.add("export", "A model as transformers (safetensors) or llama.cpp (GGUF) load it");
  command.positional("MODEL", arguments->model,
                     "a run of limpid train or rl, a .gguf, a directory of safetensors, or a name in the store");
  command.positional("OUT", arguments->out, "the directory (safetensors) or the .gguf file to write");
  command.choice("--to", arguments->to, {"gguf", "safetensors"}, "the format");
  command.option("--type", arguments->type,
                 "F32, BF16, F16, for GGUF also Q8_0 (default: as the model has it; BF16 for FP8 and quantised ones)");
  command.flag("--no-mtp", arguments->no_mtp, "without the layers of multi-token prediction");
  command.option("--advise-temp", arguments->temperature, 0.0, 10.0,
                 "the temperature that the files advise (default: as the model does)");
  command.option("--advise-top-p", arguments->top_p, 0.001, 1.0, "and top-p");
  command.examples(
      "limpid export runs/r1-zero/rl --to safetensors r1-nano        for transformers\n"
      "limpid export runs/r1-zero/rl --to gguf --type Q8_0 nano.gguf for llama.cpp\n"
      "limpid export model.gguf --to safetensors model");
  command.run([arguments](const Context&) { return run(*arguments); });
}

}  // namespace limpid
