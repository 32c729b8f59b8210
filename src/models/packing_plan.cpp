#include "models/packing_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/content_hash.h"
#include "base/error.h"
#include "models/tensor_check.h"
#include "tensor/codec.h"

namespace limpid {

namespace {

bool is_float(DType type) { return type == DType::f32 || type == DType::f16 || type == DType::bf16; }

}  // namespace

void decode_rows(const Weight& weight, std::int64_t first, std::int64_t count, float* out) {
  const std::int64_t columns = weight.columns(), blocks = (columns + 127) / 128;
  const std::size_t stride = row_bytes(weight.type, columns);
  for (std::int64_t r = first; r < first + count; ++r, out += columns) {
    decode_row(weight.type, weight.data.data() + static_cast<std::size_t>(r) * stride, columns, out);
    if (weight.scales.empty()) continue;
    for (std::int64_t c = 0; c < columns; ++c)
      out[c] *= weight.scales[static_cast<std::size_t>(r / 128 * blocks + c / 128)];
  }
}

std::vector<float> decode_all(const Weight& weight) {
  std::vector<float> values(static_cast<std::size_t>(weight.values()));
  decode_rows(weight, 0, weight.rows(), values.data());
  return values;
}

const std::string& PackingPlan::name_of(const ParameterName& name) const {
  return source_.format() == WeightSource::Format::gguf ? name.gguf : name.safetensors;
}

const Weight& PackingPlan::find(const ParameterName& name) {
  const Weight& weight = source_.at(name_of(name));
  used_.insert(weight.name);
  if (!can_pack(weight.type))
    fail(ErrorKind::unsupported, "{}: tensor {} is {}, which is no type for weights", source_.path(), weight.name,
         info(weight.type).name);
  return weight;
}

void PackingPlan::add(const Weight& weight, std::int64_t first_row, std::int64_t rows, std::int64_t columns, DType type,
                      PackedWeight& packed, bool transposed) {
  if (only_check_) return;
  packed.type = type;
  packed.rows = rows;
  packed.columns = columns;
  jobs_.push_back({&weight, first_row, transposed, &packed, bytes_});
  bytes_ += packed_bytes(type, rows, columns);
}

void PackingPlan::matrix(const ParameterName& name, std::int64_t rows, std::int64_t columns, PackedWeight& packed) {
  const Weight& weight = find(name);
  check_shape(source_, weight, rows, columns);
  add(weight, 0, rows, columns, kept(weight), packed);
}

void PackingPlan::matrix_f32(const ParameterName& name, std::int64_t rows, std::int64_t columns, PackedWeight& packed) {
  const Weight& weight = find(name);
  check_shape(source_, weight, rows, columns);
  add(weight, 0, rows, columns, DType::f32, packed);
}

void PackingPlan::vector(const ParameterName& name, std::int64_t n, const float*& values) {
  const Weight& weight = find(name);
  if (weight.values() != n)
    fail(ErrorKind::input, "{}: tensor {} has {} values, the configuration asks for {}", source_.path(), weight.name,
         weight.values(), n);
  if (!is_float(weight.type))
    fail(ErrorKind::unsupported, "{}: tensor {} is {}, expected F32, F16 or BF16", source_.path(), weight.name,
         info(weight.type).name);
  if (only_check_) return;
  vectors_.push_back(std::make_unique<float[]>(static_cast<std::size_t>(n)));
  decode_row(weight.type, weight.data.data(), n, vectors_.back().get());
  values = vectors_.back().get();
  vector_hashes_.push_back(content_hash(std::as_bytes(std::span(values, static_cast<std::size_t>(n)))));
}

void PackingPlan::add_stacked(const Weight& weight, std::int64_t rows, std::int64_t columns,
                              std::span<PackedWeight* const> packed) {
  check_shape(source_, weight, rows * static_cast<std::int64_t>(packed.size()), columns);
  for (std::size_t i = 0; i < packed.size(); ++i)
    add(weight, static_cast<std::int64_t>(i) * rows, rows, columns, kept(weight), *packed[i]);
}

void PackingPlan::experts(const ParameterName& name, std::int64_t rows, std::int64_t columns,
                          std::span<PackedWeight* const> weights) {
  if (source_.format() == WeightSource::Format::gguf) {
    add_stacked(find(name), rows, columns, weights);
    return;
  }
  const Weight* first = nullptr;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const ParameterName one{fmt::format(fmt::runtime(name.safetensors), i), ""};
    matrix(one, rows, columns, *weights[i]);
    const Weight& weight = source_.at(one.safetensors);
    if (first == nullptr) first = &weight;
    if (weight.type != first->type)  // what a row is quantised to is decided once for a layer
      fail(ErrorKind::unsupported, "{}: tensor {} is {}, expected {} as {}", source_.path(), weight.name,
           info(weight.type).name, info(first->type).name, first->name);
  }
}

void PackingPlan::key_value_maps(const ParameterName& joint, const std::string& gguf_k, const std::string& gguf_v,
                                 std::int64_t nope, std::int64_t value, std::int64_t latent, std::span<PackedWeight> k,
                                 std::span<PackedWeight> v) {
  const auto heads = static_cast<std::int64_t>(k.size());
  if (source_.format() == WeightSource::Format::gguf && source_.find(gguf_k) != nullptr) {
    std::vector<PackedWeight*> k_heads, v_heads;
    for (PackedWeight& w : k) k_heads.push_back(&w);
    for (PackedWeight& w : v) v_heads.push_back(&w);
    add_stacked(find({"", gguf_k}), latent, nope, k_heads);
    add_stacked(find({"", gguf_v}), value, latent, v_heads);
    return;
  }
  // One matrix (heads * (nope + value), latent). The key part is transposed: kept in f32, which every type goes into without loss.
  const Weight& weight = find(joint);
  check_shape(source_, weight, heads * (nope + value), latent);
  for (std::int64_t h = 0; h < heads; ++h) {
    const std::int64_t row = h * (nope + value);
    add(weight, row, latent, nope, DType::f32, k[static_cast<std::size_t>(h)], true);
    add(weight, row + nope, value, latent, DType::f32, v[static_cast<std::size_t>(h)]);
  }
}

void PackingPlan::refuse_leftovers() const {
  for (const Weight& weight : source_.weights()) {
    if (used_.contains(weight.name)) continue;
    if (std::ranges::any_of(ignored_, [&](const std::string& prefix) { return weight.name.starts_with(prefix); }))
      continue;
    fail(ErrorKind::input, "{}: tensor {} belongs to no parameter of this configuration", source_.path(), weight.name);
  }
}

}  // namespace limpid
