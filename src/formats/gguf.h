// GGUF files, read: the container that llama.cpp and its relatives keep models in. Versions 2 and 3, little-endian,
// mapped, in one file or split into parts ("X-00001-of-000NN.gguf"). Everything is checked when the file is opened
// (docs/formats.md lists the rules), so that a view handed out afterwards is inside the mapping. Source of the layout:
// ggml's docs/gguf.md and the gguf Python package.
//
// Thread safety: a GgufFile is immutable once opened; any thread may read it. Views (string_view, span) live as long as
// the GgufFile.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/mapped_file.h"
#include "tensor/dtype.h"

namespace limpid {

// The type of a metadata value; the numbers are the file's.
enum class GgufType : std::uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };
inline constexpr std::uint32_t kGgufTypes = 13;
std::string_view gguf_type_name(GgufType type);  // "u8" .. "f64"

// A metadata value where it lies in the file: bytes holds the value as the file stores it (a string: 8 bytes of length,
// then the text).
struct GgufValue {
  std::string_view key;
  GgufType type = GgufType::u8;  // of the value, or of the elements of the array
  bool is_array = false;
  std::uint64_t count = 1;  // elements of the array, else 1
  std::span<const std::byte> bytes;
};

struct GgufTensor {
  std::string_view name;
  DType type = DType::f32;
  int rank = 0;
  std::array<std::int64_t, 4> dims = {1, 1, 1,
                                      1};  // ggml's order: dims[0] is the row's length (row-major shape reversed)
  int part = 0;                            // index into GgufFile::parts()
  std::uint64_t offset = 0;                // of the data from the beginning of that file
  std::span<const std::byte> data;

  std::int64_t values() const { return dims[0] * dims[1] * dims[2] * dims[3]; }
};

// The type that a ggml type number stands for; nothing for the types that limpid does not read (Q8_1, TQ1_0, MXFP4 ...)
// and unknown numbers.
std::optional<DType> dtype_from_ggml(std::uint32_t id);
// The number that the file uses; nothing for f8_e4m3, which GGUF cannot hold.
std::optional<std::uint32_t> ggml_from_dtype(DType type);

class GgufFile {
 public:
  // Opens a file; for the first of several parts, all of them. Throws Error(not_found | input | unsupported | system)
  // with the path, the field, what was expected and what was found.
  explicit GgufFile(const std::string& path);
  // Reads a whole file that is in memory already (one part); `name` stands for the path in errors. bytes must outlive
  // the GgufFile and begin at an address that is a multiple of 8.
  static GgufFile from_memory(std::span<const std::byte> bytes, const std::string& name);

  GgufFile(GgufFile&&) noexcept = default;
  GgufFile& operator=(GgufFile&&) noexcept = default;

  const std::string& path() const { return parts_.front().path; }
  std::uint32_t version() const { return parts_.front().version; }
  std::uint32_t alignment() const { return parts_.front().alignment; }
  std::size_t part_count() const { return parts_.size(); }
  const std::string& part_path(int part) const { return parts_[static_cast<std::size_t>(part)].path; }
  std::uint64_t total_bytes() const;   // of all parts, headers included
  std::uint64_t tensor_bytes() const;  // of all tensors' data

  // Metadata, of the first part, in the file's order.
  std::span<const GgufValue> values() const { return values_; }
  const GgufValue* value(std::string_view key) const;  // nullptr when absent
  bool has(std::string_view key) const { return value(key) != nullptr; }

  // The value of a key as T, which is one of: bool; std::int32_t, std::uint32_t, std::int64_t, std::uint64_t (from an
  // integer of any width whose value fits); float, double (from f32 or f64); std::string_view, std::string; std::vector
  // of std::string_view, std::int32_t, std::int64_t, float (from an array likewise). get: a missing key is an
  // Error(input). find: a missing key is nothing. Both: a value of another type is an Error(input) that names the key,
  // the type expected and the type found.
  template <typename T>
  T get(std::string_view key) const;
  template <typename T>
  std::optional<T> find(std::string_view key) const;
  template <typename T>
  T get_or(std::string_view key, T otherwise) const {
    std::optional<T> found = find<T>(key);
    return found ? *std::move(found) : std::move(otherwise);
  }

  // Tensors of all parts, in the files' order.
  std::span<const GgufTensor> tensors() const { return tensors_; }
  const GgufTensor* tensor(std::string_view name) const;  // nullptr when absent

  // The tensor's bytes were read and are not needed soon: gives their page cache mapping back (base/mapped_file.h). No
  // effect in memory.
  void drop(const GgufTensor& tensor) const;

 private:
  struct Part {
    std::string path;
    MappedFile file;  // empty when read from memory
    std::span<const std::byte> bytes;
    std::uint32_t version = 0;
    std::uint32_t alignment = 0;
  };

  GgufFile() = default;
  void add_part(Part part);
  void open_other_parts();

  std::vector<Part> parts_;
  std::vector<GgufValue> values_;
  std::vector<GgufTensor> tensors_;
  std::unordered_map<std::string_view, std::size_t> value_index_, tensor_index_;
};

}  // namespace limpid
