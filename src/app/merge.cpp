// limpid merge: a model with an adapter merged in.
#include <memory>
#include <string>

#include "app/built_in.h"
#include "app/commands.h"
#include "app/output.h"
#include "app/write_progress.h"
#include "base/error.h"
#include "convert/merge.h"

namespace limpid {

namespace {

struct MergeArguments {
  std::string model, adapter, out;
};

int merge(const MergeArguments& arguments) {
  const ModelFiles merged = ModelFiles::open(model_on_disk(arguments.model).string()).with_adapter(arguments.adapter);
  WriteProgress progress("merging", arguments.out);
  write_model(merged, arguments.out, [&](std::uint64_t done, std::uint64_t total) { progress(done, total); });
  progress.finish();
  print("{}: {} with {}\n", arguments.out, arguments.model, arguments.adapter);
  return 0;
}

}  // namespace

void add_merge(Program& program) {
  auto arguments = std::make_shared<MergeArguments>();
  Command command = program.add("merge", "A model with an adapter (LoRA) merged in");
  command.positional("MODEL", arguments->model, "a .gguf, a directory of safetensors, or a name in the store");
  command.positional("ADAPTER", arguments->adapter,
                     "a directory with adapter_config.json and adapter_model.safetensors");
  command.positional("OUT", arguments->out, "a directory, or a file where the model is a .gguf");
  command.examples(
      "limpid merge smollm2-135m smollm2-think think.gguf\nlimpid merge base-directory adapter merged-directory");
  command.run([arguments](const Context&) { return merge(*arguments); });
}

}  // namespace limpid
