#include "ops/exec.h"

#include <algorithm>
#include <cstring>

namespace limpid {

std::byte* Exec::alloc_bytes(std::size_t size) {
  std::byte* memory = arena.take(size);
  if (poison) {
    sync();                                            // nobody still reads what was here
    if (thread == 0) std::memset(memory, 0xFF, size);  // NaN in f32, f16 and bf16; -1 in int8
    sync();
  }
  return memory;
}

Tensor Exec::alloc(DType type, std::initializer_list<std::int64_t> shape) {
  Tensor tensor(type, shape, nullptr);
  tensor.data = alloc_bytes(static_cast<std::size_t>(tensor.size()) * static_cast<std::size_t>(info(type).bytes));
  return tensor;
}

Tensor Exec::alloc_tracked(std::initializer_list<std::int64_t> shape) {
  Tensor tensor = alloc(DType::f32, shape);
  if (tape == nullptr) return tensor;
  tensor.gradient = reinterpret_cast<float*>(alloc_bytes(static_cast<std::size_t>(tensor.size()) * sizeof(float)));
  const auto [begin, end] = share(tensor.size(), 16);
  std::fill(tensor.gradient + begin, tensor.gradient + end, 0.0F);  // backward begins with a barrier
  return tensor;
}

namespace {
std::size_t whole_lines(std::size_t bytes) { return (bytes + 63) / 64 * 64; }
}  // namespace

std::size_t StepMemory::bytes(std::size_t arena_bytes, std::size_t scratch_bytes, int threads) {
  return arena_bytes + whole_lines(scratch_bytes) * static_cast<std::size_t>(threads);
}

StepMemory::StepMemory(std::size_t arena_bytes, std::size_t scratch_bytes, int threads)
    : arena_(arena_bytes), scratch_bytes_(whole_lines(scratch_bytes)) {
  scratch_ = HugeBuffer(scratch_bytes_ * static_cast<std::size_t>(threads));
}

Exec StepMemory::exec(ThreadTeam& team, int thread, const KernelTable* kernels) const {
  Exec ex;
  ex.thread = thread;
  ex.threads = team.threads();
  ex.barrier = &team.barrier();
  ex.kernels = kernels;
  ex.arena = Arena({arena_.data(), arena_.size()});
  ex.scratch = Arena({scratch_.data() + static_cast<std::size_t>(thread) * scratch_bytes_, scratch_bytes_});
  return ex;
}

}  // namespace limpid
