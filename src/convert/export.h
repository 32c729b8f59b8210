// Exporting: a model that limpid loads (a run of its training, safetensors, GGUF) as other programs load it.
//   safetensors  a directory: config.json and generation_config.json as transformers reads them, the tokenizer with the
//                chat template, model.safetensors (in shards where it is large)
//   gguf         one file as llama.cpp reads it
// Values are decoded to f32 and written in `type`, one tensor after the other, so memory holds the largest of them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "convert/export_tensors.h"

namespace limpid {

struct ExportOptions {
  ExportFormat to = ExportFormat::safetensors;
  // F32, BF16, F16, and Q8_0 for GGUF; of the matrices. Nothing: as the model has them, and BF16 for FP8 and quantised ones.
  // Always F32: in GGUF norms, biases, routers and the gates' biases, as llama.cpp wants them; in safetensors the gates'
  // biases, as DeepSeek publishes them.
  std::optional<DType> type;
  bool mtp = true;  // the layers of multi-token prediction, where the model has them
  std::uint64_t shard_bytes = 5'000'000'000;
  std::optional<float> temperature,
      top_p;  // advice for sampling (generation_config.json, general.sampling.*); nothing: the model's own
};

struct ExportResult {
  DType type = DType::f32;
  std::uint64_t bytes = 0;  // of the weights
  std::int64_t tensors = 0;
  std::vector<std::string> kept;  // tensors that `type` does not fit (rows that are no multiple of its block): in F16
};

// OUT: a directory (made when it is not there; one that holds a model is refused) or a .gguf file. progress(done, total) in bytes, first (0, total) before any weight is
// written; what it throws ends the export, and no file of weights is left. Throws Error(input |
// unsupported | resources) naming file and field.
ExportResult export_model(const ModelFiles& files, const std::string& out, const ExportOptions& options,
                          const std::function<void(std::uint64_t, std::uint64_t)>& progress = {});

}  // namespace limpid
