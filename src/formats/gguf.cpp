#include "formats/gguf.h"

#include <array>
#include <cstdio>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "base/error.h"
#include "formats/gguf_parse.h"

namespace limpid {

namespace {

constexpr std::array<std::string_view, kGgufTypes> kTypeNames = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                                                 "bool", "string", "array", "u64", "i64", "f64"};

// ggml's numbers for the types of tensor/dtype.h, in the order of DType. -1: GGUF has none.
constexpr std::array<int, kDTypes> kGgmlIds = {0,  1,  30, -1, 2,  3,  6,  7,  8,  10, 11, 12, 13, 14,
                                               19, 29, 16, 17, 22, 18, 21, 20, 23, 24, 25, 26, 27, 28};
constexpr std::uint64_t kMaxParts = 65535;

std::string type_text(const GgufValue& value) {
  return value.is_array ? fmt::format("array of {}", gguf_type_name(value.type))
                        : std::string(gguf_type_name(value.type));
}

template <typename T>
T load(const std::byte* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

template <typename T>
struct IsArray : std::false_type {};
template <typename T>
struct IsArray<std::vector<T>> : std::true_type {};

template <typename T>
constexpr std::string_view wanted_type() {
  if constexpr (IsArray<T>::value) {
    using Element = typename T::value_type;
    if constexpr (std::is_same_v<Element, std::string_view>) return "array of string";
    if constexpr (std::is_floating_point_v<Element>) return "array of f32 or f64";
    if constexpr (std::is_integral_v<Element>) return "array of integers";
  } else if constexpr (std::is_same_v<T, bool>) {
    return "bool";
  } else if constexpr (std::is_integral_v<T>) {
    return std::is_signed_v<T> ? "an integer" : "an integer of 0 or more";
  } else if constexpr (std::is_floating_point_v<T>) {
    return "f32 or f64";
  } else {
    return "string";
  }
}

// One element as T; false when its type is not T's.
template <typename T>
bool convert(GgufType type, const std::byte* at, const std::string& path, std::string_view key, T& out) {
  if constexpr (std::is_same_v<T, bool>) {
    if (type != GgufType::boolean) return false;
    out = at[0] != std::byte{0};
    return true;
  } else if constexpr (std::is_floating_point_v<T>) {
    if (type == GgufType::f32)
      out = load<float>(at);
    else if (type == GgufType::f64)
      out = static_cast<T>(load<double>(at));
    else
      return false;
    return true;
  } else {
    const auto fit = [&](auto value) {
      if (!std::in_range<T>(value))
        fail(ErrorKind::input, "{}: key '{}': expected an integer from {} to {}, found {}", path, key,
             std::numeric_limits<T>::min(), std::numeric_limits<T>::max(), +value);
      out = static_cast<T>(value);
      return true;
    };
    switch (type) {
      case GgufType::u8:
        return fit(load<unsigned char>(at) + 0U);
      case GgufType::i8:
        return fit(load<signed char>(at) + 0);
      case GgufType::u16:
        return fit(load<std::uint16_t>(at));
      case GgufType::i16:
        return fit(load<std::int16_t>(at));
      case GgufType::u32:
        return fit(load<std::uint32_t>(at));
      case GgufType::i32:
        return fit(load<std::int32_t>(at));
      case GgufType::u64:
        return fit(load<std::uint64_t>(at));
      case GgufType::i64:
        return fit(load<std::int64_t>(at));
      default:
        return false;
    }
  }
}

// The string at the front of bytes, which is cut off. The parser has checked the lengths.
std::string_view next_string(std::span<const std::byte>& bytes) {
  const auto size = static_cast<std::size_t>(load<std::uint64_t>(bytes.data()));
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + 8, size);
  bytes = bytes.subspan(8 + size);
  return text;
}

template <typename T>
bool read_as(const GgufValue& value, const std::string& path, T& out) {
  if (value.is_array != IsArray<T>::value) return false;
  if constexpr (IsArray<T>::value) {
    using Element = typename T::value_type;
    const auto count = static_cast<std::size_t>(value.count);
    auto rest = value.bytes;
    if constexpr (std::is_same_v<Element, std::string_view>) {
      if (value.type != GgufType::string) return false;
      out.reserve(count);
      for (std::size_t i = 0; i < count; ++i) out.push_back(next_string(rest));
    } else {
      const std::size_t step = gguf_type_bytes(value.type);
      if (step == 0) return false;
      for (std::size_t i = 0; i < count; ++i) {
        Element element;
        if (!convert<Element>(value.type, rest.data() + i * step, path, value.key, element)) return false;
        out.push_back(element);
      }
    }
    return true;
  } else if constexpr (std::is_same_v<T, std::string_view> || std::is_same_v<T, std::string>) {
    if (value.type != GgufType::string) return false;
    auto rest = value.bytes;
    out = next_string(rest);
    return true;
  } else {
    return convert<T>(value.type, value.bytes.data(), path, value.key, out);
  }
}

// "X-00001-of-00003.gguf" -> "X" and 3, when part `number` of that many is what the name says.
std::optional<std::pair<std::string, std::uint64_t>> split_name(const std::string& path, std::uint64_t number) {
  constexpr std::size_t kSuffix = 20;  // "-00001-of-00003.gguf"
  if (path.size() < kSuffix) return std::nullopt;
  const std::string suffix = path.substr(path.size() - kSuffix);
  unsigned no = 0, count = 0;
  char rest[8] = {};
  if (std::sscanf(suffix.c_str(), "-%5u-of-%5u%7s", &no, &count, rest) != 3 || std::strcmp(rest, ".gguf") != 0 ||
      no != number + 1)
    return std::nullopt;
  return std::pair{path.substr(0, path.size() - kSuffix), std::uint64_t{count}};
}

std::uint64_t checked_number(const GgufFile& file, std::string_view key, std::uint64_t expected,
                             const std::string& path) {
  const auto found = file.find<std::uint64_t>(key);
  if (!found) fail(ErrorKind::input, "{}: key '{}': expected {}, found no such key", path, key, expected);
  if (*found != expected) fail(ErrorKind::input, "{}: key '{}': expected {}, found {}", path, key, expected, *found);
  return *found;
}

}  // namespace

std::string_view gguf_type_name(GgufType type) { return kTypeNames[static_cast<std::size_t>(type)]; }

std::optional<DType> dtype_from_ggml(std::uint32_t id) {
  for (std::size_t i = 0; i < kGgmlIds.size(); ++i)
    if (kGgmlIds[i] >= 0 && static_cast<std::uint32_t>(kGgmlIds[i]) == id) return static_cast<DType>(i);
  return std::nullopt;
}

std::optional<std::uint32_t> ggml_from_dtype(DType type) {
  const int id = kGgmlIds[static_cast<std::size_t>(type)];
  return id < 0 ? std::nullopt : std::optional(static_cast<std::uint32_t>(id));
}

GgufFile::GgufFile(const std::string& path) {
  Part part;
  part.path = path;
  part.file = MappedFile(path);
  part.bytes = part.file.bytes();
  add_part(std::move(part));
  open_other_parts();
}

GgufFile GgufFile::from_memory(std::span<const std::byte> bytes, const std::string& name) {
  if (reinterpret_cast<std::uintptr_t>(bytes.data()) % 8 != 0)
    fail(ErrorKind::input, "{}: expected memory that begins at a multiple of 8, found {}", name,
         static_cast<const void*>(bytes.data()));
  GgufFile file;
  Part part;
  part.path = name;
  part.bytes = bytes;
  file.add_part(std::move(part));
  return file;
}

void GgufFile::add_part(Part part) {
  GgufHeader header = parse_gguf(part.bytes, part.path);
  part.version = header.version;
  part.alignment = header.alignment;
  const int number = static_cast<int>(parts_.size());
  if (number == 0) {
    values_ = std::move(header.values);
    for (std::size_t i = 0; i < values_.size(); ++i) value_index_.emplace(values_[i].key, i);
  }
  for (GgufTensor& tensor : header.tensors) {
    tensor.part = number;
    if (!tensor_index_.emplace(tensor.name, tensors_.size()).second)
      fail(ErrorKind::input, "{}: tensor '{}': expected once in all parts, found in {} too", part.path, tensor.name,
           part_path(tensors_[tensor_index_.at(tensor.name)].part));
    tensors_.push_back(tensor);
  }
  parts_.push_back(std::move(part));
}

void GgufFile::open_other_parts() {
  const auto count = get_or<std::uint64_t>("split.count", 1);
  if (count == 0 || count > kMaxParts)
    fail(ErrorKind::input, "{}: key 'split.count': expected 1 to {}, found {}", path(), kMaxParts, count);
  if (count == 1) return;
  if (const auto no = get<std::uint64_t>("split.no"); no != 0)
    fail(ErrorKind::input,
         "{}: key 'split.no': expected 0, found {}: this is part {} of {}, open the first (-00001-of-{:05}.gguf)",
         path(), no, no + 1, count, count);
  const auto name = split_name(path(), 0);
  if (!name || name->second != count)
    fail(ErrorKind::input,
         "{}: file name: expected it to end in -00001-of-{:05}.gguf, because key 'split.count' says {} parts", path(),
         count, count);
  const auto total = get<std::uint64_t>("split.tensors.count");
  for (std::uint64_t i = 1; i < count; ++i) {
    Part part;
    part.path = fmt::format("{}-{:05}-of-{:05}.gguf", name->first, i + 1, count);
    part.file = MappedFile(part.path);
    part.bytes = part.file.bytes();
    const GgufFile alone = from_memory(part.bytes, part.path);
    checked_number(alone, "split.no", i, part.path);
    checked_number(alone, "split.count", count, part.path);
    checked_number(alone, "split.tensors.count", total, part.path);
    add_part(std::move(part));
  }
  if (tensors_.size() != total)
    fail(ErrorKind::input, "{}: key 'split.tensors.count': expected {} tensors in all parts, found {}", path(), total,
         tensors_.size());
}

std::uint64_t GgufFile::total_bytes() const {
  std::uint64_t total = 0;
  for (const Part& part : parts_) total += part.bytes.size();
  return total;
}

std::uint64_t GgufFile::tensor_bytes() const {
  std::uint64_t total = 0;
  for (const GgufTensor& tensor : tensors_) total += tensor.data.size();
  return total;
}

const GgufValue* GgufFile::value(std::string_view key) const {
  const auto found = value_index_.find(key);
  return found == value_index_.end() ? nullptr : &values_[found->second];
}

const GgufTensor* GgufFile::tensor(std::string_view name) const {
  const auto found = tensor_index_.find(name);
  return found == tensor_index_.end() ? nullptr : &tensors_[found->second];
}

void GgufFile::drop(const GgufTensor& tensor) const {
  parts_[static_cast<std::size_t>(tensor.part)].file.drop(static_cast<std::size_t>(tensor.offset), tensor.data.size());
}

template <typename T>
std::optional<T> GgufFile::find(std::string_view key) const {
  const GgufValue* found = value(key);
  if (!found) return std::nullopt;
  T out{};
  if (!read_as<T>(*found, path(), out))
    fail(ErrorKind::input, "{}: key '{}': expected {}, found {}", path(), key, wanted_type<T>(), type_text(*found));
  return out;
}

template <typename T>
T GgufFile::get(std::string_view key) const {
  std::optional<T> found = find<T>(key);
  if (!found) fail(ErrorKind::input, "{}: key '{}': expected {}, found no such key", path(), key, wanted_type<T>());
  return *std::move(found);
}

#define LIMPID_GGUF_GET(...)                                               \
  template __VA_ARGS__ GgufFile::get<__VA_ARGS__>(std::string_view) const; \
  template std::optional<__VA_ARGS__> GgufFile::find<__VA_ARGS__>(std::string_view) const;
LIMPID_GGUF_GET(bool)
LIMPID_GGUF_GET(std::int32_t)
LIMPID_GGUF_GET(std::uint32_t)
LIMPID_GGUF_GET(std::int64_t)
LIMPID_GGUF_GET(std::uint64_t)
LIMPID_GGUF_GET(float)
LIMPID_GGUF_GET(double)
LIMPID_GGUF_GET(std::string_view)
LIMPID_GGUF_GET(std::string)
LIMPID_GGUF_GET(std::vector<std::string_view>)
LIMPID_GGUF_GET(std::vector<std::int32_t>)
LIMPID_GGUF_GET(std::vector<std::int64_t>)
LIMPID_GGUF_GET(std::vector<float>)
#undef LIMPID_GGUF_GET

}  // namespace limpid
