#include "train/sft.h"

#include <filesystem>

#include "base/error.h"
#include "base/mapped_file.h"
#include "engine/siphash.h"
#include "formats/atomic_file.h"
#include "formats/model_directory.h"
#include "models/load.h"
#include "train/chat_examples.h"
#include "train/run_directory.h"

namespace limpid {

namespace {

namespace fs = std::filesystem;

std::string hash_of_files(const std::vector<std::string>& paths) {
  Hash128 hash;
  for (const std::string& path : paths) hash = siphash128(hash, MappedFile(path).bytes());
  return fmt::format("{:016x}{:016x}", hash.high, hash.low);
}

nlohmann::json describe(const RunConfig& config, const DataSpec& data, const ModelFiles& files) {
  nlohmann::json told = describe_run(config, data, files.tokenizer_path());
  told["model"] = hash_of_files(files.weights().files());
  return told;
}

// Trained whole, a model needs a directory that makes it one; a GGUF's parts are not that.
void prepare_directory(const ModelFiles& files, const std::string& out) {
  if (files.checkpoint() == nullptr)
    fail(ErrorKind::unsupported,
         "{}: all weights of a GGUF cannot be trained: make safetensors of it first (limpid export), or give \"lora\" "
         "in the configuration",
         files.path());
  if (fs::equivalent(files.path(), out)) fail(ErrorKind::input, "{}: --out is the model's own directory", out);
  copy_model_files(files.path(), out);
}

// The model's, or what the configuration has in its place, which belongs to what is trained then.
std::string chat_template(const RunConfig& config, const ModelFiles& files, const std::string& out) {
  if (config.chat_template.empty()) return files.chat_template();
  const MappedFile file(config.chat_template);
  AtomicFile copy(out + "/chat_template.jinja");
  copy.write(file.bytes());
  copy.commit();
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

}  // namespace

LoopEnd fine_tune(const RunConfig& config, const std::string& model, const DataSpec& data, const LoopOptions& options) {
  if (config.kind != RunKind::fine_tuning)
    fail(ErrorKind::input, "{}: it is the configuration of a run from nothing", config.path);
  const ModelFiles files = ModelFiles::open(model);
  prepare_run(options);
  RunSetup setup;
  setup.tokenizer = std::make_shared<const Tokenizer>(Tokenizer::open(files.tokenizer_path()));
  setup.model = training_config(files);
  setup.run = describe(config, data, files);
  if (!config.lora) prepare_directory(files, options.out);
  setup.source =
      data.open(std::make_shared<const ChatWriter>(*setup.tokenizer, chat_template(config, files, options.out)),
                {config.seed, static_cast<float>(config.prompt_weight), config.fim});
  const auto load = [&](Trainer& trainer) { trainer.store().load(files.weights()); };
  if (config.lora) {
    setup.frozen = [=](Trainer& trainer) {
      load(trainer);
      trainer.refresh();
    };
    setup.begin = [&](Trainer& trainer) { trainer.lora()->initialise(config.seed); };
    setup.finish = [&](const Trainer& trainer) {
      trainer.lora()->save(options.out, fs::path(model).filename().string());
    };
  } else {
    setup.begin = load;
    setup.finish = [&](const Trainer& trainer) { trainer.store().save(options.out + "/model.safetensors"); };
  }
  return run_loop(config, std::move(setup), options);
}

}  // namespace limpid
