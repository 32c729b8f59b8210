#include "formats/safetensors.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "formats/json.h"

namespace limpid {

namespace {

using nlohmann::json;

constexpr std::size_t kMaxRank = 8;

struct FileType {
  std::string_view name;
  int bytes;
  std::optional<DType> type;
};

constexpr std::array<FileType, 16> kTypes = {{{"F32", 4, DType::f32},
                                              {"F16", 2, DType::f16},
                                              {"BF16", 2, DType::bf16},
                                              {"F8_E4M3", 1, DType::f8_e4m3},
                                              {"I8", 1, DType::i8},
                                              {"I16", 2, DType::i16},
                                              {"I32", 4, DType::i32},
                                              {"I64", 8, DType::i64},
                                              {"F64", 8, DType::f64},
                                              {"U8", 1, {}},
                                              {"U16", 2, {}},
                                              {"U32", 4, {}},
                                              {"U64", 8, {}},
                                              {"BOOL", 1, {}},
                                              {"F8_E5M2", 1, {}},
                                              {"F8_E8M0", 1, {}}}};

// The header's entry of one tensor, read field by field.
class Entry {
 public:
  Entry(const std::string& path, const std::string& name, const json& value)
      : path_(path), name_(short_json(name)), value_(value) {
    if (!value.is_object() || value.size() != 3)
      refuse("entry", "an object of dtype, shape and data_offsets", short_json(value));
  }

  [[noreturn]] void refuse(std::string_view field, const std::string& expected, const std::string& found) const {
    fail(ErrorKind::input, "{}: {} of tensor {}: expected {}, found {}", path_, field, name_, expected, found);
  }

  const FileType& type() const {
    const json& dtype = field("dtype");
    if (!dtype.is_string()) refuse("dtype", "a string", short_json(dtype));
    const auto& text = dtype.get_ref<const std::string&>();
    const auto found = std::ranges::find(kTypes, text, &FileType::name);
    if (found == kTypes.end())
      fail(ErrorKind::unsupported, "{}: dtype of tensor {}: expected a type that limpid knows, found {}", path_, name_,
           short_json(dtype));
    return *found;
  }

  std::vector<std::int64_t> shape() const {
    const json& dims = field("shape");
    if (!dims.is_array() || dims.size() > kMaxRank)
      refuse("shape", fmt::format("an array of at most {} integers", kMaxRank), short_json(dims));
    std::vector<std::int64_t> out;
    for (const json& dim : dims) {
      if (!dim.is_number_unsigned() || dim.get<std::uint64_t>() > INT64_MAX)
        refuse("shape", "integers from 0 to 2^63 - 1", short_json(dims));
      out.push_back(dim.get<std::int64_t>());
    }
    return out;
  }

  std::pair<std::uint64_t, std::uint64_t> place() const {
    const json& ends = field("data_offsets");
    if (!ends.is_array() || ends.size() != 2 || !ends[0].is_number_unsigned() || !ends[1].is_number_unsigned() ||
        ends[0].get<std::uint64_t>() > ends[1].get<std::uint64_t>())
      refuse("data_offsets", "two integers, begin <= end", short_json(ends));
    return {ends[0].get<std::uint64_t>(), ends[1].get<std::uint64_t>()};
  }

 private:
  const json& field(const char* key) const {
    const auto found = value_.find(key);
    if (found == value_.end()) refuse(key, "the field", "none");
    return *found;
  }

  const std::string& path_;
  const std::string name_;
  const json& value_;
};

// One tensor; its offset is still from the beginning of the data, and its data is only as long as it should be.
SafetensorsTensor read_entry(const std::string& path, const std::string& name, const json& value,
                             std::uint64_t data_start, std::span<const std::byte> data) {
  const Entry entry(path, name, value);
  const FileType& type = entry.type();
  SafetensorsTensor tensor{name, type.name, type.type, entry.shape(), 0, {}};
  const auto [begin, end] = entry.place();
  std::uint64_t values = 1, bytes = 0;
  const bool empty = std::ranges::count(tensor.shape, 0) > 0;
  for (const std::int64_t dim : tensor.shape)
    if (!empty && __builtin_mul_overflow(values, static_cast<std::uint64_t>(dim), &values))
      entry.refuse("shape", "less than 2^64 values", "more");
  if (!empty && __builtin_mul_overflow(values, static_cast<std::uint64_t>(type.bytes), &bytes))
    entry.refuse("shape", "less than 2^64 bytes", "more");
  if (end - begin != bytes)
    entry.refuse("data_offsets", fmt::format("{} bytes, as dtype and shape say", bytes),
                 fmt::format("{} ({} to {})", end - begin, begin, end));
  if (end > data.size())
    entry.refuse("data_offsets", fmt::format("an end of at most {}, where the file ends", data.size()),
                 std::to_string(end));
  if ((data_start + begin) % static_cast<std::uint64_t>(type.bytes) != 0)
    entry.refuse("data_offsets",
                 fmt::format("a place in the file that is a multiple of {} ({})", type.bytes, type.name),
                 std::to_string(data_start + begin));
  tensor.offset = begin;
  tensor.data = data.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(bytes));
  return tensor;
}

}  // namespace

std::optional<std::string_view> safetensors_from_dtype(DType type) {
  const auto found = std::ranges::find(kTypes, std::optional(type), &FileType::type);
  return found == kTypes.end() ? std::nullopt : std::optional(found->name);
}

SafetensorsFile::SafetensorsFile(const std::string& path) : path_(path), file_(path) { parse(file_.bytes()); }

SafetensorsFile SafetensorsFile::from_memory(std::span<const std::byte> bytes, const std::string& name) {
  if (reinterpret_cast<std::uintptr_t>(bytes.data()) % 8 != 0)
    fail(ErrorKind::input, "{}: expected memory that begins at a multiple of 8, found {}", name,
         static_cast<const void*>(bytes.data()));
  SafetensorsFile file;
  file.path_ = name;
  file.parse(bytes);
  return file;
}

void SafetensorsFile::parse(std::span<const std::byte> bytes) {
  std::uint64_t header_size = 0;
  if (bytes.size() < sizeof header_size)
    fail(ErrorKind::input, "{}: header size: expected 8 bytes, found {}", path_, bytes.size());
  std::memcpy(&header_size, bytes.data(), sizeof header_size);
  if (header_size > kSafetensorsMaxHeader || header_size > bytes.size() - 8)
    fail(ErrorKind::input, "{}: header size: expected at most {} ({}), found {}", path_,
         std::min<std::uint64_t>(kSafetensorsMaxHeader, bytes.size() - 8),
         header_size > kSafetensorsMaxHeader ? "the format's limit" : "the rest of the file", header_size);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + 8, static_cast<std::size_t>(header_size));
  if (!text.starts_with('{')) fail(ErrorKind::input, "{}: header: expected '{{' at byte 8, found another", path_);
  const json header =
      parse_json(text, path_ + " (header)", {.bytes = kSafetensorsMaxHeader, .depth = 4, .unique_keys = true});
  const std::uint64_t data_start = 8 + header_size;
  const auto data = bytes.subspan(static_cast<std::size_t>(data_start));
  for (const auto& [name, value] : header.items()) {
    if (name != "__metadata__") {
      tensors_.push_back(read_entry(path_, name, value, data_start, data));
      continue;
    }
    if (!value.is_object())
      fail(ErrorKind::input, "{}: __metadata__: expected an object, found {}", path_, short_json(value));
    for (const auto& [key, word] : value.items()) {
      if (!word.is_string())
        fail(ErrorKind::input, "{}: __metadata__: expected a string for {}, found {}", path_, short_json(key),
             short_json(word));
      metadata_.emplace_back(key, word.get<std::string>());
    }
  }
  std::ranges::stable_sort(tensors_, {}, [](const SafetensorsTensor& t) { return std::pair(t.offset, t.data.size()); });
  std::uint64_t expected = 0;
  for (SafetensorsTensor& tensor : tensors_) {
    if (tensor.offset != expected)
      fail(ErrorKind::input, "{}: data_offsets of tensor {}: expected to begin at {} ({} the tensor before), found {}",
           path_, short_json(tensor.name), expected, tensor.offset < expected ? "an overlap with" : "a gap after",
           tensor.offset);
    expected = tensor.offset + tensor.data.size();
    tensor.offset += data_start;
  }
  if (expected != data.size())
    fail(ErrorKind::input, "{}: end of file: expected it at byte {} after the last tensor, found {}", path_,
         data_start + expected, bytes.size());
  for (std::size_t i = 0; i < tensors_.size(); ++i) index_.emplace(tensors_[i].name, i);
}

const SafetensorsTensor* SafetensorsFile::tensor(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

void SafetensorsFile::drop(const SafetensorsTensor& tensor) const {
  file_.drop(static_cast<std::size_t>(tensor.offset), tensor.data.size());
}

}  // namespace limpid
