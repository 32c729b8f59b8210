// Matrices as NumPy reads them.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "formats/atomic_file.h"

namespace limpid {

// A (rows, columns) matrix of f32 in NumPy's format 1.0, little-endian, written row after row. The file has its name
// only once it is whole: without finish() nothing is left behind. Throws Error as AtomicFile does.
class NpyWriter {
 public:
  NpyWriter(std::string path, std::int64_t rows, std::int64_t columns);
  void write(std::span<const float> values);
  void finish() { file_.commit(); }

 private:
  AtomicFile file_;
};

}  // namespace limpid
