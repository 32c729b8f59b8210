#include "formats/safetensors_weights.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "formats/json.h"

namespace limpid {

namespace {

constexpr std::int64_t kScaleBlock = 128;
constexpr std::string_view kScaleSuffix = "_scale_inv";

void check_quantization(const ConfigJson& config) {
  if (!config.has("quantization_config")) return;
  const auto method = config.get<std::string>("quantization_config.quant_method");
  if (method != "fp8")
    fail(ErrorKind::unsupported, "{}: key 'quantization_config.quant_method': expected \"fp8\", found \"{}\"",
         config.name(), method);
  const auto block = config.get<std::vector<std::int32_t>>("quantization_config.weight_block_size");
  if (block != std::vector<std::int32_t>{kScaleBlock, kScaleBlock})
    fail(ErrorKind::unsupported, "{}: key 'quantization_config.weight_block_size': expected [128, 128], found {}",
         config.name(), config.object()["quantization_config"]["weight_block_size"].dump());
  const auto format = config.get_or<std::string>("quantization_config.fmt", "e4m3");
  if (format != "e4m3")
    fail(ErrorKind::unsupported, "{}: key 'quantization_config.fmt': expected \"e4m3\", found \"{}\"", config.name(),
         format);
}

// The index: tensor name -> file beside it, checked to be plain names.
std::map<std::string, std::string> read_index(const std::string& path) {
  const ConfigJson index = ConfigJson::read(path);
  const auto found = index.object().find("weight_map");
  if (found == index.object().end() || !found->is_object())
    fail(ErrorKind::input, "{}: key 'weight_map': expected an object, found {}", path,
         found == index.object().end() ? "none" : found->type_name());
  std::map<std::string, std::string> map;
  for (const auto& [name, file] : found->items()) {
    if (!file.is_string())
      fail(ErrorKind::input, "{}: file of tensor '{}': expected a string, found {}", path, name, file.type_name());
    const auto& text = file.get_ref<const std::string&>();
    if (text.empty() || text.starts_with('.') || text.find_first_of(std::string_view("/\\\0", 3)) != std::string::npos)
      fail(ErrorKind::input, "{}: file of tensor '{}': expected the name of a file in the same directory, found '{}'",
           path, name, text);
    map.emplace(name, text);
  }
  return map;
}

std::string shape_text(std::span<const std::int64_t> shape) {
  std::string out = "(";
  for (const std::int64_t dim : shape) out += fmt::format("{}{}", out.size() > 1 ? ", " : "", dim);
  return out + ")";
}

}  // namespace

SafetensorsWeights::SafetensorsWeights(const Checkpoint& checkpoint)
    : WeightSource(Format::safetensors, checkpoint.path()) {
  check_quantization(checkpoint.config());
  const std::string whole = path() + "/model.safetensors", index = whole + ".index.json";
  if (checkpoint.in_memory()) {
    const std::optional<CheckpointFile> file = checkpoint.open("model.safetensors");
    if (!file) fail(ErrorKind::not_found, "{}: expected model.safetensors, found none", path());
    shards_.push_back(SafetensorsFile::from_memory(file->bytes, file->path));
  } else if (std::filesystem::exists(whole))
    shards_.emplace_back(whole);
  else if (std::filesystem::exists(index))
    open_shards(index);
  else
    fail(ErrorKind::not_found, "{}: expected model.safetensors or model.safetensors.index.json, found neither", path());
  for (const SafetensorsFile& shard : shards_) files_.push_back(shard.path());
  list_weights();
}

void SafetensorsWeights::open_shards(const std::string& index_path) {
  const auto map = read_index(index_path);
  std::set<std::string> names;
  for (const auto& [name, file] : map) names.insert(file);
  for (const std::string& name : names)
    shards_.emplace_back(path() + "/" + name);  // a missing one is the first to be named
  std::map<std::string, std::string> found;     // tensor -> file, as the shards have it
  auto opened = shards_.begin();
  for (const std::string& shard : names) {
    for (const SafetensorsTensor& entry : (opened++)->tensors()) {
      const auto [other, added] = found.emplace(entry.name, shard);
      if (!added)
        fail(ErrorKind::input, "{}: tensor '{}': expected in one shard, found in {} and {}", path(), entry.name,
             other->second, shard);
      const auto listed = map.find(entry.name);
      if (listed == map.end() || listed->second != shard)
        fail(ErrorKind::input, "{}: tensor '{}': expected {}, found in {}", index_path, entry.name,
             listed == map.end() ? "in no shard (it is not in the index)" : "in " + listed->second, shard);
    }
  }
  for (const auto& [name, file] : map)
    if (!found.contains(name))
      fail(ErrorKind::input, "{}: tensor '{}': expected in {}, found in no shard", index_path, name, file);
}

const SafetensorsTensor* SafetensorsWeights::tensor(std::string_view name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : found->second;
}

std::span<const float> SafetensorsWeights::scales_of(const SafetensorsTensor& matrix) const {
  const std::string name = matrix.name + std::string(kScaleSuffix);
  const SafetensorsTensor* scales = tensor(name);
  if (!scales)
    fail(ErrorKind::input, "{}: tensor '{}': expected beside F8_E4M3 tensor '{}', found no such tensor", path(), name,
         matrix.name);
  if (matrix.shape.size() < 2)
    fail(ErrorKind::input, "{}: tensor '{}': expected a matrix, because it is F8_E4M3; found shape {}", path(),
         matrix.name, shape_text(matrix.shape));
  std::vector<std::int64_t> expected = matrix.shape;
  for (std::size_t i = expected.size() - 2; i < expected.size(); ++i)
    expected[i] = expected[i] / kScaleBlock + (expected[i] % kScaleBlock != 0);
  if (scales->type != DType::f32 || scales->shape != expected)
    fail(ErrorKind::input, "{}: tensor '{}': expected F32 {}, found {} {}", path(), name, shape_text(expected),
         scales->dtype, shape_text(scales->shape));
  return {reinterpret_cast<const float*>(scales->data.data()), scales->data.size() / sizeof(float)};
}

void SafetensorsWeights::list_weights() {
  for (const SafetensorsFile& shard : shards_)
    for (const SafetensorsTensor& entry : shard.tensors()) tensors_.emplace(entry.name, &entry);
  for (std::size_t file = 0; file < shards_.size(); ++file) {
    for (const SafetensorsTensor& entry : shards_[file].tensors()) {
      if (!entry.type) continue;
      if (entry.name.ends_with(kScaleSuffix)) {
        const SafetensorsTensor* base =
            tensor(std::string_view(entry.name).substr(0, entry.name.size() - kScaleSuffix.size()));
        if (!base || base->type != DType::f8_e4m3)
          fail(ErrorKind::input, "{}: tensor '{}': expected an F8_E4M3 tensor that it scales, found {}", path(),
               entry.name, base ? base->dtype : "none");
        continue;
      }
      if (entry.shape.size() > 4)
        fail(ErrorKind::unsupported, "{}: tensor '{}': expected at most 4 dimensions, found shape {}", path(),
             entry.name, shape_text(entry.shape));
      if (std::ranges::count(entry.shape, 0) > 0)
        fail(ErrorKind::input, "{}: tensor '{}': expected dimensions of at least 1, found shape {}", path(), entry.name,
             shape_text(entry.shape));
      Weight weight;
      weight.name = entry.name;
      weight.type = *entry.type;
      weight.rank = static_cast<int>(entry.shape.size());
      std::ranges::copy(entry.shape, weight.shape.begin());
      weight.data = entry.data;
      if (weight.type == DType::f8_e4m3) weight.scales = scales_of(entry);
      weight.file = static_cast<int>(file);
      weight.offset = entry.offset;
      add(weight);
    }
  }
}

void SafetensorsWeights::drop_bytes(const Weight& weight, std::size_t begin, std::size_t size) const {
  SafetensorsTensor part;
  part.offset = weight.offset + begin;
  part.data = weight.data.subspan(begin, size);
  shards_[static_cast<std::size_t>(weight.file)].drop(part);
}

}  // namespace limpid
