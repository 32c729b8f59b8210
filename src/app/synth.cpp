// limpid synth: a model of random weights in a real model's shape, to measure with.
#include <fmt/ranges.h>

#include <memory>
#include <string>

#include "app/commands.h"
#include "app/output.h"
#include "app/printable.h"
#include "app/write_progress.h"
#include "base/error.h"
#include "convert/synth.h"

namespace limpid {

void add_synth(Program& program) {
  struct SynthArguments {
    std::string shape, type = "Q8_0", out;
    std::int64_t layers = 0, seed = 1;
  };
  auto arguments = std::make_shared<SynthArguments>();
  Command command = program.add("synth", "Random weights in a real model's shape, as GGUF, to measure speed with");
  command.positional("SHAPE", arguments->shape, "qwen2-1.5b, llama-8b, moonlight or r1");
  command.positional("OUT", arguments->out, "the .gguf file to write");
  command.option("--layers", arguments->layers, 1, 1000, "how many layers (default: all of the real model's)");
  command.option("--type", arguments->type,
                 "type of the matrices (of the experts, where there are any): Q4_K, IQ2_XXS, BF16 ...");
  command.option("--seed", arguments->seed, 0, std::int64_t{1} << 62, "other seed, other weights");
  command.examples(
      "limpid synth qwen2-1.5b --type Q4_K qwen.gguf\nlimpid synth moonlight --layers 5 --type Q4_K moonlight.gguf");
  command.run([arguments](const Context&) {
    SynthOptions options;
    options.shape = arguments->shape;
    options.layers = static_cast<int>(arguments->layers);
    options.seed = static_cast<std::uint64_t>(arguments->seed);
    const auto type = dtype_from_name(arguments->type);
    if (!type)
      fail(ErrorKind::input, "synth: unknown type '{}', expected one of: {}", arguments->type,
           fmt::join(synth_types(), ", "));
    options.type = *type;
    WriteProgress progress("writing", arguments->out);
    synthesise(options, arguments->out, [&](std::uint64_t done, std::uint64_t total) { progress(done, total); });
    progress.finish();
    print("{}: {:.1f} MB of weights\n", visible(arguments->out), static_cast<double>(progress.total()) / 1e6);
    return 0;
  });
}

}  // namespace limpid
