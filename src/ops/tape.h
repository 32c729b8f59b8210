// Tape: how a forward is walked backwards. It knows no operation: each one, when ex.tape is set, records a closure that
// turns the gradient of its output into those of its inputs and parameters, beside its forward in the source.
//
// Threads: every thread of the step runs the same forward; record() keeps the closure of thread 0 only, which is
// enough, because all threads hold the same addresses (Exec::alloc). backward() is then called by every thread of the
// team with the Exec that it ran the forward with; each closure shares its work by ex.share like a forward does.
//
// Gradients of activations: Tensor::gradient, from Exec::alloc_tracked by whoever makes the tensor, zeros at the start
// of backward. A closure READS the gradient of its output and ADDS to those of its inputs; null: nobody wants it.
// A tensor that is updated in place (the residual x += f(norm(x))) has one gradient for all its versions: the identity
// is then no work, and the branch adds. What backward needs of the old values is copied when recording.
//
// Memory: while a tape records, Exec::rewind frees nothing: all that a closure captured stays until the step ends.
// Closures may take from ex.arena and ex.scratch and rewind both (ex.arena.rewind); ex.tape is null in backward, so
// forward operations can be called to compute something again. Spans of the Batch must outlive backward().
//
// Gradients of parameters: Trainable, found by the address that the model holds: PackedWeight::data, or a gain's or
// bias's values. The sums have a fixed order whatever the threads: outputs are shared, never a sum (docs/numerics.md).
#pragma once

#include <functional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ops/exec.h"

namespace limpid {

// Two narrow matrices beside a matrix W (O, K): out = x W^T + scale (x A^T) B^T (Hu et al., "LoRA", 2021).
struct LowRank {
  const float *a = nullptr, *b = nullptr;              // (r, K), (O, r)
  const float *a_t = nullptr, *b_t = nullptr;          // their transposes: (K, r), (r, O)
  float *a_gradient = nullptr, *b_gradient = nullptr;  // like a and b; added to
  std::int64_t rank = 0;
  float scale = 1;
};

// A parameter as backward sees it; whoever trains owns the memory (models/parameter_store.h).
struct Trainable {
  const float* values = nullptr;       // (rows, columns), row-major: what the packed weight was made of
  float* gradient = nullptr;           // the same shape, added to; null: frozen
  std::int64_t rows = 0, columns = 0;  // a gain or bias: (1, n)
  bool bf16 = false;                   // its gradient's products take values rounded to bf16, else f32
  const LowRank* low_rank =
      nullptr;  // beside it; null: none. Products of ops/linear.h and gated_mlp know of it, no others
};

struct MoeTraining;

class Tape {
 public:
  MoeTraining* moe = nullptr;  // what mixtures of experts count and balance by (ops/moe_training.h); null: nothing

  // Before the step, by one thread. A key that is there is replaced.
  void add(const void* key, const Trainable& parameter) { parameters_[key] = parameter; }
  // Throws Error(unsupported) for an address that was not added, on all threads alike.
  const Trainable& at(const void* key) const;

  // `backward` is called with each thread's Exec, after a barrier; the tape meets all threads again after it.
  template <typename F>
  void record(const Exec& ex, F&& backward) {
    if (ex.thread == 0) closures_.emplace_back(std::forward<F>(backward));
  }
  // All threads: runs the closures, the last first. The gradient of the loss is in place then. Starts with a barrier
  // and ends with one. What was recorded stays: clear() before the next step, by one thread.
  void backward(Exec& ex);
  void clear() { closures_.clear(); }
  std::size_t recorded() const { return closures_.size(); }

 private:
  std::unordered_map<const void*, Trainable> parameters_;
  std::vector<std::function<void(Exec&)>> closures_;
};

}  // namespace limpid
