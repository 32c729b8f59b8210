// The tensors of a model as another format has them: names, shapes and order of rows, each read when it is written, so
// that a model larger than memory can be exported. What differs between the formats:
//   - experts: one tensor each in safetensors, one stack (E, rows, columns) in GGUF;
//   - latent attention's kv_b_proj: one matrix in safetensors; in GGUF attn_k_b (H, latent, nope), transposed, and
//     attn_v_b (H, value, latent), as llama.cpp's absorbed attention wants them;
//   - rows of q and k of the llama kind: halves (i, i + d/2) in safetensors, pairs (2i, 2i + 1) in GGUF.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "models/load.h"

namespace limpid {

enum class ExportFormat { safetensors, gguf };

struct ExportTensor {
  enum class Role {
    matrix,
    vector,   // a norm's gain, a bias
    router,   // (E, D)
    balance,  // a gate's bias for the choice of experts
  };
  using Sink = std::function<void(std::span<const float>)>;

  std::string name;                 // in the target
  std::vector<std::int64_t> shape;  // row-major
  Role role = Role::matrix;
  std::function<void(const Sink&)> read;  // gives all values, row-major, in pieces of whole rows
};

// In the order of the model's list, which is that of loading. `files` must outlive the result. mtp: the layers of
// multi-token prediction too. Throws Error(input | unsupported) naming the tensor.
std::vector<ExportTensor> export_tensors(const ModelFiles& files, ExportFormat to, bool mtp);

}  // namespace limpid
