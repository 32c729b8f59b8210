#include "convert/merge.h"

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/mapped_file.h"
#include "formats/atomic_file.h"
#include "formats/gguf_writer.h"
#include "formats/model_directory.h"
#include "formats/safetensors_writer.h"

namespace limpid {

namespace {

namespace fs = std::filesystem;

std::span<const std::int64_t> shape_of(const Weight& weight) { return {weight.shape.data(), static_cast<std::size_t>(weight.rank)}; }

void write_directory(const ModelFiles& files, const std::string& out) {
  std::vector<const Weight*> weights;
  for (const Weight& weight : files.weights().weights()) {
    if (!weight.scales.empty()) fail(ErrorKind::unsupported, "{}: tensor {} is FP8 with block factors, which cannot be written", files.path(), weight.name);
    weights.push_back(&weight);
  }
  // Elements of one size stand together, the widest first: the format has no padding.
  std::ranges::stable_sort(weights, [](const Weight* a, const Weight* b) { return info(a->type).bytes > info(b->type).bytes; });
  copy_model_files(files.path(), out);
  SafetensorsWriter writer(out + "/model.safetensors");
  writer.set_metadata("format", "pt");
  for (const Weight* weight : weights) writer.add_tensor(weight->name, weight->type, shape_of(*weight));
  for (const Weight* weight : weights) {
    writer.write(weight->data);
    files.weights().drop(*weight);
  }
  writer.finish();
}

void write_gguf(const ModelFiles& files, const std::string& out) {
  GgufWriter writer(out);
  for (const GgufValue& value : files.gguf()->values())
    if (value.key != "general.alignment" && !value.key.starts_with("split.")) writer.copy(value);
  for (const Weight& weight : files.weights().weights()) writer.add_tensor(weight.name, weight.type, shape_of(weight));
  for (const Weight& weight : files.weights().weights()) {
    writer.write(weight.data);
    files.weights().drop(weight);
  }
  writer.finish();
}

}  // namespace

void write_model(const ModelFiles& files, const std::string& out) {
  if (fs::exists(out) && fs::equivalent(files.path(), out)) fail(ErrorKind::input, "{}: it is the model that is read", out);
  if (files.gguf() != nullptr) return write_gguf(files, out);
  if (fs::exists(fs::path(out) / "model.safetensors.index.json"))
    fail(ErrorKind::input, "{}: there is a model in shards already", out);
  fs::create_directories(out);
  write_directory(files, out);
}

}  // namespace limpid
