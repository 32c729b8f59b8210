// ParameterStore and files: masters from any weights that the loader reads, and to safetensors as transformers has them.
#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "formats/safetensors_writer.h"
#include "models/packing_plan.h"
#include "models/parameter_store.h"
#include "models/rotation_order.h"
#include "tensor/codec.h"

namespace limpid {

namespace {

bool is_key_map(const Parameter& p) { return p.name.find(".kv_b_proj.weight.k.") != std::string::npos; }
bool is_map(const Parameter& p) { return p.name.find(".kv_b_proj.weight.") != std::string::npos; }

// Heads that follow each other in a list that begins with one map: they share k or v.
std::size_t heads_from(std::span<const Parameter> list) {
  std::size_t heads = 1;
  while (heads < list.size() && list[heads].part > 0 && list[heads].names.safetensors == list[0].names.safetensors &&
         is_key_map(list[heads]) == is_key_map(list[0]))
    ++heads;
  return heads;
}

void check_values(const WeightSource& from, const Weight& weight, std::int64_t rows, std::int64_t columns) {
  if (weight.rows() == rows && weight.columns() == columns) return;
  if ((rows == 1 || columns == 1) && weight.values() == rows * columns) return;
  fail(ErrorKind::input, "{}: tensor {} is ({}, {}), the configuration asks for ({}, {})", from.path(), weight.name,
       weight.rows(), weight.columns(), rows, columns);
}

// Rows of kv_b_proj of one head: nope rows of keys (our columns), then value rows.
void split_maps(const std::vector<float>& joint, std::span<Parameter> k, std::span<Parameter> v) {
  const std::int64_t latent = v[0].columns, nope = k[0].columns, value = v[0].rows;
  for (std::size_t h = 0; h < k.size(); ++h) {
    const float* from = joint.data() + static_cast<std::int64_t>(h) * (nope + value) * latent;
    for (std::int64_t r = 0; r < latent; ++r)
      for (std::int64_t c = 0; c < nope; ++c) k[h].values[r * nope + c] = from[c * latent + r];
    std::copy_n(from + nope * latent, value * latent, v[h].values);
  }
}

std::vector<float> join_maps(std::span<const Parameter> k, std::span<const Parameter> v) {
  const std::int64_t latent = v[0].columns, nope = k[0].columns, value = v[0].rows;
  std::vector<float> joint(k.size() * static_cast<std::size_t>((nope + value) * latent));
  for (std::size_t h = 0; h < k.size(); ++h) {
    float* to = joint.data() + static_cast<std::int64_t>(h) * (nope + value) * latent;
    for (std::int64_t r = 0; r < latent; ++r)
      for (std::int64_t c = 0; c < nope; ++c) to[c * latent + r] = k[h].values[r * nope + c];
    std::copy_n(v[h].values, value * latent, to + nope * latent);
  }
  return joint;
}

}  // namespace

// Into the other order of rows that rotate; a bias is a column.
void ParameterStore::reorder(const Parameter& p, float* values, bool pairs) const {
  const std::int64_t rows = p.is_vector() ? p.columns : p.rows, columns = p.is_vector() ? 1 : p.columns;
  (pairs ? to_pairs : to_halves)(values, rows, columns, config_.head_dim);
}

void ParameterStore::load(const WeightSource& weights) {
  const bool gguf = weights.format() == WeightSource::Format::gguf;
  for (std::size_t i = 0; i < parameters_.size();) {
    Parameter& p = parameters_[i];
    const bool joint = is_map(p) && !(gguf && weights.find(p.names.gguf) != nullptr);
    if (joint) {
      const std::size_t heads = heads_from(std::span(parameters_).subspan(i));
      const std::span<Parameter> k(&parameters_[i], heads), v(&parameters_[i + heads], heads);
      std::string name = p.names.safetensors;
      if (gguf) {  // older files keep both in attn_kv_b
        name = p.names.gguf;
        name.replace(name.find("attn_k_b"), 8, "attn_kv_b");
      }
      const Weight& weight = weights.at(name);
      check_values(weights, weight, static_cast<std::int64_t>(heads) * (k[0].columns + v[0].rows), v[0].columns);
      split_maps(decode_all(weight), k, v);
      i += 2 * heads;
      continue;
    }
    const Weight& weight = weights.at(gguf ? p.names.gguf : p.names.safetensors);
    // GGUF stacks experts and heads.
    std::size_t parts = 1;
    if (gguf && p.part >= 0)
      while (i + parts < parameters_.size() && parameters_[i + parts].part > 0 &&
             parameters_[i + parts].names.gguf == p.names.gguf)
        ++parts;
    check_values(weights, weight, p.rows * static_cast<std::int64_t>(parts), p.columns);
    const std::vector<float> all = decode_all(weight);
    for (std::size_t part = 0; part < parts; ++part)
      std::copy_n(all.data() + part * static_cast<std::size_t>(p.size()), p.size(), parameters_[i + part].values);
    if (gguf != config_.rope.interleaved && rotates(config_, p.name)) reorder(p, p.values, config_.rope.interleaved);
    weights.drop(weight);
    i += parts;
  }
}

void ParameterStore::save(const std::string& path, DType type) const {
  if (type != DType::f32 && type != DType::bf16)
    fail(ErrorKind::unsupported, "{}: weights in {}, expected F32 or BF16", path, info(type).name);
  SafetensorsWriter file(path);
  file.set_metadata("format", "pt");
  const auto each = [&](const auto& tensor) {  // (name, rows, columns, is a vector, values)
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      const Parameter& p = parameters_[i];
      if (config_.rope.interleaved && rotates(config_, p.name)) {
        std::vector<float> halves(p.values, p.values + p.size());
        reorder(p, halves.data(), false);
        tensor(p.names.safetensors, p.rows, p.columns, p.is_vector(), std::span<const float>(halves));
        continue;
      }
      if (!is_map(p)) {
        tensor(p.names.safetensors, p.rows, p.columns, p.is_vector(),
               std::span<const float>(p.values, static_cast<std::size_t>(p.size())));
        continue;
      }
      const std::size_t heads = heads_from(std::span(parameters_).subspan(i));
      const std::vector<float> joint =
          join_maps(std::span(parameters_).subspan(i, heads), std::span(parameters_).subspan(i + heads, heads));
      const std::int64_t latent = p.rows;
      tensor(p.names.safetensors, static_cast<std::int64_t>(joint.size()) / latent, latent, false,
             std::span<const float>(joint));
      i += 2 * heads - 1;
    }
  };
  each([&](const std::string& name, std::int64_t rows, std::int64_t columns, bool vector, std::span<const float>) {
    if (vector)
      file.add_tensor(name, type, {columns});
    else
      file.add_tensor(name, type, {rows, columns});
  });
  each([&](const std::string&, std::int64_t, std::int64_t, bool, std::span<const float> values) {
    if (type == DType::f32) return file.write(std::as_bytes(values));
    std::vector<std::uint16_t> rounded(values.size());
    std::ranges::transform(values, rounded.begin(), f32_to_bf16);
    file.write(std::as_bytes(std::span(rounded)));
  });
  file.finish();
}

}  // namespace limpid
