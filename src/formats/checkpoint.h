// Checkpoint: a directory as Hugging Face's hub and transformers have it: config.json, perhaps generation_config.json
// and a tokenizer, and weights in safetensors (formats/safetensors_weights.h reads those). Files that a use does not
// need may be missing: `logits` and `bench` want no tokenizer. Immutable.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "formats/config_json.h"

namespace limpid {

// Files in memory by name: what a directory would hold. The bytes lie at multiples of 8 and outlive whoever is given them.
using MemoryFiles = std::map<std::string, std::span<const std::byte>, std::less<>>;

// A file of a checkpoint.
struct CheckpointFile {
  std::string path;   // for errors
  MappedFile mapped;  // empty when the checkpoint is in memory
  std::span<const std::byte> bytes;
  std::string_view text() const { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
};

class Checkpoint {
 public:
  // Reads config.json. Throws Error(not_found | input | unsupported) with the file, the key, what was expected and what
  // was found.
  explicit Checkpoint(std::string directory);
  // The same from memory; `name` stands for the directory in errors.
  Checkpoint(std::string name, MemoryFiles files);

  const std::string& path() const { return path_; }

  // config.json in one form, whichever wrote it:
  //   rope_theta    a number beside the others (the published form), also when the file has it in transformers 5's
  //   rope_parameters rope_scaling  absent for plain RoPE; else an object with rope_type ("llama3", "yarn" ...; never
  //   the older "type") and its parameters dtype         never the older torch_dtype
  // rope_parameters is gone. A file that says both and contradicts itself is refused.
  const ConfigJson& config() const { return config_; }

  // generation_config.json; an empty object when there is none.
  const ConfigJson& generation_config() const { return generation_; }
  // eos_token_id of generation_config.json, else of config.json: a number or a list in the file. Empty when neither has
  // it.
  std::vector<std::int32_t> eos_token_ids() const;

  // A file of the directory; nothing when it is not there. Throws Error(system) when it cannot be read.
  std::optional<CheckpointFile> open(const std::string& name) const;
  bool in_memory() const { return memory_.has_value(); }

  // Paths of files that are there (of one in memory: what errors call it).
  std::optional<std::string> tokenizer_json() const { return existing("tokenizer.json"); }
  std::optional<std::string> tokenizer_config_json() const { return existing("tokenizer_config.json"); }
  // The chat template's text: chat_template.jinja (transformers 5), else tokenizer_config.json's chat_template (of a
  // list of named ones, the one named "default"). Nothing when there is none.
  std::optional<std::string> chat_template() const;

 private:
  std::optional<std::string> existing(const char* name) const;

  ConfigJson read_if_there(const char* name) const;

  std::string path_;
  std::optional<MemoryFiles> memory_;
  ConfigJson config_, generation_;
};

}  // namespace limpid
