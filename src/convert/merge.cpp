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

std::span<const std::int64_t> shape_of(const Weight& weight) {
  return {weight.shape.data(), static_cast<std::size_t>(weight.rank)};
}

using ByteProgress = std::function<void(std::uint64_t, std::uint64_t)>;

constexpr std::size_t kBytesBetweenLooks = std::size_t{16} << 20;  // bytes between two looks at who wants to stop

// The data of all of them, in this order.
template <typename Writer>
void write_weights(Writer& writer, const ModelFiles& files, std::span<const Weight* const> weights,
                   const ByteProgress& progress) {
  std::uint64_t done = 0;
  const std::uint64_t total = writer.data_bytes();
  if (progress) progress(0, total);
  for (const Weight* weight : weights) {
    for (std::size_t at = 0; at < weight->data.size(); at += kBytesBetweenLooks) {
      const std::span<const std::byte> piece =
          weight->data.subspan(at, std::min(kBytesBetweenLooks, weight->data.size() - at));
      writer.write(piece);
      done += piece.size();
      if (progress) progress(done, total);
    }
    files.weights().drop(*weight);
  }
}

void write_directory(const ModelFiles& files, const std::string& out, const ByteProgress& progress) {
  std::vector<const Weight*> weights;
  for (const Weight& weight : files.weights().weights()) {
    if (!weight.scales.empty())
      fail(ErrorKind::unsupported, "{}: tensor {} is FP8 with block factors, which cannot be written", files.path(),
           weight.name);
    weights.push_back(&weight);
  }
  // Elements of one size stand together, the widest first: the format has no padding.
  std::ranges::stable_sort(weights,
                           [](const Weight* a, const Weight* b) { return info(a->type).bytes > info(b->type).bytes; });
  SafetensorsWriter writer(out + "/model.safetensors");
  writer.set_metadata("format", "pt");
  for (const Weight* weight : weights) writer.add_tensor(weight->name, weight->type, shape_of(*weight));
  write_weights(writer, files, weights, progress);
  writer.finish();
  copy_model_files(files.path(), out);  // last: the directory is a model from here on
}

void write_gguf(const ModelFiles& files, const std::string& out, const ByteProgress& progress) {
  GgufWriter writer(out);
  for (const GgufValue& value : files.gguf()->values())
    if (value.key != "general.alignment" && !value.key.starts_with("split.")) writer.copy(value);
  std::vector<const Weight*> weights;
  for (const Weight& weight : files.weights().weights()) {
    writer.add_tensor(weight.name, weight.type, shape_of(weight));
    weights.push_back(&weight);
  }
  write_weights(writer, files, weights, progress);
  writer.finish();
}

}  // namespace

void write_model(const ModelFiles& files, const std::string& out, const ByteProgress& progress) {
  if (fs::exists(out) && fs::equivalent(files.path(), out))
    fail(ErrorKind::input, "{}: it is the model that is read", out);
  if (files.gguf() != nullptr) return write_gguf(files, out, progress);
  if (fs::exists(fs::path(out) / "model.safetensors.index.json"))
    fail(ErrorKind::input, "{}: there is a model in shards already", out);
  fs::create_directories(out);
  write_directory(files, out, progress);
}

}  // namespace limpid
