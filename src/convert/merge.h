// Writing a model whose weights were changed (an adapter merged in) in the format that it has.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "models/load.h"

namespace limpid {

// A directory of safetensors becomes the directory `out`, with one file of weights and the base's other files beside it;
// a GGUF file becomes the file `out`. Tensors are written as ModelFiles::weights() has them. progress(done, total) in
// bytes, first (0, total) before any weight is written; what it throws ends it, and no file of weights is left. Throws
// Error(input) where `out` is the model itself, Error(unsupported) for FP8 weights with block factors, Error(resources)
// for a full disk.
void write_model(const ModelFiles& files, const std::string& out,
                 const std::function<void(std::uint64_t, std::uint64_t)>& progress = {});

}  // namespace limpid
