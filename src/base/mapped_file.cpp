#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace limpid {

MappedFile::MappedFile(const std::string& path) : path_(path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail_errno("open", path);
  struct stat status {};
  if (::fstat(fd, &status) != 0) {
    ::close(fd);
    fail_errno("stat", path);
  }
  if (!S_ISREG(status.st_mode)) {
    ::close(fd);
    fail(ErrorKind::input, "open {}: not a regular file", path);
  }
  size_ = static_cast<std::size_t>(status.st_size);
  if (size_ > 0) {
    void* address = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, fd, 0);
    if (address == MAP_FAILED) {
      ::close(fd);
      fail_errno("map", path);
    }
    data_ = static_cast<const std::byte*>(address);
  }
  ::close(fd);
}

MappedFile::MappedFile(MappedFile&& other) noexcept { *this = std::move(other); }

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
}

void MappedFile::drop(std::size_t offset, std::size_t size) const {
  constexpr std::size_t kAround = std::size_t{64} << 10;  // Linux's fault_around_bytes
  if (size == 0 || offset >= size_ || size > size_ - offset) return;
  const std::size_t begin = offset / kAround * kAround;
  const std::size_t end =
      std::min((offset + size + kAround - 1) / kAround * kAround, size_);  // the kernel completes the last page
  ::madvise(const_cast<std::byte*>(data_) + begin, end - begin, MADV_DONTNEED);
}

}  // namespace limpid
