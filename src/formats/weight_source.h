// WeightSource: the tensors of a model, whichever format they are stored in, as models/ wants them: a name, a type, a
// row-major shape and bytes in a mapped file. Names are the file's own; models/ knows both spellings.
//
// Thread safety: immutable once made. Weights and their spans live as long as the source.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tensor/dtype.h"

namespace limpid {

class GgufFile;

struct Weight {
  std::string_view name;
  DType type = DType::f32;
  int rank = 0;
  std::array<std::int64_t, 4> shape = {
      1, 1, 1, 1};                  // row-major, as torch writes it: (rows, columns), (experts, rows, columns); rest 1
  std::span<const std::byte> data;  // aligned to the size of the type's element at least
  // For f8_e4m3 matrices: (ceil(rows / 128), ceil(columns / 128)) factors, row-major; value = f8 * scale of its 128 x
  // 128 block. Else empty.
  std::span<const float> scales;
  int file = 0;              // index into WeightSource::files()
  std::uint64_t offset = 0;  // of data in that file, for who reads it directly

  std::int64_t columns() const { return rank == 0 ? 1 : shape[static_cast<std::size_t>(rank - 1)]; }  // values of a row
  std::int64_t rows() const { return columns() == 0 ? 0 : values() / columns(); }  // all rows, of all experts
  std::int64_t values() const { return shape[0] * shape[1] * shape[2] * shape[3]; }
};

class WeightSource {
 public:
  enum class Format { gguf, safetensors };

  virtual ~WeightSource() = default;
  WeightSource(const WeightSource&) = delete;
  WeightSource& operator=(const WeightSource&) = delete;

  Format format() const { return format_; }
  const std::string& path() const { return path_; }                 // what was opened: a file or a directory
  std::span<const Weight> weights() const { return weights_; }      // in the files' order
  const std::vector<std::string>& files() const { return files_; }  // paths
  const Weight* find(std::string_view name) const;                  // nullptr when absent
  const Weight& at(std::string_view name) const;                    // Error(input) naming path and tensor when absent
  // This weight was read and is not needed soon (base/mapped_file.h).
  void drop(const Weight& weight) const { drop_bytes(weight, 0, weight.data.size()); }
  // The same of `size` bytes of its data from `begin` on.
  virtual void drop_bytes(const Weight& weight, std::size_t begin, std::size_t size) const = 0;

 protected:
  WeightSource(Format format, std::string path) : format_(format), path_(std::move(path)) {}
  void add(Weight weight);
  std::vector<std::string> files_;

 private:
  Format format_;
  std::string path_;
  std::vector<Weight> weights_;
  std::unordered_map<std::string_view, std::size_t> index_;
};

// The tensors of a GGUF file. Shapes are the file's dims reversed.
class GgufWeights final : public WeightSource {
 public:
  explicit GgufWeights(std::shared_ptr<const GgufFile> file);
  const GgufFile& gguf() const { return *file_; }
  void drop_bytes(const Weight& weight, std::size_t begin, std::size_t size) const override;

 private:
  std::shared_ptr<const GgufFile> file_;
};

}  // namespace limpid
