// AppendFile: a file that grows, of which the first bytes are known to be whole. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace limpid {

class AppendFile {
 public:
  // Keeps the first `bytes` of what is there, and makes the file where there is none. Throws Error(system).
  AppendFile(std::string path, std::uint64_t bytes);
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  // On disk when it returns. Throws Error(resources) when the disk is full; the file may then end in a part of it.
  void add(std::string_view text);
  std::uint64_t bytes() const { return bytes_; }

 private:
  const std::string path_;
  std::uint64_t bytes_;
  int fd_ = -1;
};

}  // namespace limpid
