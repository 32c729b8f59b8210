// GgufWriter: a GGUF file (version 3, little-endian), written front to back: metadata, the list of tensors, then their
// data as it comes, so that files larger than memory can be made. The file appears under its name only when finish()
// has returned (formats/atomic_file.h).
//
//   GgufWriter out("model.gguf");
//   out.set("general.architecture", "llama");           // every key first,
//   out.add_tensor("output.weight", DType::q8_0, {vocabulary, width});   // then every tensor,
//   out.write(rows);  ...                               // then the data of all tensors in that order, in pieces of any
//   size out.finish();
//
// Misuse (a key after the data began, too many bytes, tensors without data at finish) is an Error(input) that names the
// file and the tensor. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "formats/atomic_file.h"
#include "formats/gguf.h"

namespace limpid {

class GgufWriter {
 public:
  // alignment: of each tensor's data; a power of two of at least 8. Other than 32, it is written as general.alignment.
  explicit GgufWriter(std::string path, std::uint32_t alignment = 32);

  // One value; its type in the file follows from the argument's.
  void set(std::string_view key, bool value);
  void set(std::string_view key, std::uint8_t value);
  void set(std::string_view key, std::int32_t value);
  void set(std::string_view key, std::uint32_t value);
  void set(std::string_view key, std::int64_t value);
  void set(std::string_view key, std::uint64_t value);
  void set(std::string_view key, float value);
  void set(std::string_view key, double value);
  void set(std::string_view key, std::string_view value);
  void set(std::string_view key, const char* value) { set(key, std::string_view(value)); }  // not as a bool
  void set(std::string_view key, const std::string& value) { set(key, std::string_view(value)); }
  // Arrays.
  void set(std::string_view key, std::span<const std::string_view> values);
  void set(std::string_view key, std::span<const std::string> values);
  void set(std::string_view key, std::span<const std::int32_t> values);
  void set(std::string_view key, std::span<const std::uint32_t> values);
  void set(std::string_view key, std::span<const float> values);
  // A value of another file, as it stands there, under its own key. general.alignment and split.* are the writer's own
  // business: refused.
  void copy(const GgufValue& value);

  // shape is row-major: {rows, columns}; columns a multiple of the type's block. Not f8_e4m3.
  void add_tensor(std::string_view name, DType type, std::span<const std::int64_t> shape);
  void add_tensor(std::string_view name, DType type, std::initializer_list<std::int64_t> shape) {
    add_tensor(name, type, std::span(shape.begin(), shape.size()));
  }

  // The next bytes of the tensors' data: of the first tensor until it is full, then of the second. A piece may not
  // reach over the end of its tensor. Padding between tensors is the writer's.
  void write(std::span<const std::byte> bytes);
  // Every tensor has its bytes: completes the file.
  void finish();

  std::uint64_t data_bytes() const { return data_bytes_; }  // of all tensors added, with padding

 private:
  struct Entry {
    std::string name;
    std::uint64_t bytes, offset;
  };
  void key_head(std::string_view key, GgufType type);
  void array_head(std::string_view key, GgufType type, std::uint64_t count);
  void begin_data();

  AtomicFile file_;
  std::uint32_t alignment_;
  std::string values_, infos_;  // as the file will have them
  std::uint64_t value_count_ = 0, data_bytes_ = 0;
  std::unordered_set<std::string> keys_, names_;
  std::vector<Entry> tensors_;
  bool writing_data_ = false;
  std::size_t current_ = 0;    // the tensor that takes the next byte
  std::uint64_t written_ = 0;  // of its bytes
};

}  // namespace limpid
