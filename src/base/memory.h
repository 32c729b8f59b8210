// Memory that the engine owns: HugeBuffer for packed weights and caches, Arena for the activations of one step.
#pragma once

#include <cstddef>
#include <span>

namespace limpid {

// Zero-filled, 2 MiB aligned memory that asks for huge pages (madvise). Movable. Throws Error(resources) with the size when there is none.
class HugeBuffer {
 public:
  HugeBuffer() = default;
  explicit HugeBuffer(std::size_t size);
  HugeBuffer(HugeBuffer&& other) noexcept;
  HugeBuffer& operator=(HugeBuffer&& other) noexcept;
  HugeBuffer(const HugeBuffer&) = delete;
  HugeBuffer& operator=(const HugeBuffer&) = delete;
  ~HugeBuffer();

  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t mapped_ = 0;
};

// Arena: a bump pointer over memory that somebody else owns. Each thread of a step has its own Arena over the SAME memory and makes the same
// calls, so that all see one buffer at one address without talking to each other (ops/exec.h). Allocation is 64-byte aligned; running out
// throws Error(resources) on every thread alike. mark()/rewind() free what was taken since.
class Arena {
 public:
  Arena() = default;
  explicit Arena(std::span<std::byte> memory) : memory_(memory) {}

  std::byte* take(std::size_t size);  // 64-byte aligned
  std::size_t mark() const { return used_; }
  void rewind(std::size_t mark) { used_ = mark; }
  std::size_t used() const { return used_; }
  std::size_t peak() const { return peak_; }
  std::size_t capacity() const { return memory_.size(); }

 private:
  std::span<std::byte> memory_;
  std::size_t used_ = 0;
  std::size_t peak_ = 0;
};

}  // namespace limpid
