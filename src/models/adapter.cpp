#include "models/adapter.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "base/error.h"
#include "formats/json.h"
#include "formats/safetensors.h"
#include "models/decoder.h"
#include "models/packing_plan.h"
#include "models/rotation_order.h"
#include "tensor/codec.h"

namespace limpid {

namespace {

using Json = nlohmann::json;

constexpr std::string_view kPrefix = "base_model.model.", kA = ".lora_A.weight", kB = ".lora_B.weight";

bool is_set(const Json& value) {
  if (value.is_null()) return false;
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_array() || value.is_object() || value.is_string()) return !value.empty() && value != "none";
  return true;
}

double number(const Json& config, const char* field, const std::string& path) {
  const auto found = config.find(field);
  if (found == config.end() || !found->is_number() || !(found->get<double>() > 0))
    fail(ErrorKind::input, "{}: {}: expected a number above 0, found {}", path, field,
         found == config.end() ? "nothing" : found->dump());
  return found->get<double>();
}

double read_scale(const std::string& path) {
  const Json config = read_json(path);
  if (!config.is_object()) fail(ErrorKind::input, "{}: expected an object", path);
  if (config.value("peft_type", Json()) != "LORA")
    fail(ErrorKind::unsupported, "{}: peft_type is {}, expected \"LORA\"", path,
         config.value("peft_type", Json()).dump());
  for (const char* field : {"use_dora", "bias", "modules_to_save", "rank_pattern", "alpha_pattern", "fan_in_fan_out",
                            "trainable_token_indices"})
    if (config.contains(field) && is_set(config[field]))
      fail(ErrorKind::unsupported, "{}: {} is {}, expected none of it", path, field, config[field].dump());
  const double rank = number(config, "r", path), alpha = number(config, "lora_alpha", path);
  return is_set(config.value("use_rslora", Json())) ? alpha / std::sqrt(rank) : alpha / rank;
}

std::vector<float> decode(const SafetensorsTensor& tensor, const std::string& path) {
  const DType type = tensor.type.value_or(DType::q8_0);
  if (tensor.shape.size() != 2 || (type != DType::f32 && type != DType::f16 && type != DType::bf16))
    fail(ErrorKind::input, "{}: tensor {}: expected a matrix of F32, F16 or BF16", path, tensor.name);
  std::vector<float> values(static_cast<std::size_t>(tensor.shape[0] * tensor.shape[1]));
  decode_row(type, tensor.data.data(), static_cast<std::int64_t>(values.size()), values.data());
  return values;
}

// Hugging Face's name of a matrix to the file's.
class Names final : public ParameterVisitor {
 public:
  Names(const WeightSource& weights, const ModelConfig& config)
      : gguf_(weights.format() == WeightSource::Format::gguf) {
    if (!gguf_) return;
    Decoder decoder(config);
    decoder.visit(*this);
    decoder.visit_mtp(*this);
  }
  void matrix(const ParameterName& name, std::int64_t, std::int64_t, PackedWeight&) override {
    names_[name.safetensors] = name.gguf;
  }
  void matrix_f32(const ParameterName& name, std::int64_t, std::int64_t, PackedWeight&) override {
    names_[name.safetensors] = name.gguf;
  }
  void vector(const ParameterName&, std::int64_t, const float*&) override {}
  void experts(const ParameterName&, std::int64_t, std::int64_t, std::span<PackedWeight* const>) override {}
  void key_value_maps(const ParameterName&, const std::string&, const std::string&, std::int64_t, std::int64_t,
                      std::int64_t, std::span<PackedWeight>, std::span<PackedWeight>) override {}
  // "" where the file has no such matrix by itself.
  std::string of(const std::string& name) const {
    if (!gguf_) return name;
    const auto found = names_.find(name);
    return found == names_.end() ? "" : found->second;
  }

 private:
  const bool gguf_;
  std::unordered_map<std::string, std::string> names_;
};

}  // namespace

AdapterFile AdapterFile::open(const std::string& directory) {
  AdapterFile adapter;
  adapter.path_ = directory;
  adapter.scale_ = read_scale(directory + "/adapter_config.json");
  const std::string path = directory + "/adapter_model.safetensors";
  const SafetensorsFile file(path);
  for (const SafetensorsTensor& a : file.tensors()) {
    const std::string name(a.name);
    if (name.ends_with(kB) && file.tensor(name.substr(0, name.size() - kB.size()) + std::string(kA)) != nullptr)
      continue;
    if (!name.starts_with(kPrefix) || !name.ends_with(kA))
      fail(ErrorKind::input, "{}: tensor {}: expected {}NAME{} with its {}", path, name, kPrefix, kA, kB);
    const std::string module = name.substr(0, name.size() - kA.size());
    const SafetensorsTensor* b = file.tensor(module + std::string(kB));
    if (b == nullptr) fail(ErrorKind::input, "{}: tensor {} has no {} beside it", path, name, kB);
    Matrices m;
    m.name = module.substr(kPrefix.size()) + ".weight";
    m.a = decode(a, path);
    m.b = decode(*b, path);
    m.rank = a.shape[0];
    m.columns = a.shape[1];
    m.rows = b->shape[0];
    if (b->shape[1] != m.rank || m.rank < 1)
      fail(ErrorKind::input, "{}: {}: A is ({}, {}) and B ({}, {}): expected one rank", path, module, m.rank, m.columns,
           m.rows, b->shape[1]);
    adapter.matrices_.push_back(std::move(m));
  }
  if (adapter.matrices_.empty()) fail(ErrorKind::input, "{}: no matrices in it", path);
  return adapter;
}

std::vector<float> AdapterFile::change(const Matrices& m) const {
  std::vector<float> change(static_cast<std::size_t>(m.rows * m.columns));
  std::vector<double> row(static_cast<std::size_t>(m.columns));
  for (std::int64_t o = 0; o < m.rows; ++o) {
    std::ranges::fill(row, 0.0);
    for (std::int64_t i = 0; i < m.rank; ++i) {
      const double factor = scale_ * static_cast<double>(m.b[static_cast<std::size_t>(o * m.rank + i)]);
      const float* a = m.a.data() + i * m.columns;
      for (std::int64_t k = 0; k < m.columns; ++k)
        row[static_cast<std::size_t>(k)] += factor * static_cast<double>(a[k]);
    }
    std::ranges::transform(row, change.begin() + o * m.columns, [](double v) { return static_cast<float>(v); });
  }
  return change;
}

MergedWeights::MergedWeights(std::shared_ptr<const WeightSource> base, const ModelConfig& config,
                             const AdapterFile& adapter)
    : WeightSource(base->format(), base->path()), base_(std::move(base)) {
  files_ = base_->files();
  const Names names(*base_, config);
  std::unordered_map<std::string_view, const AdapterFile::Matrices*> changed;
  for (const AdapterFile::Matrices& m : adapter.matrices()) {
    const Weight* weight = base_->find(names.of(m.name));
    if (weight == nullptr)
      fail(ErrorKind::input, "{}: adapter of another model: it changes {}, which {} does not have", adapter.path(),
           m.name, base_->path());
    if (weight->rank != 2 || weight->rows() != m.rows || weight->columns() != m.columns)
      fail(ErrorKind::input, "{}: adapter of another model: {} is ({}, {}) there and ({}, {}) in {}", adapter.path(),
           m.name, m.rows, m.columns, weight->rows(), weight->columns(), base_->path());
    changed[weight->name] = &m;
  }
  for (const Weight& weight : base_->weights()) {
    const auto found = changed.find(weight.name);
    if (found == changed.end())
      add(weight);
    else
      merge(weight, config, adapter, *found->second);
  }
}

void MergedWeights::merge(const Weight& weight, const ModelConfig& config, const AdapterFile& adapter,
                          const AdapterFile::Matrices& m) {
  std::vector<float> change = adapter.change(m);
  if (format() == Format::gguf && rotates(config, m.name)) to_pairs(change.data(), m.rows, m.columns, config.head_dim);
  const std::vector<float> before = decode_all(weight);
  for (std::size_t i = 0; i < change.size(); ++i) change[i] += before[i];
  base_->drop(weight);
  Weight merged = weight;
  merged.type = weight.type == DType::f32 ? DType::f32 : DType::bf16;
  merged.scales = {};
  std::vector<std::byte>& bytes =
      own_.emplace_back(row_bytes(merged.type, m.columns) * static_cast<std::size_t>(m.rows));
  for (std::int64_t r = 0; r < m.rows; ++r)
    encode_row(merged.type, change.data() + r * m.columns, m.columns,
               bytes.data() + row_bytes(merged.type, m.columns) * static_cast<std::size_t>(r));
  merged.data = bytes;
  add(merged);
}

void MergedWeights::drop_bytes(const Weight& weight, std::size_t begin, std::size_t size) const {
  const Weight* base = base_->find(weight.name);
  if (base != nullptr && base->data.data() == weight.data.data()) base_->drop_bytes(*base, begin, size);
}

}  // namespace limpid
