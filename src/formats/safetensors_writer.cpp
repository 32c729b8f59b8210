#include "formats/safetensors_writer.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "formats/safetensors.h"

namespace limpid {

namespace {

// A JSON string, quoted. Throws Error(input) when text is no UTF-8.
std::string quoted(const std::string& path, std::string_view text) {
  try {
    return nlohmann::json(text).dump();
  } catch (const nlohmann::json::exception&) {
    fail(ErrorKind::input, "write {}: name: expected UTF-8, found {}", path,
         nlohmann::json(text).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace));
  }
}

}  // namespace

SafetensorsWriter::SafetensorsWriter(std::string path) : file_(std::move(path)) {}

void SafetensorsWriter::set_metadata(std::string_view key, std::string_view value) {
  if (writing_data_)
    fail(ErrorKind::input, "write {}: metadata '{}': expected before the first tensor's data, found after it",
         file_.path(), key);
  for (const auto& entry : metadata_)
    if (entry.first == key)
      fail(ErrorKind::input, "write {}: metadata '{}': expected once, found twice", file_.path(), key);
  metadata_.emplace_back(key, value);
}

void SafetensorsWriter::add_tensor(std::string_view name, DType type, std::span<const std::int64_t> shape) {
  const std::string& path = file_.path();
  if (writing_data_)
    fail(ErrorKind::input, "write {}: tensor '{}': expected before the first tensor's data, found after it", path,
         name);
  if (name.empty() || name == "__metadata__" || !names_.emplace(name).second)
    fail(ErrorKind::input, "write {}: tensor '{}': expected a name, once; found {}", path, name,
         names_.contains(std::string(name)) ? "it twice" : "none");
  const auto dtype = safetensors_from_dtype(type);
  if (!dtype)
    fail(ErrorKind::unsupported, "write {}: tensor '{}': expected a type that safetensors has, found {}", path, name,
         info(type).name);
  const auto width = static_cast<std::uint64_t>(info(type).bytes);
  if (data_bytes_ % width != 0)
    fail(ErrorKind::input,
         "write {}: tensor '{}': expected its {} data at a multiple of {}, found {}: list wider types first", path,
         name, *dtype, width, data_bytes_);
  std::uint64_t bytes = width;
  std::string dims;
  for (const std::int64_t dim : shape) {
    if (dim < 0 || __builtin_mul_overflow(bytes, static_cast<std::uint64_t>(dim), &bytes))
      fail(ErrorKind::input,
           "write {}: tensor '{}': expected dimensions of at least 0 and less than 2^64 bytes, found {}", path, name,
           dim);
    dims += fmt::format("{}{}", dims.empty() ? "" : ",", dim);
  }
  infos_ += fmt::format("{}{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}", infos_.empty() ? "" : ",",
                        quoted(path, name), *dtype, dims, data_bytes_, data_bytes_ + bytes);
  tensors_.push_back({std::string(name), bytes});
  data_bytes_ += bytes;
}

void SafetensorsWriter::begin_data() {
  writing_data_ = true;
  std::string header = "{";
  if (!metadata_.empty()) {
    header += "\"__metadata__\":{";
    for (const auto& [key, value] : metadata_)
      header += fmt::format("{}{}:{}", &key == &metadata_.front().first ? "" : ",", quoted(file_.path(), key),
                            quoted(file_.path(), value));
    header += infos_.empty() ? "}" : "},";
  }
  header += infos_ + "}";
  while (header.size() % 8 != 0) header += ' ';  // so that the data is aligned
  if (header.size() > kSafetensorsMaxHeader)
    fail(ErrorKind::input, "write {}: header: expected at most {} bytes, found {}", file_.path(), kSafetensorsMaxHeader,
         header.size());
  const std::uint64_t size = header.size();
  file_.write(std::as_bytes(std::span(&size, 1)));
  file_.write(header);
  std::string().swap(infos_);
  skip_full();
}

void SafetensorsWriter::skip_full() {
  while (current_ < tensors_.size() && written_ == tensors_[current_].bytes) {
    ++current_;
    written_ = 0;
  }
}

void SafetensorsWriter::write(std::span<const std::byte> bytes) {
  if (!writing_data_) begin_data();
  if (bytes.empty()) return;
  if (current_ == tensors_.size())
    fail(ErrorKind::input, "write {}: tensor data: expected no more, every tensor is full; found {} bytes",
         file_.path(), bytes.size());
  if (bytes.size() > tensors_[current_].bytes - written_)
    fail(ErrorKind::input, "write {}: data of tensor '{}': expected at most {} bytes more, found {}", file_.path(),
         tensors_[current_].name, tensors_[current_].bytes - written_, bytes.size());
  file_.write(bytes);
  written_ += bytes.size();
  skip_full();
}

void SafetensorsWriter::finish() {
  if (!writing_data_) begin_data();
  if (current_ != tensors_.size())
    fail(ErrorKind::input, "write {}: data of tensor '{}': expected {} bytes, found {}", file_.path(),
         tensors_[current_].name, tensors_[current_].bytes, written_);
  file_.commit();
}

void write_safetensors_index(const std::string& directory, std::uint64_t total_bytes,
                             std::span<const std::pair<std::string, std::string>> tensor_and_file) {
  const std::string path = directory + "/model.safetensors.index.json";
  std::string text =
      fmt::format("{{\n  \"metadata\": {{\n    \"total_size\": {}\n  }},\n  \"weight_map\": {{", total_bytes);
  for (const auto& entry : tensor_and_file)
    text += fmt::format("{}\n    {}: {}", &entry == tensor_and_file.data() ? "" : ",", quoted(path, entry.first),
                        quoted(path, entry.second));
  text += "\n  }\n}\n";
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

}  // namespace limpid
