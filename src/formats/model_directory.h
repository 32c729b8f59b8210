// The files of a directory of safetensors that are not weights: what makes a directory of other weights a model.
#pragma once

#include <string>

namespace limpid {

// config.json, generation_config.json, the tokenizer's files, the chat template: those that are there. Throws Error(system
// | resources).
void copy_model_files(const std::string& from, const std::string& to);

}  // namespace limpid
