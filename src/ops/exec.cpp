#include "ops/exec.h"

#include <algorithm>
#include <cstring>

namespace limpid {

std::byte* Exec::alloc_bytes(std::size_t size) {
  std::byte* memory = arena.take(size);
  if (poison) {
    sync();  // nobody still reads what was here
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

}  // namespace limpid
