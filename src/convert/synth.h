// Synthetic models: random weights in a real model's shape, as a GGUF file that limpid and llama.cpp load, to measure
// speed with. What they say means nothing. Blocks of quantised types are random bytes with scales that keep the
// activations finite.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tensor/dtype.h"

namespace limpid {

struct SynthOptions {
  std::string shape;         // one of synth_shapes()
  int layers = 0;            // 0: as many as the real model has
  DType type = DType::q8_0;  // of the matrices; of the experts only where the shape is a mixture of experts (the rest
                             // is Q8_0 then)
  std::uint64_t seed = 1;
  int vocabulary = 0;  // 0: as many tokens as the real model has; at least 258: a smaller file, for tests
};

struct SynthTensor {
  std::string name;
  DType type = DType::f32;
  std::vector<std::int64_t> shape;  // row-major
  bool ones = false;                // a norm's gain
};

std::vector<std::string> synth_shapes();  // "qwen2-1.5b", "llama-8b", "moonlight", "r1"
std::vector<std::string> synth_types();   // "F32", "F16", ... "IQ4_XS": what GGUF has for weights

// The tensors of the file, in its order. Throws as synthesise() does.
std::vector<SynthTensor> synth_tensors(const SynthOptions& options);

// Writes the file; progress(done, total) in bytes, first (0, total) before anything is written; what it throws ends it,
// and no file is left. Throws Error(input) for an unknown shape or a type that does not fit
// the shape's widths.
void synthesise(const SynthOptions& options, const std::string& path,
                const std::function<void(std::uint64_t, std::uint64_t)>& progress = {});

// `values` random weights of a type with a standard deviation of roughly 0.02, as the file stores them. Pure function
// of (type, seed, stream). values is a multiple of the type's block. Returns the bytes.
std::vector<std::byte> random_weights(DType type, std::int64_t values, std::uint64_t seed, std::uint64_t stream);

}  // namespace limpid
