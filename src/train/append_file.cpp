#include "train/append_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace limpid {

AppendFile::AppendFile(std::string path, std::uint64_t bytes) : path_(std::move(path)), bytes_(bytes) {
  fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (fd_ < 0) fail_errno("write", path_);
  if (::ftruncate(fd_, static_cast<off_t>(bytes)) != 0) {
    ::close(fd_);
    fail_errno("truncate", path_);
  }
}

AppendFile::~AppendFile() { ::close(fd_); }

void AppendFile::add(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const ssize_t wrote = ::write(fd_, text.data() + at, text.size() - at);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) {
      const bool full = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;
      fail(full ? ErrorKind::resources : ErrorKind::system, "write {}: {}", path_, std::strerror(errno));
    }
    at += static_cast<std::size_t>(wrote);
  }
  if (::fdatasync(fd_) != 0 && errno != EINVAL) fail_errno("write", path_);
  bytes_ += text.size();
}

}  // namespace limpid
