#include "app/npy.h"

#include <fmt/format.h>
#include <unistd.h>

#include "base/error.h"

namespace limpid {

NpyWriter::NpyWriter(std::string path, std::int64_t rows, std::int64_t columns)
    : path_(std::move(path)),
      part_(fmt::format("{}.{}.part", path_, getpid())),
      file_(std::fopen(part_.c_str(), "wb")) {
  if (file_ == nullptr) fail_errno("write", part_);
  std::string header = fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}", rows, columns);
  const std::size_t before = 10;  // magic, version, length
  header.append(63 - (before + header.size()) % 64, ' ');
  header += '\n';
  std::string start("\x93NUMPY\x01\x00", 8);
  start += static_cast<char>(header.size() & 0xFF);
  start += static_cast<char>(header.size() >> 8);
  start += header;
  if (std::fwrite(start.data(), 1, start.size(), file_) != start.size()) fail_errno("write", part_);
}

NpyWriter::~NpyWriter() {
  if (file_ != nullptr) std::fclose(file_);
  std::remove(part_.c_str());  // after finish() there is none
}

void NpyWriter::write(std::span<const float> values) {
  if (std::fwrite(values.data(), sizeof(float), values.size(), file_) != values.size()) fail_errno("write", part_);
}

void NpyWriter::finish() {
  const int closed = std::fclose(file_);
  file_ = nullptr;
  if (closed != 0) fail_errno("write", part_);
  if (std::rename(part_.c_str(), path_.c_str()) != 0) fail_errno("write", path_);
}

}  // namespace limpid
