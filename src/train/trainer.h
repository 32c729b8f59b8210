// Trainer: a model in training. It owns the decoder, its parameters with their gradients, the optimiser, the tape and
// the memory of a forward with its backward, and makes steps of packed batches: forward, loss, backward for each, then
// clipping, the optimiser, the sign rule for the experts' biases, and the packed weights anew. What is trained on, for
// how long and how fast is the caller's (train/loop.h; reinforcement learning).
//
// One thread calls it; a ThreadTeam computes. The result of a step is the same, to the bit, for any number of threads.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/memory.h"
#include "base/thread_team.h"
#include "models/lora.h"
#include "models/parameter_store.h"
#include "ops/loss.h"
#include "ops/moe_training.h"
#include "train/optimiser.h"
#include "train/packer.h"

namespace limpid {

struct TrainerOptions {
  DType precision = DType::f32;  // of the forward's products
  int threads = 1;
  const KernelTable* kernels = nullptr;
  std::size_t arena_bytes =
      0;  // most memory of a forward with its backward; 0: three quarters of what the machine has.
          // Only what a step touches is taken from the machine
  std::optional<LoraSettings> lora = {};  // adapters are trained and the store's weights are frozen, without gradients;
                                          // no multi-token prediction then, and no sign rule
};

struct StepPlan {
  double rate = 0;           // of learning
  double mtp_weight = 0;     // of the loss of multi-token prediction
  double balance_loss = 0;   // alpha of the sequence-wise loss
  double balance_speed = 0;  // of the experts' biases
  // Of policy gradients, with what the batches hold (PackedBatch):
  double total_weight = 0;  // the loss is divided by it; 0: by the sum of the weights
  double clip_low = 0.2, clip_high = 0.2, kl = 0;
  double temperature = 1;      // of the policy: at which the batches' answers were drawn
  bool keep_logprobs = false;  // StepResult::logprobs is wanted
};

struct StepResult {
  double loss = 0;      // mean by weight
  double mtp_loss = 0;  // likewise, without its factor; 0 where there is none
  double balance_loss = 0;
  double norm = 0;                         // of the gradient, before clipping
  double violation = 0;                    // MaxVio, the mean over layers with experts
  double kl = 0;                           // of the reference, the mean by weight, without its factor
  std::int64_t clipped = 0;                // predictions whose ratio was cut
  std::int64_t tokens = 0, predicted = 0;  // rows, and those of them that count
  std::vector<float> logprobs;             // of the predictions before the update, in the order of the batches
  bool finite() const;
};

class Trainer {
 public:
  // Throws Error(unsupported | resources).
  Trainer(const ModelConfig& config, const TrainerOptions& options, const OptimiserSettings& settings);

  // The parameters were set from outside (initialise, load, a checkpoint): makes the packed weights of them, and the
  // forward's form of adapters.
  void refresh();

  // The weights of all batches together are the mean's: a step of several batches has the gradient of one large one, but
  // for rounding. Where the loss or the norm is no number the parameters stay as they were. Throws Error(resources)
  // where the memory does not suffice for a batch.
  StepResult step(std::span<const PackedBatch> batches, const StepPlan& plan);

  // What is trained: all masters, or the adapters; how many of them are values (not padding).
  std::span<float> values() { return lora_ ? lora_->values() : store_.values(); }
  std::int64_t trained() const { return lora_ ? lora_->size() : store_.size(); }
  LoraAdapter* lora() { return lora_.get(); }  // null: all weights are trained
  const LoraAdapter* lora() const { return lora_.get(); }
  ParameterStore& store() { return store_; }
  const ParameterStore& store() const { return store_; }
  Optimiser& optimiser() { return optimiser_; }
  const Optimiser& optimiser() const { return optimiser_; }
  Decoder& decoder() { return decoder_; }
  ThreadTeam& team() { return team_; }
  const ModelConfig& config() const { return config_; }
  // Multiplications and additions of a token's forward and backward, by its products.
  double flops_per_token() const;
  std::size_t arena_peak() const { return peak_; }

 private:
  struct Rows {  // of a batch's loss
    std::vector<std::int32_t> outputs, targets;
    std::vector<float> weights, logprobs, advantages, old_logprobs, reference_logprobs;
    double weight = 0;
  };
  struct Prepared {
    Rows main, mtp;
    std::vector<std::int32_t> pages;
    std::vector<BatchSequence> sequences;
  };
  Exec exec(int thread);
  Prepared prepare(const PackedBatch& batch) const;
  void reserve_pages(std::int32_t pages);
  void forward_backward(const PackedBatch& batch, Prepared& prepared, const StepPlan& plan, double weight,
                        double mtp_weight, StepResult& result);
  void finish_step(const StepPlan& plan, StepResult& result);
  void balance(const StepPlan& plan, StepResult& result);

  const ModelConfig config_;
  const TrainerOptions options_;
  Decoder decoder_;
  ParameterStore store_;
  std::unique_ptr<LoraAdapter> lora_;
  Optimiser optimiser_;
  Tape tape_;
  MoeTraining moe_;
  ThreadTeam team_;
  StepMemory memory_;
  HugeBuffer pool_;
  std::int32_t pages_ = 0;
  std::vector<CacheLayer> cache_;  // of the layers, then of multi-token prediction
  std::size_t peak_ = 0;
};

}  // namespace limpid
