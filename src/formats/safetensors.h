// One safetensors file, read: 8 bytes of header size, a JSON header that names each tensor with its type, shape and
// place, then the data. Mapped; everything is checked when the file is opened (docs/formats.md). Source of the layout:
// the format's README (github.com/huggingface/safetensors).
//
// Thread safety: immutable once opened. Views live as long as the SafetensorsFile, wherever it is moved to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/mapped_file.h"
#include "tensor/dtype.h"

namespace limpid {

inline constexpr std::uint64_t kSafetensorsMaxHeader = 100'000'000;  // as in the format's own reader

struct SafetensorsTensor {
  std::string name;
  std::string_view dtype;     // as the file writes it
  std::optional<DType> type;  // nothing for the types that limpid only passes over: U8 U16 U32 U64 BOOL F8_E5M2 F8_E8M0
  std::vector<std::int64_t> shape;  // row-major, at most 8 dimensions; a dimension may be 0
  std::uint64_t offset = 0;         // of the data from the beginning of the file
  std::span<const std::byte> data;  // aligned to the size of its element
};

// "F32" .. for a type, and back; nothing where the format has no such type (all block types).
std::optional<std::string_view> safetensors_from_dtype(DType type);

class SafetensorsFile {
 public:
  // Throws Error(not_found | input | unsupported | system) with the path, the field, what was expected and what was
  // found.
  explicit SafetensorsFile(const std::string& path);
  // Reads a whole file that is in memory; `name` stands for the path in errors. bytes must outlive it and begin at a
  // multiple of 8.
  static SafetensorsFile from_memory(std::span<const std::byte> bytes, const std::string& name);

  SafetensorsFile(SafetensorsFile&&) noexcept = default;
  SafetensorsFile& operator=(SafetensorsFile&&) noexcept = default;

  const std::string& path() const { return path_; }
  std::span<const SafetensorsTensor> tensors() const { return tensors_; }  // in the order of their data
  const SafetensorsTensor* tensor(std::string_view name) const;            // nullptr when absent
  std::span<const std::pair<std::string, std::string>> metadata() const { return metadata_; }  // "__metadata__", by key

  // The tensor's bytes were read and are not needed soon (base/mapped_file.h). No effect in memory.
  void drop(const SafetensorsTensor& tensor) const;

 private:
  SafetensorsFile() = default;
  void parse(std::span<const std::byte> bytes);

  std::string path_;
  MappedFile file_;
  std::vector<SafetensorsTensor> tensors_;
  std::vector<std::pair<std::string, std::string>> metadata_;
  std::unordered_map<std::string_view, std::size_t> index_;
};

}  // namespace limpid
