// Checkpoint: a directory as Hugging Face's hub and transformers have it: config.json, perhaps generation_config.json
// and a tokenizer, and weights in safetensors (formats/safetensors_weights.h reads those). Files that a use does not
// need may be missing: `logits` and `bench` want no tokenizer. Immutable.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "formats/config_json.h"

namespace limpid {

class Checkpoint {
 public:
  // Reads config.json. Throws Error(not_found | input | unsupported) with the file, the key, what was expected and what
  // was found.
  explicit Checkpoint(std::string directory);

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

  // Paths of files that are there.
  std::optional<std::string> tokenizer_json() const { return existing("tokenizer.json"); }
  std::optional<std::string> tokenizer_config_json() const { return existing("tokenizer_config.json"); }
  // The chat template's text: chat_template.jinja (transformers 5), else tokenizer_config.json's chat_template (of a
  // list of named ones, the one named "default"). Nothing when there is none.
  std::optional<std::string> chat_template() const;

 private:
  std::optional<std::string> existing(const char* name) const;

  std::string path_;
  ConfigJson config_, generation_;
};

}  // namespace limpid
