#include "models/parameter_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>

#include "base/error.h"
#include "base/philox.h"
#include "base/round_up.h"
#include "formats/safetensors_writer.h"
#include "models/packing_plan.h"
#include "tensor/codec.h"

namespace limpid {

namespace {

ParameterKind matrix_kind(const std::string& name) {
  if (name == "model.embed_tokens.weight") return ParameterKind::embedding;
  return name == "lm_head.weight" ? ParameterKind::head : ParameterKind::matrix;
}

ParameterKind vector_kind(const std::string& name) {
  if (name.ends_with("e_score_correction_bias")) return ParameterKind::balance;
  return name.ends_with(".bias") ? ParameterKind::bias : ParameterKind::gain;
}

}  // namespace

std::uint64_t random_stream(std::string_view name) {  // FNV-1a
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return hash;
}

// Writes down what the model lists.
class ParameterStore::Lister final : public ParameterVisitor {
 public:
  Lister(ParameterStore& store, DType packed) : store_(store), packed_(packed) {}

  void matrix(const ParameterName& name, std::int64_t rows, std::int64_t columns, PackedWeight& weight) override {
    add(name.safetensors, name, -1, matrix_kind(name.safetensors), rows, columns, weight, packed_);
  }
  void matrix_f32(const ParameterName& name, std::int64_t rows, std::int64_t columns, PackedWeight& weight) override {
    add(name.safetensors, name, -1, ParameterKind::router, rows, columns, weight, DType::f32);
  }
  void vector(const ParameterName& name, std::int64_t n, const float*& values) override {
    store_.vectors_.emplace_back(store_.parameters_.size(), &values);
    list(name.safetensors, name, -1, vector_kind(name.safetensors), 1, n);
  }
  void experts(const ParameterName& name, std::int64_t rows, std::int64_t columns,
               std::span<PackedWeight* const> weights) override {
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const std::string one = fmt::format(fmt::runtime(name.safetensors), i);
      add(one, {one, name.gguf}, static_cast<int>(i), ParameterKind::expert, rows, columns, *weights[i], packed_);
    }
  }
  void key_value_maps(const ParameterName& joint, const std::string& gguf_k, const std::string& gguf_v,
                      std::int64_t nope, std::int64_t value, std::int64_t latent, std::span<PackedWeight> k,
                      std::span<PackedWeight> v) override {
    // All k first, then all v: load and save rely on it.
    for (std::size_t h = 0; h < k.size(); ++h)
      add(fmt::format("{}.k.{}", joint.safetensors, h), {joint.safetensors, gguf_k}, static_cast<int>(h),
          ParameterKind::matrix, latent, nope, k[h], packed_);
    for (std::size_t h = 0; h < v.size(); ++h)
      add(fmt::format("{}.v.{}", joint.safetensors, h), {joint.safetensors, gguf_v}, static_cast<int>(h),
          ParameterKind::matrix, value, latent, v[h], packed_);
  }

  std::size_t packed_total() const { return offset_; }

 private:
  void list(std::string unique, const ParameterName& names, int part, ParameterKind kind, std::int64_t rows,
            std::int64_t columns) {
    store_.parameters_.push_back({std::move(unique), names, part, kind, rows, columns, nullptr, nullptr});
    store_.size_ += rows * columns;
    store_.padded_ += static_cast<std::size_t>(round_up<std::int64_t>(rows * columns, 16));
  }
  void add(std::string unique, const ParameterName& names, int part, ParameterKind kind, std::int64_t rows,
           std::int64_t columns, PackedWeight& weight, DType type) {
    weight.type = type;
    weight.rows = rows;
    weight.columns = columns;
    store_.packed_.push_back({store_.parameters_.size(), &weight, offset_});
    offset_ += packed_bytes(type, rows, columns);
    list(std::move(unique), names, part, kind, rows, columns);
  }

  ParameterStore& store_;
  const DType packed_;
  std::size_t offset_ = 0;
};

ParameterStore::ParameterStore(Decoder& model, const Options& options) : config_(model.config()) {
  if (options.packed != DType::f32 && options.packed != DType::bf16)
    fail(ErrorKind::unsupported, "training: products in {}, expected F32 or BF16", info(options.packed).name);
  Lister lister(*this, options.packed);
  model.visit(lister);
  if (options.mtp) model.visit_mtp(lister);
  const std::size_t copies = options.gradients ? 2 : 1, floats = padded_ * sizeof(float);
  memory_ = HugeBuffer(floats * copies + lister.packed_total());
  values_ = reinterpret_cast<float*>(memory_.data());
  if (options.gradients) gradients_ = values_ + padded_;
  std::byte* packed = memory_.data() + floats * copies;
  std::size_t at = 0;
  for (Parameter& parameter : parameters_) {
    parameter.values = values_ + at;
    if (options.gradients && parameter.kind != ParameterKind::balance) parameter.gradient = gradients_ + at;
    at += static_cast<std::size_t>(round_up<std::int64_t>(parameter.size(), 16));
  }
  for (const Packed& p : packed_) p.weight->data = packed + p.offset;
  for (const auto& [index, values] : vectors_) *values = parameters_[index].values;
}

ParameterStore::~ParameterStore() = default;

const Parameter& ParameterStore::at(std::string_view name) const {
  const auto found = std::ranges::find(parameters_, name, &Parameter::name);
  if (found == parameters_.end()) fail(ErrorKind::not_found, "training: no parameter {} in this model", name);
  return *found;
}

namespace {

double usual_deviation(const Parameter& p, bool tied) {
  if (p.kind == ParameterKind::head) return 0.02;
  if (p.kind == ParameterKind::embedding) return tied ? 1.0 / std::sqrt(static_cast<double>(p.columns)) : 0.5;
  // A key map is the transposed part of kv_b_proj, whose fan-in is the latent's size.
  const bool key_map = p.name.find(".kv_b_proj.weight.k.") != std::string::npos;
  const bool writes = p.name.find(".o_proj.") != std::string::npos || p.name.find(".down_proj.") != std::string::npos;
  return (writes ? 0.5 : 1.0) / std::sqrt(static_cast<double>(key_map ? p.rows : p.columns));
}

}  // namespace

void ParameterStore::initialise(std::uint64_t seed, double deviation) {
  const bool tied = std::ranges::none_of(parameters_, [](const Parameter& p) { return p.kind == ParameterKind::head; });
  for (Parameter& p : parameters_) {
    if (p.is_vector()) {
      std::fill_n(p.values, p.size(), p.kind == ParameterKind::gain ? 1.0F : 0.0F);
      continue;
    }
    const double spread = deviation > 0 ? deviation : usual_deviation(p, tied);
    const std::uint64_t stream = random_stream(p.name);
    for (std::int64_t i = 0; i < p.size(); ++i) {  // Box and Muller, 1958
      const auto at = static_cast<std::uint64_t>(2 * i);
      const double u = 1.0 - philox_uniform(seed, stream, at), v = philox_uniform(seed, stream, at + 1);
      p.values[i] = static_cast<float>(spread * std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v));
    }
  }
}

void ParameterStore::pack(int thread, int threads) const {
  for (const Packed& p : packed_) {
    const Parameter& parameter = parameters_[p.parameter];
    const std::int64_t rows = parameter.rows, columns = parameter.columns,
                       strips = (rows + kStripRows - 1) / kStripRows;
    const std::size_t strip_bytes = p.weight->strip_bytes();
    auto* memory = const_cast<std::byte*>(p.weight->data);  // ours: the model reads it only
    std::vector<std::uint16_t> rounded;
    for (std::int64_t s = strips * thread / threads; s < strips * (thread + 1) / threads; ++s) {
      const std::int64_t first = s * kStripRows, count = std::min<std::int64_t>(kStripRows, rows - first);
      const std::span<const float> source(parameter.values + first * columns,
                                          static_cast<std::size_t>(count * columns));
      std::span<const std::byte> bytes = std::as_bytes(source);
      if (p.weight->type == DType::bf16) {
        rounded.resize(source.size());
        std::ranges::transform(source, rounded.begin(), f32_to_bf16);
        bytes = std::as_bytes(std::span(rounded));
      }
      pack_strip(p.weight->type, bytes, {}, count, columns, 0, memory + static_cast<std::size_t>(s) * strip_bytes);
    }
  }
}

void ParameterStore::zero_gradients(int thread, int threads) {
  if (gradients_ == nullptr) return;
  const auto t = static_cast<std::size_t>(thread), n = static_cast<std::size_t>(threads);
  std::fill(gradients_ + padded_ * t / n, gradients_ + padded_ * (t + 1) / n, 0.0F);
}

const PackedWeight* ParameterStore::packed(const Parameter& matrix) const {
  const auto index = static_cast<std::size_t>(&matrix - parameters_.data());
  return std::ranges::find(packed_, index, &Packed::parameter)->weight;
}

void ParameterStore::register_in(Tape& tape) const {
  const auto add = [&](const void* key, const Parameter& p, bool bf16) {
    tape.add(key, {p.values, p.gradient, p.rows, p.columns, bf16});
  };
  for (const Packed& p : packed_) add(p.weight->data, parameters_[p.parameter], p.weight->type == DType::bf16);
  for (const auto& [index, values] : vectors_) add(*values, parameters_[index], false);
}

}  // namespace limpid
