// Files made and broken in memory, for the tests of formats/.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <string_view>

namespace limpid {

inline const std::string kData = TEST_DATA "/";

// Bytes appended field by field, as the file formats have them (little-endian).
struct Bytes {
  std::string data;

  template <typename T>
  Bytes& add(T value) {
    data.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  Bytes& raw(std::string_view text) {
    data += text;
    return *this;
  }
  Bytes& string(std::string_view text) { return add(std::uint64_t{text.size()}).raw(text); }
  Bytes& pad(std::size_t alignment) {
    while (data.size() % alignment != 0) data += '\0';
    return *this;
  }
};

inline std::span<const std::byte> as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

inline std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void write_file(const std::string& path, std::string_view text) {
  std::ofstream(path, std::ios::binary).write(text.data(), static_cast<std::streamsize>(text.size()));
}

// A folder that is gone at the end of the test.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "limpid-formats-XXXXXX").string();
    if (!::mkdtemp(name.data())) std::abort();
    path_ = name;
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string operator/(std::string_view name) const { return (path_ / name).string(); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// A file, and what is said of it.
struct HostileFile {
  const char* what;
  std::string bytes;
  const char* message;  // part of the Error's; "" when the file is fine
};

// The message of the Error that `action` throws; "" when it throws none.
template <typename Action>
std::string error_of(Action&& action);

}  // namespace limpid

#include "base/error.h"

template <typename Action>
std::string limpid::error_of(Action&& action) {
  try {
    action();
  } catch (const limpid::Error& error) {
    return error.what();
  }
  return "";
}
