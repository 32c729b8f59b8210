#include "app/npy.h"

#include <fmt/format.h>

#include <utility>

namespace limpid {

NpyWriter::NpyWriter(std::string path, std::int64_t rows, std::int64_t columns) : file_(std::move(path)) {
  std::string header = fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}", rows, columns);
  const std::size_t before = 10;  // magic, version, length
  header.append(63 - (before + header.size()) % 64, ' ');
  header += '\n';
  std::string start("\x93NUMPY\x01\x00", 8);
  start += static_cast<char>(header.size() & 0xFF);
  start += static_cast<char>(header.size() >> 8);
  start += header;
  file_.write(start);
}

void NpyWriter::write(std::span<const float> values) { file_.write(std::as_bytes(values)); }

}  // namespace limpid
