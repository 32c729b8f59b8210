#include "formats/gguf_parse.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>
#include <unordered_set>

#include "base/error.h"

namespace limpid {

namespace {

constexpr std::uint32_t kDefaultAlignment = 32;
constexpr int kMaxArrayDepth = 4;            // arrays of arrays: legal, never seen, not worth a deeper stack
constexpr std::size_t kMinValueBytes = 14;   // a key of one letter (9), its type (4), one byte of value
constexpr std::size_t kMinTensorBytes = 25;  // a name of one letter (9), rank (4), type (4), offset (8)

// A name from the file, fit for a message.
std::string shown_name(std::string_view name) {
  std::string out;
  for (const char c : name.substr(0, 80)) out += (c >= 32 && c < 127) ? c : '?';
  return name.size() > 80 ? out + "..." : out;
}

// What is being read, put into words only when it fails: "string 7 of key 'x'", "rank of tensor 'y'".
struct Field {
  std::string_view what;
  std::string_view owner = {};  // "key" or "tensor"
  std::string_view name = {};
  std::uint64_t number = ~std::uint64_t{0};

  std::string text() const {
    std::string out(what);
    if (number != ~std::uint64_t{0}) out += fmt::format(" {}", number);
    if (!owner.empty()) out += fmt::format(" of {} '{}'", owner, shown_name(name));
    return out;
  }
};

// Reads fields one after the other; running out names the field.
class Cursor {
 public:
  Cursor(std::span<const std::byte> bytes, const std::string& path) : bytes_(bytes), path_(path) {}

  std::size_t position() const { return position_; }
  std::size_t remaining() const { return bytes_.size() - position_; }

  std::span<const std::byte> take(std::uint64_t size, const Field& field) {
    if (size > remaining())
      fail(ErrorKind::input, "{}: {} at byte {}: expected {} bytes, found {} to the end of the file", path_,
           field.text(), position_, size, remaining());
    const auto part = bytes_.subspan(position_, static_cast<std::size_t>(size));
    position_ += part.size();
    return part;
  }

  template <typename T>
  T number(const Field& field) {
    T value;
    std::memcpy(&value, take(sizeof(T), field).data(), sizeof(T));
    return value;
  }

  std::string_view text(const Field& field) {
    const auto part = take(number<std::uint64_t>(field), field);
    return {reinterpret_cast<const char*>(part.data()), part.size()};
  }

  std::span<const std::byte> since(std::size_t start) const { return bytes_.subspan(start, position_ - start); }
  const std::string& path() const { return path_; }

 private:
  std::span<const std::byte> bytes_;
  const std::string& path_;
  std::size_t position_ = 0;
};

GgufType read_type(Cursor& cursor, std::string_view key) {
  const auto id = cursor.number<std::uint32_t>({"type", "key", key});
  if (id >= kGgufTypes)
    fail(ErrorKind::input, "{}: type of key '{}': expected 0 to {}, found {}", cursor.path(), shown_name(key),
         kGgufTypes - 1, id);
  return static_cast<GgufType>(id);
}

void check_booleans(std::span<const std::byte> bytes, const Cursor& cursor, std::string_view key) {
  for (const std::byte b : bytes)
    if (std::to_integer<int>(b) > 1)
      fail(ErrorKind::input, "{}: key '{}': expected a bool of 0 or 1, found {}", cursor.path(), shown_name(key),
           std::to_integer<int>(b));
}

std::pair<GgufType, std::uint64_t> read_array_head(Cursor& cursor, std::string_view key) {
  const GgufType type = read_type(cursor, key);
  const auto count = cursor.number<std::uint64_t>({"array length", "key", key});
  // The least that so many elements take: checked before anything loops over or allocates by count.
  const std::size_t least = type == GgufType::string ? 8 : type == GgufType::array ? 12 : gguf_type_bytes(type);
  if (count > cursor.remaining() / least)
    fail(ErrorKind::input, "{}: array length of key '{}': expected at most {} elements in the {} bytes left, found {}",
         cursor.path(), shown_name(key), cursor.remaining() / least, cursor.remaining(), count);
  return {type, count};
}

void skip_values(Cursor& cursor, std::string_view key, GgufType type, std::uint64_t count, int depth) {
  if (type == GgufType::string) {
    for (std::uint64_t i = 0; i < count; ++i) cursor.text({"string", "key", key, i});
  } else if (type == GgufType::array) {
    if (depth >= kMaxArrayDepth)
      fail(ErrorKind::unsupported, "{}: key '{}': expected arrays nested at most {} deep, found more", cursor.path(),
           shown_name(key), kMaxArrayDepth);
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto [inner, inner_count] = read_array_head(cursor, key);
      skip_values(cursor, key, inner, inner_count, depth + 1);
    }
  } else {  // count * size cannot overflow: an array's count was checked against the bytes left, and else it is 1
    const auto bytes = cursor.take(count * gguf_type_bytes(type), {"value", "key", key});
    if (type == GgufType::boolean) check_booleans(bytes, cursor, key);
  }
}

GgufValue read_value(Cursor& cursor, std::uint64_t number) {
  GgufValue value;
  value.key = cursor.text({"name of key", {}, {}, number});
  if (value.key.empty())
    fail(ErrorKind::input, "{}: name of key {}: expected a name, found none", cursor.path(), number);
  value.type = read_type(cursor, value.key);
  if (value.type == GgufType::array) {
    value.is_array = true;
    std::tie(value.type, value.count) = read_array_head(cursor, value.key);
  }
  const std::size_t start = cursor.position();
  skip_values(cursor, value.key, value.type, value.count, 1);
  value.bytes = cursor.since(start);
  return value;
}

std::uint32_t read_version(Cursor& cursor) {
  const auto magic = cursor.take(4, {"magic"});
  if (std::memcmp(magic.data(), "GGUF", 4) != 0)
    fail(ErrorKind::input, "{}: magic: expected 'GGUF', found '{}'", cursor.path(),
         shown_name({reinterpret_cast<const char*>(magic.data()), 4}));
  const auto version = cursor.number<std::uint32_t>({"version"});
  if (version != 0 && (version & 0xFFFF) == 0)
    fail(ErrorKind::unsupported, "{}: byte order: expected little-endian, found big-endian (version {:#010x})",
         cursor.path(), version);
  if (version != 2 && version != 3)
    fail(ErrorKind::unsupported, "{}: version: expected 2 or 3, found {}", cursor.path(), version);
  return version;
}

std::uint32_t find_alignment(const std::vector<GgufValue>& values, const std::string& path) {
  const auto found = std::ranges::find(values, "general.alignment", &GgufValue::key);
  if (found == values.end()) return kDefaultAlignment;
  if (found->is_array || found->type != GgufType::u32)
    fail(ErrorKind::input, "{}: key 'general.alignment': expected u32, found {}{}", path,
         found->is_array ? "array of " : "", gguf_type_name(found->type));
  std::uint32_t alignment;
  std::memcpy(&alignment, found->bytes.data(), sizeof alignment);
  if (!std::has_single_bit(alignment) || alignment < 8)
    fail(ErrorKind::input, "{}: key 'general.alignment': expected a power of two of at least 8, found {}", path,
         alignment);
  return alignment;
}

// Everything of a tensor but its data, whose size is returned.
std::uint64_t read_tensor(Cursor& cursor, std::uint64_t number, std::uint32_t alignment, GgufTensor& tensor) {
  const std::string& path = cursor.path();
  tensor.name = cursor.text({"name of tensor", {}, {}, number});
  if (tensor.name.empty()) fail(ErrorKind::input, "{}: name of tensor {}: expected a name, found none", path, number);
  const std::string name = shown_name(tensor.name);
  const auto rank = cursor.number<std::uint32_t>({"rank", "tensor", tensor.name});
  if (rank > 4) fail(ErrorKind::input, "{}: rank of tensor '{}': expected at most 4, found {}", path, name, rank);
  tensor.rank = static_cast<int>(rank);
  std::int64_t values = 1;
  for (std::uint32_t i = 0; i < rank; ++i) {
    const auto dim = cursor.number<std::int64_t>({"dimension", "tensor", tensor.name, i});
    if (dim < 1 || __builtin_mul_overflow(values, dim, &values))
      fail(ErrorKind::input, "{}: dimension {} of tensor '{}': expected at least 1 and a product below 2^63, found {}",
           path, i, name, dim);
    tensor.dims[i] = dim;
  }
  const auto id = cursor.number<std::uint32_t>({"type", "tensor", tensor.name});
  const auto type = dtype_from_ggml(id);
  if (!type)
    fail(ErrorKind::unsupported, "{}: type of tensor '{}': expected a ggml type that limpid reads, found number {}",
         path, name, id);
  tensor.type = *type;
  const DTypeInfo& t = info(*type);
  if (tensor.dims[0] % t.block != 0)
    fail(ErrorKind::input, "{}: row of tensor '{}': expected a multiple of {} values ({}), found {}", path, name,
         t.block, t.name, tensor.dims[0]);
  std::uint64_t bytes = 0;
  if (__builtin_mul_overflow(static_cast<std::uint64_t>(values / t.block), static_cast<std::uint64_t>(t.bytes), &bytes))
    fail(ErrorKind::input, "{}: size of tensor '{}': expected less than 2^64 bytes, found {} values of {}", path, name,
         values, t.name);
  tensor.offset = cursor.number<std::uint64_t>({"offset", "tensor", tensor.name});
  if (tensor.offset % alignment != 0)
    fail(ErrorKind::input, "{}: offset of tensor '{}': expected a multiple of {}, found {}", path, name, alignment,
         tensor.offset);
  return bytes;
}

constexpr std::uint64_t padded(std::uint64_t value, std::uint64_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

// Turns offsets from the start of the data into places in the file: each inside it, one behind the other with nothing
// but padding between, and nothing after the last.
void place_tensors(std::span<const std::byte> bytes, std::uint64_t header_end, const std::string& path,
                   const std::vector<std::uint64_t>& sizes, GgufHeader& header) {
  const std::uint64_t start = padded(header_end, header.alignment), size = bytes.size();
  if (header.tensors.empty()) {
    if (size > start)
      fail(ErrorKind::input, "{}: end of file: expected it at byte {} (no tensors), found {}", path, start, size);
    return;
  }
  if (start > size)
    fail(ErrorKind::input, "{}: tensor data: expected it to begin at byte {}, found the end of the file at {}", path,
         start, size);
  std::vector<std::uint32_t> order(header.tensors.size());
  std::iota(order.begin(), order.end(), 0U);
  std::ranges::stable_sort(order, {}, [&](std::uint32_t i) { return header.tensors[i].offset; });
  std::uint64_t expected = 0;
  for (const std::uint32_t i : order) {
    GgufTensor& tensor = header.tensors[i];
    const std::string name = shown_name(tensor.name);
    if (tensor.offset > size - start || sizes[i] > size - start - tensor.offset)
      fail(ErrorKind::input,
           "{}: data of tensor '{}': expected {} bytes at offset {}, found {} bytes of tensor data in the file", path,
           name, sizes[i], tensor.offset, size - start);
    if (tensor.offset != expected)
      fail(ErrorKind::input, "{}: offset of tensor '{}': expected {} ({} the tensor before), found {}", path, name,
           expected, tensor.offset < expected ? "an overlap with" : "a gap after", tensor.offset);
    expected = padded(tensor.offset + sizes[i], header.alignment);
    tensor.offset += start;
    tensor.data = bytes.subspan(static_cast<std::size_t>(tensor.offset), static_cast<std::size_t>(sizes[i]));
  }
  if (size - start > expected)
    fail(ErrorKind::input, "{}: end of file: expected it at byte {} after the last tensor, found {}", path,
         start + expected, size);
}

}  // namespace

std::size_t gguf_type_bytes(GgufType type) {
  switch (type) {
    case GgufType::u8:
    case GgufType::i8:
    case GgufType::boolean:
      return 1;
    case GgufType::u16:
    case GgufType::i16:
      return 2;
    case GgufType::u32:
    case GgufType::i32:
    case GgufType::f32:
      return 4;
    case GgufType::u64:
    case GgufType::i64:
    case GgufType::f64:
      return 8;
    case GgufType::string:
    case GgufType::array:
      return 0;
  }
  return 0;
}

GgufHeader parse_gguf(std::span<const std::byte> bytes, const std::string& path) {
  Cursor cursor(bytes, path);
  GgufHeader header;
  header.version = read_version(cursor);
  const auto tensor_count = cursor.number<std::uint64_t>({"number of tensors"});
  const auto value_count = cursor.number<std::uint64_t>({"number of keys"});
  if (value_count > cursor.remaining() / kMinValueBytes)
    fail(ErrorKind::input, "{}: number of keys: expected at most {} in a file of {} bytes, found {}", path,
         cursor.remaining() / kMinValueBytes, bytes.size(), value_count);
  std::unordered_set<std::string_view> names;
  for (std::uint64_t i = 0; i < value_count; ++i) {
    header.values.push_back(read_value(cursor, i));
    if (!names.insert(header.values.back().key).second)
      fail(ErrorKind::input, "{}: key '{}': expected once, found twice", path, shown_name(header.values.back().key));
  }
  header.alignment = find_alignment(header.values, path);
  if (tensor_count > cursor.remaining() / kMinTensorBytes)
    fail(ErrorKind::input, "{}: number of tensors: expected at most {} in the {} bytes left, found {}", path,
         cursor.remaining() / kMinTensorBytes, cursor.remaining(), tensor_count);
  names.clear();
  std::vector<std::uint64_t> sizes;
  for (std::uint64_t i = 0; i < tensor_count; ++i) {
    sizes.push_back(read_tensor(cursor, i, header.alignment, header.tensors.emplace_back()));
    if (!names.insert(header.tensors.back().name).second)
      fail(ErrorKind::input, "{}: tensor '{}': expected once, found twice", path,
           shown_name(header.tensors.back().name));
  }
  place_tensors(bytes, cursor.position(), path, sizes, header);
  return header;
}

}  // namespace limpid
