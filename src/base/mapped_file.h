// MappedFile: a whole file, mapped read-only. Movable, not copyable; safe to read from any thread.
// A file that shrinks while it is mapped raises SIGBUS on access, as for every mapping: model files are not edited in place.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace limpid {

class MappedFile {
 public:
  MappedFile() = default;
  // Throws Error(not_found | system) naming the path. An empty file maps to an empty span.
  explicit MappedFile(const std::string& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::string& path() const { return path_; }

  // Tells the kernel that these bytes were read and will not be needed soon, so that loading a model does not hold it twice in memory. Rounded
  // outwards to what a page fault maps at a time, or the pages around every border would stay; whoever still reads there faults them in again.
  void drop(std::size_t offset, std::size_t size) const;

 private:
  std::string path_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace limpid
