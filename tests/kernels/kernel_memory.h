// Where and how the tests of kernels compute: memory as the kernels want it, denormals as on the engine's threads.
#pragma once

#include <xmmintrin.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace limpid {

// Bytes from a multiple of 64 on, all of them `fill` at first.
struct Aligned {
  std::vector<std::byte> memory;
  std::byte* data;
  explicit Aligned(std::size_t n, std::byte fill = std::byte{0}) : memory(n + 64, fill) {
    data = memory.data() + (64 - reinterpret_cast<std::uintptr_t>(memory.data()) % 64) % 64;
  }
};

// Denormals are flushed on engine threads (base/thread_team.h), so products are compared there.
class Flushed {
 public:
  Flushed() : before_(_mm_getcsr()) { _mm_setcsr(before_ | 0x8040); }
  ~Flushed() { _mm_setcsr(before_); }
  Flushed(const Flushed&) = delete;
  Flushed& operator=(const Flushed&) = delete;

 private:
  unsigned before_;
};

}  // namespace limpid
