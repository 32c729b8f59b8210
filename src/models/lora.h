// Adapters (Hu et al., "LoRA", 2021): beside a frozen matrix W (O, K) a product of two narrow ones is trained, A (r, K)
// and B (O, r); the layer computes x W^T + alpha / r (x A^T) B^T. B is zero at first, so that training begins at the
// model as it is.
//
// Adapters stand beside the matrices of attention and of plain MLPs. Not beside latent attention's kv_b_proj, which is
// kept by head, nor beside what a mixture of experts multiplies by (routed and shared experts, router), embedding or head.
//
// Thread safety: pack and zero_gradients share their work among threads that all call them; the rest is for one thread.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include "base/memory.h"
#include "models/parameter_store.h"

namespace limpid {

struct LoraSettings {
  int rank = 16;
  double alpha = 32;
  std::vector<std::string> targets;  // last parts of the matrices' names ("q_proj"); none: all that can be adapted
  DType type = DType::f32;           // that save() writes: f32 or bf16
  double scale() const { return alpha / rank; }
};

class LoraAdapter {
 public:
  // For a store's model, which must outlive it. Throws Error(input) naming a target that no matrix has or that cannot be
  // adapted, with those that can.
  LoraAdapter(const ParameterStore& base, const LoraSettings& settings);
  ~LoraAdapter();
  LoraAdapter(const LoraAdapter&) = delete;
  LoraAdapter& operator=(const LoraAdapter&) = delete;

  // A: uniform in +- 1 / sqrt(K), as PEFT does; B: 0.
  void initialise(std::uint64_t seed);

  // A, then B, of each matrix; names "model.layers.0.self_attn.q_proj.lora_A.weight".
  std::span<const Parameter> parameters() const { return parameters_; }
  std::int64_t size() const { return size_; }
  // One array each, in the order of parameters(), each padded to 16 values.
  std::span<float> values() { return {values_, padded_}; }
  std::span<float> gradients() { return {gradients_, padded_}; }

  // Values were changed: makes what the forward reads. Ends without a barrier.
  void pack(int thread, int threads) const;
  void zero_gradients(int thread, int threads);
  // After ParameterStore::register_in.
  void register_in(Tape& tape) const;

  // adapter_config.json and adapter_model.safetensors in `directory`, as PEFT writes and reads them. `base`: the name of
  // the model that it belongs to, for readers.
  void save(const std::string& directory, const std::string& base) const;

  const LoraSettings& settings() const { return settings_; }

 private:
  struct Beside {  // one adapted matrix
    const PackedWeight* weight;
    std::size_t a, b;                    // in parameters_
    float *a_transposed, *b_transposed;  // (K, r), (r, O)
    LowRank low_rank;
  };
  std::vector<std::string> modules() const;  // PEFT's target_modules

  const ParameterStore& base_;
  const LoraSettings settings_;
  std::vector<Parameter> parameters_;
  std::deque<Beside> beside_;  // the tape keeps pointers into it
  std::int64_t size_ = 0;
  std::size_t padded_ = 0;
  float *values_ = nullptr, *gradients_ = nullptr;
  HugeBuffer memory_;  // values, gradients, transposes
};

}  // namespace limpid
