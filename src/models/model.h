// Model: what the engine sees of a model. A forward over a batch of rows whose keys and values live in the caller's
// cache; nothing of files, quantisation or threads. Implementations are immutable after loading: forward() may be
// called by any number of threads at a time.
//
// One answer: the logits of a row at position p are a function of that sequence's ids[0..p] alone (through the cache
// pages), bit for bit, whatever else is in the batch and however the prompt was cut into steps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "ops/batch.h"
#include "ops/cache.h"
#include "ops/exec.h"
#include "tensor/tensor.h"

namespace limpid {

struct ModelInfo {
  std::string architecture;  // "llama", "qwen2", "deepseek_v3"
  int vocabulary = 0;        // V: columns of the logits
  int layers = 0;            // layers that have a cache
  int context_length = 0;    // the most positions that the model was made for
  std::uint64_t fingerprint =
      0;  // of the weights and the configuration: part of every cache key, so that no cache is read by another model
};

class Model {
 public:
  virtual ~Model() = default;
  virtual const ModelInfo& info() const = 0;

  // What a token stores in a layer of the cache; the same for all layers. Throws Error(unsupported) for a type the
  // model cannot keep.
  virtual CacheLayout cache_layout(CacheType type) const = 0;

  // Bytes of the step's arena (shared by all threads) for a step of at most `tokens` rows and `outputs` rows of logits,
  // and of the scratch that each thread needs for it.
  virtual std::size_t arena_bytes(int tokens, int outputs) const = 0;
  virtual std::size_t scratch_bytes(int tokens) const = 0;

  // Called by every thread of the step with its own Exec. `cache` has one entry per layer. Returns the logits of
  // batch.outputs, (outputs, V) in f32 in the arena; complete on every thread, because it ends with a barrier.
  virtual Tensor forward(Exec& ex, const Batch& batch, std::span<const CacheLayer> cache) const = 0;
};

}  // namespace limpid
