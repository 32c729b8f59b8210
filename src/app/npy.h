// Matrices as NumPy reads them.
#pragma once

#include <cstdint>
#include <cstdio>
#include <span>
#include <string>

namespace limpid {

// A (rows, columns) matrix of f32 in NumPy's format 1.0, little-endian, written row after row. The file has its name
// only once it is whole: without finish() nothing is left behind. Throws Error(system).
class NpyWriter {
 public:
  NpyWriter(std::string path, std::int64_t rows, std::int64_t columns);
  ~NpyWriter();
  NpyWriter(const NpyWriter&) = delete;
  NpyWriter& operator=(const NpyWriter&) = delete;
  void write(std::span<const float> values);
  void finish();

 private:
  std::string path_, part_;
  std::FILE* file_;
};

}  // namespace limpid
