// Exec: what one thread needs to run a forward. Every thread of a step calls the same functions in the same order with its own Exec; ops split
// the work by thread and meet at barriers. alloc() gives every thread the same address, because each walks its own Arena over the same memory.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>

#include "base/memory.h"
#include "base/thread_team.h"
#include "kernels/kernels.h"
#include "tensor/tensor.h"

namespace limpid {

class Tape;
struct Exec;
struct ExpertLog;

// What went wrong in a step, for what can only fail while it runs (an expert that cannot be read). Set by thread 0 before a barrier and read by all
// threads behind it; whoever made the Exec looks at it after the step. The results of a failed step are nothing.
struct StepStatus {
  bool failed = false;
  std::string what;
};

struct Exec {
  int thread = 0;
  int threads = 1;
  Barrier* barrier = nullptr;
  const KernelTable* kernels = nullptr;
  Arena arena;    // the step's activations: same memory, same calls on every thread
  Arena scratch;  // this thread's own memory, rewound by whoever takes from it
  // Poison (tests): fill what alloc() hands out with NaN, so that a read of memory that nobody wrote shows. Thread 0 fills, then all meet.
  bool poison = false;
  StepStatus* status = nullptr;  // of the step, shared by its threads; null where nothing in it can fail
  std::int64_t barriers = 0;     // that this thread has met (sync)
  Tape* tape = nullptr;          // training: operations append their backward (ops/tape.h); null: inference
  ExpertLog* experts = nullptr;  // thread 0 writes chosen experts down (ops/expert_log.h); null: nobody asked

  // A tensor of the step, uninitialised. Freed when the step ends, or by rewind(arena.mark()).
  Tensor alloc(DType type, std::initializer_list<std::int64_t> shape);
  std::byte* alloc_bytes(std::size_t size);
  // The same in f32; while a tape records it has a gradient, full of zeros when backward begins.
  Tensor alloc_tracked(std::initializer_list<std::int64_t> shape);
  // Frees what the step took since the mark; while a tape records nothing is freed, because backward reads it.
  void rewind(std::size_t mark) {
    if (tape == nullptr) arena.rewind(mark);
  }

  void sync() {
    ++barriers;
    barrier->wait();
  }
  bool failed() const { return status != nullptr && status->failed; }

  // This thread's share [begin, end) of n items in units of `unit`: contiguous, in thread order, differing by at most one unit.
  std::pair<std::int64_t, std::int64_t> share(std::int64_t n, std::int64_t unit = 1) const {
    const std::int64_t units = (n + unit - 1) / unit;
    const std::int64_t begin = units * thread / threads * unit, end = units * (thread + 1) / threads * unit;
    return {begin < n ? begin : n, end < n ? end : n};
  }
};

// The memory of a step: one arena of activations, and scratch of each thread. exec() is the Exec of a thread of `team`, with both and nothing
// taken; tape, status and poison are the caller's to set. The owner runs one step at a time. Throws Error(resources) when there is no memory.
class StepMemory {
 public:
  StepMemory() = default;
  StepMemory(std::size_t arena_bytes, std::size_t scratch_bytes, int threads);
  Exec exec(ThreadTeam& team, int thread, const KernelTable* kernels) const;
  // What it takes.
  static std::size_t bytes(std::size_t arena_bytes, std::size_t scratch_bytes, int threads);

 private:
  HugeBuffer arena_, scratch_;
  std::size_t scratch_bytes_ = 0;  // of one thread
};

}  // namespace limpid
