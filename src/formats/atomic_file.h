// AtomicFile: a file that appears whole or not at all. It is written under a temporary name beside its place and
// renamed by commit(), after fsync; destroyed without commit, it leaves nothing. What is there and no ordinary file (a
// pipe, /dev/null, /dev/full) is written to as it is and never replaced. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace limpid {

class AtomicFile {
 public:
  // Throws Error(not_found | system) when a file cannot be made in the folder of `path`.
  explicit AtomicFile(std::string path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  // Appends. Throws Error(resources) when the disk is full or a quota or size limit is reached, Error(system)
  // otherwise; the temporary file is gone then, and the AtomicFile takes nothing more.
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);
  void write_zeros(std::uint64_t count);

  std::uint64_t position() const { return position_; }  // bytes written
  const std::string& path() const { return path_; }

  // Flushes, makes the content durable and gives the file its name, replacing one that is there.
  void commit();

 private:
  void flush(std::span<const std::byte> bytes);
  void discard() noexcept;
  [[noreturn]] void give_up(const char* doing);

  std::string path_, temporary_;  // temporary_: empty where path_ itself is written to
  int fd_ = -1;
  std::uint64_t position_ = 0;
  std::uint64_t flushed_ = 0;  // of these, given to the system
  std::vector<std::byte> buffer_;
};

}  // namespace limpid
