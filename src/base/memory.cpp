#include "base/memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "base/error.h"

namespace limpid {

namespace {
constexpr std::size_t kHugePage = std::size_t{2} << 20;
}

HugeBuffer::HugeBuffer(std::size_t size) : size_(size) {
  if (size == 0) return;
  mapped_ = (size + kHugePage - 1) / kHugePage * kHugePage;
  // One huge page more than needed, so that an aligned start lies inside; the ends go back at once.
  void* raw =
      ::mmap(nullptr, mapped_ + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (raw == MAP_FAILED) fail(ErrorKind::resources, "reserve {} MiB of memory: refused by the system", size >> 20);
  auto address = reinterpret_cast<std::uintptr_t>(raw);
  const auto aligned = (address + kHugePage - 1) / kHugePage * kHugePage;
  if (aligned > address) ::munmap(raw, aligned - address);
  const auto tail = address + mapped_ + kHugePage - (aligned + mapped_);
  if (tail > 0) ::munmap(reinterpret_cast<void*>(aligned + mapped_), tail);
  data_ = reinterpret_cast<std::byte*>(aligned);
  ::madvise(data_, mapped_, MADV_HUGEPAGE);
}

HugeBuffer::HugeBuffer(HugeBuffer&& other) noexcept { *this = std::move(other); }

HugeBuffer& HugeBuffer::operator=(HugeBuffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(mapped_, other.mapped_);
  return *this;
}

HugeBuffer::~HugeBuffer() {
  if (data_) ::munmap(data_, mapped_);
}

std::byte* Arena::take(std::size_t size) {
  const std::size_t rounded = (size + 63) / 64 * 64;
  if (rounded < size || rounded > memory_.size() - used_)
    fail(ErrorKind::resources, "activation arena: {} bytes more are needed, {} of {} are left", size,
         memory_.size() - used_, memory_.size());
  std::byte* result = memory_.data() + used_;
  used_ += rounded;
  peak_ = std::max(peak_, used_);
  return result;
}

}  // namespace limpid
