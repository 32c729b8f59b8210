// RunConfig: everything about a training run but its data, as a JSON file. What the file does not say has the value
// below; what it says and nobody knows is an error.
//   {"model": {"model_type": "deepseek_v3", "hidden_size": 128, ...},     as transformers' config.json
//    "tokenizer": "DIR" | {"vocabulary": 1024, "samples": 40000},         a directory, or learned from the mix
//    "seed": 1, "precision": "f32", "tokens": 8600000, "batch_tokens": 2048, "length": 128, ...,
//    "schedule": {...}, "optimiser": {...}}
// Of a run that goes on from given weights (sft.h) model and tokenizer are theirs, and it may have
//    "lora": {"rank": 16, "alpha": 32, "targets": ["q_proj", "v_proj"]}   adapters; without it all weights are trained
//    "chat_template": "FILE.jinja"                                        in place of the model's, and kept with what is trained
// Immutable once read.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "models/lora.h"
#include "tensor/dtype.h"
#include "train/optimiser.h"
#include "train/schedule.h"

namespace limpid {

enum class RunKind : std::uint8_t { from_nothing, fine_tuning };

struct RunConfig {
  RunKind kind = RunKind::from_nothing;
  std::string path;                             // of the file
  std::shared_ptr<const nlohmann::json> json;   // the file; a checkpoint belongs to one that says the same
  std::shared_ptr<const nlohmann::json> model;  // its "model"; null: fine-tuning
  std::string tokenizer;                        // a directory, relative to the file's; empty: learned
  std::int64_t tokenizer_vocabulary = 1024, tokenizer_samples = 40000;

  std::uint64_t seed = 1;              // of the first values, of what is drawn from the data, of holes
  DType precision = DType::f32;        // what products of the forward run in: "f32" or "bf16"
  double initial_deviation = 0;        // of the matrices' first values; 0: 1 / sqrt(fan in)
  std::int64_t steps = 0, tokens = 0;  // how long: one of the two. Tokens are those that are predicted
  std::int64_t batch_tokens = 2048;    // of a step, at most
  std::int64_t forward_tokens = 0;     // of one forward, at most: a step accumulates gradients; 0: batch_tokens
  std::int64_t length = 128;           // the most tokens of a sequence; longer documents are cut
  bool mask_documents = true;          // attention stays inside a document; false: rows of `length` across documents
  double prompt_weight = 0.2;          // of a prompt's tokens in the loss; the reply's have 1. Fine-tuning: 0
  double fim = 0;                      // share of documents with a hole (prefix, suffix, middle)
  double balance_loss = 0;             // alpha of the sequence-wise loss
  double divergence = 2;               // the run stops when the smoothed loss is so far above its least; 0: never
  std::int64_t checkpoint_steps = 100;
  Schedule schedule;
  OptimiserSettings optimiser;
  std::optional<LoraSettings> lora;
  std::string chat_template;  // fine-tuning: a file that takes the place of the model's own; "": none does

  // Throws Error(not_found | input) naming file and field.
  static RunConfig read(const std::string& path, RunKind kind = RunKind::from_nothing);
  static RunConfig parse(const nlohmann::json& json, const std::string& path, RunKind kind = RunKind::from_nothing);

  // The part of the run that is done after so many steps and tokens, 0 to 1.
  double done(std::int64_t steps_made, std::int64_t tokens_seen) const;
};

// Refuses a field of "model" that no reader of config.json knows.
void check_model_fields(const nlohmann::json& model, const std::string& name);

}  // namespace limpid
