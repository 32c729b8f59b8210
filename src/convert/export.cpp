#include "convert/export.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "convert/export_config.h"
#include "convert/export_tokenizer.h"
#include "formats/gguf_writer.h"
#include "formats/json.h"
#include "formats/safetensors_writer.h"
#include "tensor/codec.h"

namespace limpid {

namespace {

namespace fs = std::filesystem;
using Role = ExportTensor::Role;
using ByteProgress = std::function<void(std::uint64_t, std::uint64_t)>;

std::uint64_t bytes_of(const ExportTensor& tensor, DType type) {
  std::uint64_t rows = 1;
  for (std::size_t i = 0; i + 1 < tensor.shape.size(); ++i) rows *= static_cast<std::uint64_t>(tensor.shape[i]);
  return rows * row_bytes(type, tensor.shape.back());
}

// What most of the matrices' bytes are.
DType usual_type(const ModelFiles& files) {
  std::map<DType, std::uint64_t> bytes;
  for (const Weight& weight : files.weights().weights()) bytes[weight.type] += weight.data.size();
  const DType most = std::ranges::max_element(bytes, {}, [](const auto& entry) { return entry.second; })->first;
  return most == DType::f32 || most == DType::f16 ? most : DType::bf16;
}

DType chosen_type(const ModelFiles& files, const ExportOptions& options) {
  const DType type = options.type.value_or(usual_type(files));
  const bool plain = type == DType::f32 || type == DType::bf16 || type == DType::f16;
  if (!plain && !(type == DType::q8_0 && options.to == ExportFormat::gguf))
    fail(ErrorKind::unsupported, "export: --type {}, expected F32, BF16 or F16{}", info(type).name,
         options.to == ExportFormat::gguf ? " or Q8_0" : "");
  return type;
}

void write_text(const fs::path& path, std::string_view text) {
  AtomicFile file(path.string());
  file.write(text);
  file.commit();
}

// Values as the writer takes them, in `type`.
template <typename Writer>
void write_tensor(Writer& out, const ExportTensor& tensor, DType type, std::uint64_t& done, std::uint64_t total,
                  const ByteProgress& progress) {
  const std::int64_t columns = tensor.shape.back();
  std::vector<std::byte> bytes;
  tensor.read([&](std::span<const float> values) {
    const std::size_t rows = values.size() / static_cast<std::size_t>(columns), stride = row_bytes(type, columns);
    if (type == DType::f32) {
      out.write(std::as_bytes(values));
    } else {
      bytes.resize(rows * stride);
      for (std::size_t r = 0; r < rows; ++r)
        encode_row(type, values.data() + r * static_cast<std::size_t>(columns), columns, bytes.data() + r * stride);
      out.write(bytes);
    }
    done += rows * stride;
    if (progress) progress(done, total);
  });
}

// A tokenizer as read, with what its merges point into.
struct SourceTokenizer {
  nlohmann::json root;
  TokenizerSpec spec;
  std::string pre;  // of a GGUF
  bool present = false;
};

void read_tokenizer(const ModelFiles& files, SourceTokenizer& out) {
  out.present = files.has_tokenizer();
  if (!out.present) return;
  if (files.gguf() != nullptr) {
    out.spec = read_tokenizer_gguf(*files.gguf());
    out.pre = files.gguf()->get_or<std::string>("tokenizer.ggml.pre", "");
    return;
  }
  const std::optional<CheckpointFile> json = files.checkpoint()->open("tokenizer.json"),
                                      config = files.checkpoint()->open("tokenizer_config.json");
  out.root = parse_json(json->text(), json->path);
  out.spec = read_tokenizer_json(out.root, config ? config->bytes : std::span<const std::byte>(), json->path);
}

std::optional<std::int32_t> known(TokenId id) { return id < 0 ? std::nullopt : std::optional<std::int32_t>(id); }

struct Work {
  const ModelFiles& files;
  std::vector<ExportTensor> tensors;
  SourceTokenizer tokenizer;
  ExportAdvice advice;
  DType type;
  bool mtp;
};

// The type of a tensor in the file; the names of those that `type` does not fit go to `kept`.
DType type_in_gguf(const ExportTensor& tensor, DType type, std::vector<std::string>& kept) {
  if (tensor.role != Role::matrix) return DType::f32;
  if (tensor.shape.back() % info(type).block == 0) return type;
  kept.push_back(tensor.name);
  return DType::f16;
}

void write_gguf(const Work& work, const std::string& path, ExportResult& result, const ByteProgress& progress) {
  GgufWriter out(path);
  set_config_keys(out, work.files, work.advice, work.type, work.mtp);
  if (work.tokenizer.present)
    set_tokenizer_keys(out, work.tokenizer.spec, work.files.config().vocabulary, work.files.chat_template());
  else
    out.set("tokenizer.ggml.model", "none");
  const std::vector<float> divisors = rope_divisors(work.files.config());
  if (!divisors.empty()) out.add_tensor("rope_freqs.weight", DType::f32, {static_cast<std::int64_t>(divisors.size())});
  std::vector<DType> types;
  for (const ExportTensor& tensor : work.tensors) {
    types.push_back(type_in_gguf(tensor, work.type, result.kept));
    out.add_tensor(tensor.name, types.back(), tensor.shape);
  }
  result.bytes = out.data_bytes();
  if (progress) progress(0, result.bytes);
  if (!divisors.empty()) out.write(std::as_bytes(std::span(divisors)));
  std::uint64_t done = divisors.size() * sizeof(float);
  for (std::size_t i = 0; i < work.tensors.size(); ++i)
    write_tensor(out, work.tensors[i], types[i], done, result.bytes, progress);
  out.finish();
  result.tensors = static_cast<std::int64_t>(work.tensors.size());
}

// Files of at most `most` bytes of tensors, each with at least one. F32 first: the format has no padding.
std::vector<std::vector<const ExportTensor*>> shards_of(const Work& work, std::uint64_t most,
                                                        const std::function<DType(const ExportTensor&)>& type_of) {
  std::vector<std::vector<const ExportTensor*>> shards(1);
  std::uint64_t bytes = 0;
  for (const ExportTensor& tensor : work.tensors) {
    const std::uint64_t own = bytes_of(tensor, type_of(tensor));
    if (!shards.back().empty() && bytes + own > most) shards.emplace_back(), bytes = 0;
    shards.back().push_back(&tensor);
    bytes += own;
  }
  for (auto& shard : shards)
    std::ranges::stable_sort(shard, {}, [&](const ExportTensor* t) { return type_of(*t) != DType::f32; });
  return shards;
}

// Shards that are whole are of no use without the others: they go where writing ends early.
struct Unfinished {
  std::vector<fs::path> files;
  Unfinished() = default;
  Unfinished(const Unfinished&) = delete;
  Unfinished& operator=(const Unfinished&) = delete;
  ~Unfinished() {
    std::error_code error;
    for (const fs::path& file : files) fs::remove(file, error);
  }
};

void write_safetensors(const Work& work, const fs::path& folder, std::uint64_t shard_bytes, ExportResult& result,
                       const ByteProgress& progress) {
  const auto type_of = [&](const ExportTensor& tensor) {
    return tensor.role == Role::balance ? DType::f32 : work.type;
  };
  const auto shards = shards_of(work, shard_bytes, type_of);
  std::vector<std::pair<std::string, std::string>> index;
  for (const ExportTensor& tensor : work.tensors) result.bytes += bytes_of(tensor, type_of(tensor));
  if (progress) progress(0, result.bytes);
  std::uint64_t done = 0;
  Unfinished unfinished;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    const std::string name = shards.size() == 1 ? "model.safetensors"
                                                : fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
    SafetensorsWriter out((folder / name).string());
    out.set_metadata("format", "pt");
    for (const ExportTensor* tensor : shards[i]) {
      out.add_tensor(tensor->name, type_of(*tensor), tensor->shape);
      index.emplace_back(tensor->name, name);
    }
    for (const ExportTensor* tensor : shards[i])
      write_tensor(out, *tensor, type_of(*tensor), done, result.bytes, progress);
    out.finish();
    unfinished.files.push_back(folder / name);
  }
  if (shards.size() > 1) write_safetensors_index(folder.string(), result.bytes, index);
  unfinished.files.clear();
  result.tensors = static_cast<std::int64_t>(work.tensors.size());
}

void write_directory(const Work& work, const std::string& out, const ExportOptions& options, ExportResult& result,
                     const ByteProgress& progress) {
  const fs::path folder = out;
  const nlohmann::ordered_json config = config_json(work.files, work.advice, work.type, work.mtp);
  const nlohmann::ordered_json generation = generation_config_json(work.advice);
  const bool from_gguf = work.files.gguf() != nullptr;
  nlohmann::ordered_json tokenizer;
  if (from_gguf && work.tokenizer.present) tokenizer = tokenizer_json_of(work.tokenizer.spec, work.tokenizer.pre);
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) fail(ErrorKind::system, "create {}: {}", out, error.message());
  for (const char* name : {"model.safetensors", "model.safetensors.index.json", "config.json"})
    if (fs::exists(folder / name))
      fail(ErrorKind::input, "{}: there is a {} already; another directory, or an empty one, is expected", out, name);
  write_safetensors(work, folder, options.shard_bytes, result, progress);
  if (from_gguf && work.tokenizer.present) {
    write_text(folder / "tokenizer.json", tokenizer.dump(1) + "\n");
    write_text(folder / "tokenizer_config.json",
               tokenizer_config_json_of(work.tokenizer.spec, work.files.chat_template()).dump(1) + "\n");
  } else if (!from_gguf) {
    for (const char* name : {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"})
      if (const std::optional<CheckpointFile> file = work.files.checkpoint()->open(name))
        write_text(folder / name, file->text());
  }
  if (!generation.empty()) write_text(folder / "generation_config.json", generation.dump(2) + "\n");
  write_text(folder / "config.json", config.dump(2) + "\n");  // last: the directory is a model from here on
}

}  // namespace

ExportResult export_model(const ModelFiles& files, const std::string& out, const ExportOptions& options,
                          const ByteProgress& progress) {
  const DType type = chosen_type(files, options);
  const bool mtp = options.mtp && files.config().mtp_layers > 0;
  Work work{files, export_tensors(files, options.to, mtp), {}, {}, type, mtp};
  read_tokenizer(files, work.tokenizer);
  const TokenizerSpec& spec = work.tokenizer.spec;
  work.advice = export_advice(files, known(spec.bos), known(spec.pad));
  if (options.temperature) work.advice.temperature = options.temperature;
  if (options.top_p) work.advice.top_p = options.top_p;
  ExportResult result;
  result.type = type;
  if (options.to == ExportFormat::gguf)
    write_gguf(work, out, result, progress);
  else
    write_directory(work, out, options, result, progress);
  return result;
}

}  // namespace limpid
