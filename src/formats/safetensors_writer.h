// SafetensorsWriter: one safetensors file, written front to back like a GGUF (formats/gguf_writer.h): tensors are
// listed first, their data follows in that order in pieces of any size. The file appears under its name only when
// finish() has returned. One thread.
//
// The format has no padding between tensors, so list those of wider elements first: a tensor whose data would be
// misaligned is refused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "formats/atomic_file.h"
#include "tensor/dtype.h"

namespace limpid {

class SafetensorsWriter {
 public:
  explicit SafetensorsWriter(std::string path);

  // "__metadata__"; transformers wants {"format": "pt"}.
  void set_metadata(std::string_view key, std::string_view value);
  // shape is row-major. Not a block type. Throws Error(input | unsupported) naming file and tensor, as write and finish
  // do.
  void add_tensor(std::string_view name, DType type, std::span<const std::int64_t> shape);
  void add_tensor(std::string_view name, DType type, std::initializer_list<std::int64_t> shape) {
    add_tensor(name, type, std::span(shape.begin(), shape.size()));
  }
  // The next bytes of the data; a piece may not reach over the end of its tensor.
  void write(std::span<const std::byte> bytes);
  void finish();

  std::uint64_t data_bytes() const { return data_bytes_; }  // of all tensors added

 private:
  struct Entry {
    std::string name;
    std::uint64_t bytes;
  };
  void begin_data();
  void skip_full();

  AtomicFile file_;
  std::vector<std::pair<std::string, std::string>> metadata_;
  std::string infos_;  // the header's entries
  std::unordered_set<std::string> names_;
  std::vector<Entry> tensors_;
  std::uint64_t data_bytes_ = 0;
  bool writing_data_ = false;
  std::size_t current_ = 0;    // the tensor that takes the next byte
  std::uint64_t written_ = 0;  // of its bytes
};

// model.safetensors.index.json in `directory`: which tensor is in which of the files beside it.
void write_safetensors_index(const std::string& directory, std::uint64_t total_bytes,
                             std::span<const std::pair<std::string, std::string>> tensor_and_file);

}  // namespace limpid
