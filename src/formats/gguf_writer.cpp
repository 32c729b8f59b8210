#include "formats/gguf_writer.h"

#include <bit>
#include <utility>

#include "base/error.h"
#include "formats/gguf_parse.h"

namespace limpid {

namespace {

template <typename T>
void append(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void append_string(std::string& out, std::string_view text) {
  append(out, std::uint64_t{text.size()});
  out += text;
}

template <typename T>
void append_array(std::string& out, std::span<const T> values) {
  out.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
}

}  // namespace

GgufWriter::GgufWriter(std::string path, std::uint32_t alignment) : file_(std::move(path)), alignment_(alignment) {
  if (!std::has_single_bit(alignment) || alignment < 8)
    fail(ErrorKind::input, "write {}: alignment: expected a power of two of at least 8, found {}", file_.path(),
         alignment);
  if (alignment != 32) {
    key_head("general.alignment", GgufType::u32);
    append(values_, alignment);
  }
}

void GgufWriter::key_head(std::string_view key, GgufType type) {
  if (writing_data_)
    fail(ErrorKind::input, "write {}: key '{}': expected before the first tensor's data, found after it", file_.path(),
         key);
  if (key.empty() || !keys_.emplace(key).second)
    fail(ErrorKind::input, "write {}: key '{}': expected a name, once; found {}", file_.path(), key,
         key.empty() ? "none" : "it twice");
  ++value_count_;
  append_string(values_, key);
  append(values_, static_cast<std::uint32_t>(type));
}

void GgufWriter::array_head(std::string_view key, GgufType type, std::uint64_t count) {
  key_head(key, GgufType::array);
  append(values_, static_cast<std::uint32_t>(type));
  append(values_, count);
}

void GgufWriter::set(std::string_view key, bool value) {
  key_head(key, GgufType::boolean);
  append(values_, static_cast<char>(value ? 1 : 0));
}
void GgufWriter::set(std::string_view key, std::uint8_t value) {
  key_head(key, GgufType::u8);
  append(values_, value);
}
void GgufWriter::set(std::string_view key, std::int32_t value) {
  key_head(key, GgufType::i32);
  append(values_, value);
}
void GgufWriter::set(std::string_view key, std::uint32_t value) {
  key_head(key, GgufType::u32);
  append(values_, value);
}
void GgufWriter::set(std::string_view key, std::int64_t value) {
  key_head(key, GgufType::i64);
  append(values_, value);
}
void GgufWriter::set(std::string_view key, std::uint64_t value) {
  key_head(key, GgufType::u64);
  append(values_, value);
}
void GgufWriter::set(std::string_view key, float value) {
  key_head(key, GgufType::f32);
  append(values_, value);
}
void GgufWriter::set(std::string_view key, double value) {
  key_head(key, GgufType::f64);
  append(values_, value);
}
void GgufWriter::set(std::string_view key, std::string_view value) {
  key_head(key, GgufType::string);
  append_string(values_, value);
}
void GgufWriter::set(std::string_view key, std::span<const std::string_view> values) {
  array_head(key, GgufType::string, values.size());
  for (const std::string_view value : values) append_string(values_, value);
}
void GgufWriter::set(std::string_view key, std::span<const std::string> values) {
  array_head(key, GgufType::string, values.size());
  for (const std::string& value : values) append_string(values_, value);
}
void GgufWriter::set(std::string_view key, std::span<const std::int32_t> values) {
  array_head(key, GgufType::i32, values.size());
  append_array(values_, values);
}
void GgufWriter::set(std::string_view key, std::span<const std::uint32_t> values) {
  array_head(key, GgufType::u32, values.size());
  append_array(values_, values);
}
void GgufWriter::set(std::string_view key, std::span<const float> values) {
  array_head(key, GgufType::f32, values.size());
  append_array(values_, values);
}

void GgufWriter::copy(const GgufValue& value) {
  if (value.key == "general.alignment" || value.key.starts_with("split."))
    fail(ErrorKind::input, "write {}: key '{}': expected a key of the model's, found one of the file's", file_.path(),
         value.key);
  if (value.is_array)
    array_head(value.key, value.type, value.count);
  else
    key_head(value.key, value.type);
  append_array(values_, value.bytes);
}

void GgufWriter::add_tensor(std::string_view name, DType type, std::span<const std::int64_t> shape) {
  const std::string& path = file_.path();
  if (writing_data_)
    fail(ErrorKind::input, "write {}: tensor '{}': expected before the first tensor's data, found after it", path,
         name);
  if (name.empty() || !names_.emplace(name).second)
    fail(ErrorKind::input, "write {}: tensor '{}': expected a name, once; found {}", path, name,
         name.empty() ? "none" : "it twice");
  const auto id = ggml_from_dtype(type);
  if (!id)
    fail(ErrorKind::unsupported, "write {}: tensor '{}': expected a type that GGUF has, found {}", path, name,
         info(type).name);
  if (shape.size() > 4)
    fail(ErrorKind::input, "write {}: tensor '{}': expected at most 4 dimensions, found {}", path, name, shape.size());
  std::int64_t values = 1;
  for (const std::int64_t dim : shape)
    if (dim < 1 || __builtin_mul_overflow(values, dim, &values))
      fail(ErrorKind::input,
           "write {}: tensor '{}': expected dimensions of at least 1 and a product below 2^63, found {}", path, name,
           dim);
  const DTypeInfo& t = info(type);
  const std::int64_t columns = shape.empty() ? 1 : shape.back();
  if (columns % t.block != 0)
    fail(ErrorKind::input, "write {}: tensor '{}': expected rows of a multiple of {} values ({}), found {}", path, name,
         t.block, t.name, columns);
  append_string(infos_, name);
  append(infos_, static_cast<std::uint32_t>(shape.size()));
  for (std::size_t i = shape.size(); i-- > 0;) append(infos_, shape[i]);
  append(infos_, *id);
  append(infos_, data_bytes_);
  const std::uint64_t bytes = static_cast<std::uint64_t>(values / t.block) * static_cast<std::uint64_t>(t.bytes);
  tensors_.push_back({std::string(name), bytes, data_bytes_});
  data_bytes_ += (bytes + alignment_ - 1) / alignment_ * alignment_;
}

void GgufWriter::begin_data() {
  writing_data_ = true;
  std::string head = "GGUF";
  append(head, std::uint32_t{3});
  append(head, std::uint64_t{tensors_.size()});
  append(head, value_count_);
  file_.write(head);
  file_.write(values_);
  file_.write(infos_);
  if (!tensors_.empty()) file_.write_zeros((alignment_ - file_.position() % alignment_) % alignment_);
  std::string().swap(values_);
  std::string().swap(infos_);
}

void GgufWriter::write(std::span<const std::byte> bytes) {
  if (!writing_data_) begin_data();
  if (bytes.empty()) return;
  if (current_ == tensors_.size())
    fail(ErrorKind::input, "write {}: tensor data: expected no more, every tensor is full; found {} bytes",
         file_.path(), bytes.size());
  const Entry& tensor = tensors_[current_];
  if (bytes.size() > tensor.bytes - written_)
    fail(ErrorKind::input, "write {}: data of tensor '{}': expected at most {} bytes more, found {}", file_.path(),
         tensor.name, tensor.bytes - written_, bytes.size());
  file_.write(bytes);
  written_ += bytes.size();
  if (written_ == tensor.bytes) {
    file_.write_zeros((alignment_ - tensor.bytes % alignment_) % alignment_);
    ++current_;
    written_ = 0;
  }
}

void GgufWriter::finish() {
  if (!writing_data_) begin_data();
  if (current_ != tensors_.size())
    fail(ErrorKind::input, "write {}: data of tensor '{}': expected {} bytes, found {}", file_.path(),
         tensors_[current_].name, tensors_[current_].bytes, written_);
  file_.commit();
}

}  // namespace limpid
