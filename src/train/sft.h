// Fine-tuning: training (loop.h) that goes on from weights that are there, of all of them or of adapters beside them
// (LoRA, models/lora.h), on replies that the model's own chat template renders (chat_examples.h).
//
// The configuration is that of a run (run_config.h, RunKind::fine_tuning): no "model" and no "tokenizer", which are those
// of the weights, "prompt_weight" is 0 where it is not given, and it may have
//   "lora": {"rank": 16, "alpha": 32, "targets": ["q_proj", "v_proj", ...]}
// In the run's directory, beside metrics.jsonl and checkpoint.limpid:
//   all weights   config.json, tokenizer.json, tokenizer_config.json, ..., model.safetensors: a model like any other
//   LoRA          adapter_config.json, adapter_model.safetensors, in PEFT's layout
//
// One thread calls it.
#pragma once

#include <string>

#include "train/loop.h"

namespace limpid {

// `model`: a directory of safetensors (a run's too) or a .gguf file. Throws what train_model throws, and Error(input |
// unsupported) for weights that cannot be trained on, naming them.
LoopEnd fine_tune(const RunConfig& config, const std::string& model, const DataSpec& data, const LoopOptions& options);

}  // namespace limpid
