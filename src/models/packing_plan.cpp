#include "models/packing_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "tensor/codec.h"

namespace limpid {

namespace {

// Decodes `count` rows from `row` on, with the 128 x 128 block factors of f8.
void decode_rows(DType type, std::span<const std::byte> data, std::span<const float> scales, std::int64_t columns, std::int64_t row, std::int64_t count,
                 float* out) {
  const std::size_t stride = row_bytes(type, columns);
  const std::int64_t blocks = (columns + 127) / 128;
  for (std::int64_t r = row; r < row + count; ++r, out += columns) {
    decode_row(type, data.data() + static_cast<std::size_t>(r) * stride, columns, out);
    if (scales.empty()) continue;
    for (std::int64_t c = 0; c < columns; ++c) out[c] *= scales[static_cast<std::size_t>(r / 128 * blocks + c / 128)];
  }
}

bool is_float(DType type) { return type == DType::f32 || type == DType::f16 || type == DType::bf16; }

}  // namespace

std::vector<float> decode_all(const Weight& weight) {
  std::vector<float> values(static_cast<std::size_t>(weight.values()));
  decode_rows(weight.type, weight.data, weight.scales, weight.columns(), 0, weight.rows(), values.data());
  return values;
}

const std::string& PackingPlan::name_of(const ParameterName& name) const {
  return source_.format() == WeightSource::Format::gguf ? name.gguf : name.safetensors;
}

const Weight& PackingPlan::find(const ParameterName& name) {
  const Weight& weight = source_.at(name_of(name));
  used_.insert(weight.name);
  if (!can_pack(weight.type))
    fail(ErrorKind::unsupported, "{}: tensor {} is {}, which is no type for weights", source_.path(), weight.name, info(weight.type).name);
  return weight;
}

void PackingPlan::check_shape(const Weight& weight, std::int64_t rows, std::int64_t columns) const {
  if (weight.rows() == rows && weight.columns() == columns) return;
  fail(ErrorKind::input, "{}: tensor {} is ({}, {}), the configuration asks for ({}, {})", source_.path(), weight.name, weight.rows(), weight.columns(), rows,
       columns);
}

void PackingPlan::add(const Weight& weight, std::span<const std::byte> data, std::span<const float> scales, std::int64_t rows, std::int64_t columns, bool f32,
                      PackedWeight& packed) {
  if (only_check_) return;
  packed.type = f32 || precision_ == Precision::exact ? DType::f32 : weight.type;
  packed.rows = rows;
  packed.columns = columns;
  jobs_.push_back({weight.type, data, scales, rows, columns, &packed, &weight, bytes_});
  bytes_ += packed_bytes(packed.type, rows, columns);
}

void PackingPlan::matrix(const ParameterName& name, std::int64_t rows, std::int64_t columns, PackedWeight& packed) {
  const Weight& weight = find(name);
  check_shape(weight, rows, columns);
  add(weight, weight.data, weight.scales, rows, columns, false, packed);
}

void PackingPlan::matrix_f32(const ParameterName& name, std::int64_t rows, std::int64_t columns, PackedWeight& packed) {
  const Weight& weight = find(name);
  check_shape(weight, rows, columns);
  add(weight, weight.data, weight.scales, rows, columns, true, packed);
}

void PackingPlan::vector(const ParameterName& name, std::int64_t n, const float*& values) {
  const Weight& weight = find(name);
  if (weight.values() != n)
    fail(ErrorKind::input, "{}: tensor {} has {} values, the configuration asks for {}", source_.path(), weight.name, weight.values(), n);
  if (!is_float(weight.type)) fail(ErrorKind::unsupported, "{}: tensor {} is {}, expected F32, F16 or BF16", source_.path(), weight.name, info(weight.type).name);
  if (only_check_) return;
  vectors_.push_back(std::make_unique<float[]>(static_cast<std::size_t>(n)));
  decode_row(weight.type, weight.data.data(), n, vectors_.back().get());
  values = vectors_.back().get();
}

void PackingPlan::add_stacked(const Weight& weight, std::int64_t rows, std::int64_t columns, std::span<PackedWeight* const> packed) {
  check_shape(weight, rows * static_cast<std::int64_t>(packed.size()), columns);
  const std::size_t each = row_bytes(weight.type, columns) * static_cast<std::size_t>(rows);
  for (std::size_t i = 0; i < packed.size(); ++i) add(weight, weight.data.subspan(i * each, each), {}, rows, columns, false, *packed[i]);
}

void PackingPlan::experts(const ParameterName& name, std::int64_t rows, std::int64_t columns, std::span<PackedWeight* const> weights) {
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
      fail(ErrorKind::unsupported, "{}: tensor {} is {}, expected {} as {}", source_.path(), weight.name, info(weight.type).name, info(first->type).name,
           first->name);
  }
}

void PackingPlan::key_value_maps(const ParameterName& joint, const std::string& gguf_k, const std::string& gguf_v, std::int64_t nope, std::int64_t value,
                                 std::int64_t latent, std::span<PackedWeight> k, std::span<PackedWeight> v) {
  const auto heads = static_cast<std::int64_t>(k.size());
  if (source_.format() == WeightSource::Format::gguf && source_.find(gguf_k) != nullptr) {
    std::vector<PackedWeight*> k_heads, v_heads;
    for (PackedWeight& w : k) k_heads.push_back(&w);
    for (PackedWeight& w : v) v_heads.push_back(&w);
    add_stacked(find({"", gguf_k}), latent, nope, k_heads);
    add_stacked(find({"", gguf_v}), value, latent, v_heads);
    return;
  }
  // One matrix (heads * (nope + value), latent). The key part is transposed: decoded to f32, which every type goes into without loss.
  const Weight& weight = find(joint);
  check_shape(weight, heads * (nope + value), latent);
  if (only_check_) return;
  const std::vector<float> all = decode_all(weight);
  for (std::int64_t h = 0; h < heads; ++h) {
    const float* head = all.data() + h * (nope + value) * latent;
    const auto floats = [&](std::int64_t n) {
      owned_.emplace_back(static_cast<std::size_t>(n) * sizeof(float));
      return reinterpret_cast<float*>(owned_.back().data());
    };
    float* transposed = floats(latent * nope);
    for (std::int64_t r = 0; r < latent; ++r)
      for (std::int64_t c = 0; c < nope; ++c) transposed[r * nope + c] = head[c * latent + r];
    jobs_.push_back({DType::f32, owned_.back(), {}, latent, nope, &k[static_cast<std::size_t>(h)], nullptr, bytes_});
    bytes_ += packed_bytes(DType::f32, latent, nope);
    std::memcpy(floats(value * latent), head + nope * latent, static_cast<std::size_t>(value * latent) * sizeof(float));
    jobs_.push_back({DType::f32, owned_.back(), {}, value, latent, &v[static_cast<std::size_t>(h)], nullptr, bytes_});
    bytes_ += packed_bytes(DType::f32, value, latent);
    PackedWeight& kw = k[static_cast<std::size_t>(h)];
    PackedWeight& vw = v[static_cast<std::size_t>(h)];
    kw.type = vw.type = DType::f32;
    kw.rows = latent;
    kw.columns = nope;
    vw.rows = value;
    vw.columns = latent;
  }
}

void PackingPlan::refuse_leftovers() const {
  for (const Weight& weight : source_.weights()) {
    if (used_.contains(weight.name)) continue;
    if (std::ranges::any_of(ignored_, [&](const std::string& prefix) { return weight.name.starts_with(prefix); })) continue;
    fail(ErrorKind::input, "{}: tensor {} belongs to no parameter of this configuration", source_.path(), weight.name);
  }
}

std::uint64_t PackingPlan::fingerprint() const {
  std::uint64_t hash = 0xcbf29ce484222325ULL;  // FNV-1a
  const auto mix = [&](const void* data, std::size_t n) {
    const auto* bytes = static_cast<const unsigned char*>(data);
    for (std::size_t i = 0; i < n; ++i) hash = (hash ^ bytes[i]) * 0x100000001b3ULL;
  };
  mix(&precision_, sizeof precision_);
  for (const Weight& weight : source_.weights()) {
    mix(weight.name.data(), weight.name.size());
    mix(&weight.type, sizeof weight.type);
    mix(weight.shape.data(), sizeof weight.shape);
    const std::size_t sample = std::min<std::size_t>(weight.data.size(), 256);
    for (std::size_t part = 0; part < 4; ++part) mix(weight.data.data() + (weight.data.size() - sample) / 3 * std::min<std::size_t>(part, 3), sample);
  }
  return hash;
}

void PackingPlan::pack_job(const Job& job, std::byte* memory, int thread, int threads) const {
  const DType to = job.weight->type;
  const std::int64_t strips = (job.rows + kStripRows - 1) / kStripRows;
  const std::size_t strip_bytes = packed_strip_bytes(to, job.columns);
  std::vector<float> decoded;
  for (std::int64_t s = strips * thread / threads; s < strips * (thread + 1) / threads; ++s) {
    std::byte* strip = memory + job.offset + static_cast<std::size_t>(s) * strip_bytes;
    if (to == job.from) {
      pack_strip(to, job.data, job.scales, job.rows, job.columns, s, strip);
      continue;
    }
    const std::int64_t row = s * kStripRows, count = std::min<std::int64_t>(kStripRows, job.rows - row);
    decoded.resize(static_cast<std::size_t>(count * job.columns));
    decode_rows(job.from, job.data, job.scales, job.columns, row, count, decoded.data());
    pack_strip(DType::f32, std::as_bytes(std::span(decoded)), {}, count, job.columns, 0, strip);
  }
}

void PackingPlan::pack(std::byte* memory, int threads, const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  constexpr std::uint64_t kGroup = std::uint64_t{256} << 20;  // bytes between two reports and between giving pages back
  ThreadTeam team(threads);
  for (std::size_t first = 0; first < jobs_.size();) {
    std::size_t last = first;
    const std::uint64_t begin = jobs_[first].offset;
    while (last < jobs_.size() && jobs_[last].offset - begin < kGroup) ++last;
    team.run([&](int thread) {
      for (std::size_t i = first; i < last; ++i) pack_job(jobs_[i], memory, thread, threads);
    });
    for (std::size_t i = first; i < last; ++i) {
      jobs_[i].weight->data = memory + jobs_[i].offset;
      const bool more = i + 1 < jobs_.size() && jobs_[i + 1].file == jobs_[i].file;  // other experts of the same tensor
      if (jobs_[i].file != nullptr && !more) source_.drop(*jobs_[i].file);
    }
    first = last;
    if (progress) progress(first < jobs_.size() ? jobs_[first].offset : bytes_, bytes_);
  }
}

}  // namespace limpid
