#include "formats/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/error.h"

namespace limpid {

namespace {

constexpr std::size_t kBuffer = std::size_t{1} << 20;
constexpr int kAttempts = 1000;

std::string folder_of(const std::string& path) {
  const auto folder = std::filesystem::path(path).parent_path();
  return folder.empty() ? "." : folder.string();
}

}  // namespace

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)) {
  buffer_.reserve(kBuffer);
  std::error_code unknown;
  const auto there = std::filesystem::status(path_, unknown);
  if (std::filesystem::exists(there) && !std::filesystem::is_regular_file(there)) {
    fd_ = ::open(path_.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd_ < 0) fail_errno("write", path_);
    return;
  }
  for (int attempt = 0; fd_ < 0; ++attempt) {  // another process or thread may be writing the same file
    temporary_ = fmt::format("{}.{}-{}.tmp", path_, ::getpid(), attempt);
    fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd_ < 0 && (errno != EEXIST || attempt >= kAttempts)) fail_errno("create", path_);
  }
}

AtomicFile::~AtomicFile() { discard(); }

void AtomicFile::discard() noexcept {
  if (fd_ < 0) return;
  ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
  fd_ = -1;
}

void AtomicFile::give_up(const char* doing) {
  const int code = errno;
  discard();
  const bool full = code == ENOSPC || code == EDQUOT || code == EFBIG;
  fail(full ? ErrorKind::resources : ErrorKind::system, "{} {}: after {} bytes: {}", doing, path_, flushed_,
       std::strerror(code));
}

void AtomicFile::flush(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote = ::write(fd_, bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) give_up("write");
    bytes = bytes.subspan(static_cast<std::size_t>(wrote));
    flushed_ += static_cast<std::uint64_t>(wrote);
  }
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  if (fd_ < 0) fail(ErrorKind::system, "write {}: the file was given up or is complete", path_);
  if (buffer_.size() + bytes.size() > kBuffer) {
    flush(buffer_);
    buffer_.clear();
  }
  if (bytes.size() >= kBuffer)
    flush(bytes);
  else
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  position_ += bytes.size();
}

void AtomicFile::write(std::string_view text) { write(std::as_bytes(std::span(text))); }

void AtomicFile::write_zeros(std::uint64_t count) {
  static constexpr std::array<std::byte, 4096> kZeros{};
  while (count > 0) {
    const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(count, kZeros.size()));
    write(std::span(kZeros).first(part));
    count -= part;
  }
}

void AtomicFile::commit() {
  if (fd_ < 0) fail(ErrorKind::system, "finish {}: the file was given up or is complete", path_);
  flush(buffer_);
  buffer_.clear();
  if (temporary_.empty()) {
    if (::close(std::exchange(fd_, -1)) != 0) fail_errno("finish", path_);
    return;
  }
  if (::fsync(fd_) != 0) give_up("write");
  const int fd = std::exchange(fd_, -1);
  if (::close(fd) != 0 || ::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const int code = errno;
    ::unlink(temporary_.c_str());
    errno = code;
    fail_errno("finish", path_);
  }
  const int folder = ::open(folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder >= 0) {  // the name is durable too, where the file system can say so
    ::fsync(folder);
    ::close(folder);
  }
}

}  // namespace limpid
