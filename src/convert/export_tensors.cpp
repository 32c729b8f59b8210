#include "convert/export_tensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "base/error.h"
#include "models/decoder.h"
#include "models/packing_plan.h"

namespace limpid {

namespace {

using Role = ExportTensor::Role;
using Sink = ExportTensor::Sink;

constexpr std::int64_t kValuesAtATime = 1 << 22;  // values that are decoded at a time
constexpr std::int64_t kScaleRows = 128;          // of a block factor of F8_E4M3: pieces begin at multiples of it

// Rows [first, first + count) of a weight as one of its own.
Weight part_of(const Weight& weight, std::int64_t first, std::int64_t count) {
  Weight part = weight;
  const std::int64_t columns = weight.columns();
  const std::size_t stride = row_bytes(weight.type, columns);
  part.rank = 2;
  part.shape = {count, columns, 1, 1};
  part.data = weight.data.subspan(static_cast<std::size_t>(first) * stride, static_cast<std::size_t>(count) * stride);
  if (!weight.scales.empty())
    part.scales =
        weight.scales.subspan(static_cast<std::size_t>(first / kScaleRows * ((columns + kScaleRows - 1) / kScaleRows)));
  return part;
}

void give_all(const Weight& weight, const Sink& sink) {
  const std::int64_t rows = weight.rows(), columns = std::max<std::int64_t>(weight.columns(), 1);
  const std::int64_t step = std::max<std::int64_t>(kValuesAtATime / columns / kScaleRows, 1) * kScaleRows;
  for (std::int64_t row = 0; row < rows; row += step)
    sink(decode_all(part_of(weight, row, std::min(step, rows - row))));
}

// Rows of heads from halves (i, i + d/2) to pairs (2i, 2i + 1), or back. values: (heads * head_dim, columns).
std::vector<float> rearrange(const std::vector<float>& values, std::int64_t columns, std::int64_t head_dim,
                             bool to_pairs) {
  std::vector<float> out(values.size());
  const std::int64_t rows = static_cast<std::int64_t>(values.size()) / columns, half = head_dim / 2;
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t head = row / head_dim * head_dim, i = row % head_dim;  // of the row where it is now
    const std::int64_t to = head + (to_pairs ? i % half * 2 + i / half : i % 2 * half + i / 2);
    std::copy_n(values.data() + row * columns, columns, out.data() + to * columns);
  }
  return out;
}

// (rows, columns) to (columns, rows).
std::vector<float> transposed(const std::vector<float>& values, std::int64_t rows, std::int64_t columns) {
  std::vector<float> out(values.size());
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < columns; ++c)
      out[static_cast<std::size_t>(c * rows + r)] = values[static_cast<std::size_t>(r * columns + c)];
  return out;
}

class Lister final : public ParameterVisitor {
 public:
  Lister(const ModelFiles& files, ExportFormat to)
      : source_(files.weights()),
        config_(files.config()),
        from_gguf_(source_.format() == WeightSource::Format::gguf),
        to_gguf_(to == ExportFormat::gguf) {
    const bool llama = config_.architecture == "llama";
    turn_ = llama && config_.rope.interleaved != to_gguf_;
    if (!llama && to_gguf_ && config_.architecture == "deepseek_v3" && !config_.rope.interleaved)
      fail(ErrorKind::unsupported, "{}: rope_interleave is false, which no GGUF of this architecture can say",
           files.path());
    if (turn_ && config_.rope.dim != config_.head_dim)
      fail(ErrorKind::unsupported, "{}: {} of {} values of a head rotate, expected all", files.path(), config_.rope.dim,
           config_.head_dim);
  }

  void matrix(const ParameterName& name, std::int64_t rows, std::int64_t columns, PackedWeight&) override {
    plain(name, rows, columns, Role::matrix);
  }
  void matrix_f32(const ParameterName& name, std::int64_t rows, std::int64_t columns, PackedWeight&) override {
    plain(name, rows, columns, Role::router);
  }
  void vector(const ParameterName& name, std::int64_t n, const float*&) override {
    const Weight* weight = &find(name);
    if (weight->values() != n) misshapen(*weight, 1, n);
    const bool turn = turn_ && is_turned(name.safetensors);
    const bool balance = name.safetensors.ends_with("e_score_correction_bias");
    const std::int64_t head = config_.head_dim;
    tensors.push_back({target(name),
                       {n},
                       balance ? Role::balance : Role::vector,
                       [weight, turn, head, to = to_gguf_](const Sink& sink) {
                         const std::vector<float> values = decode_all(*weight);
                         sink(turn ? rearrange(values, 1, head, to) : values);
                       }});
  }
  void experts(const ParameterName& name, std::int64_t rows, std::int64_t columns,
               std::span<PackedWeight* const> weights) override;
  void key_value_maps(const ParameterName& joint, const std::string& gguf_k, const std::string& gguf_v,
                      std::int64_t nope, std::int64_t value, std::int64_t latent, std::span<PackedWeight> k,
                      std::span<PackedWeight> v) override;

  // Error(input) naming a tensor of the file that no parameter asked for.
  void refuse_leftovers() const {
    for (const Weight& weight : source_.weights()) {
      const bool table =
          weight.name == "rope_freqs.weight" || weight.name.find(".rotary_emb.") != std::string_view::npos;
      const bool copy = config_.tied_embeddings && weight.name == "lm_head.weight";
      if (!table && !copy && !used_.contains(weight.name))
        fail(ErrorKind::input, "{}: tensor {} belongs to no parameter of this configuration", source_.path(),
             weight.name);
    }
  }

  std::vector<ExportTensor> tensors;

 private:
  static bool is_turned(std::string_view name) {
    return name.find(".self_attn.q_proj.") != std::string_view::npos ||
           name.find(".self_attn.k_proj.") != std::string_view::npos;
  }
  const std::string& target(const ParameterName& name) const { return to_gguf_ ? name.gguf : name.safetensors; }
  const Weight& at(const std::string& name) {
    const Weight& weight = source_.at(name);
    used_.insert(weight.name);
    return weight;
  }
  const Weight& find(const ParameterName& name) { return at(from_gguf_ ? name.gguf : name.safetensors); }
  [[noreturn]] void misshapen(const Weight& weight, std::int64_t rows, std::int64_t columns) const {
    fail(ErrorKind::input, "{}: tensor {} is ({}, {}), the configuration asks for ({}, {})", source_.path(),
         weight.name, weight.rows(), weight.columns(), rows, columns);
  }
  const Weight* checked(const Weight& weight, std::int64_t rows, std::int64_t columns) const {
    if (weight.rows() != rows || weight.columns() != columns) misshapen(weight, rows, columns);
    return &weight;
  }
  void plain(const ParameterName& name, std::int64_t rows, std::int64_t columns, Role role) {
    const Weight* weight = checked(find(name), rows, columns);
    const bool turn = turn_ && is_turned(name.safetensors);
    tensors.push_back(
        {target(name),
         {rows, columns},
         role,
         [this_source = &source_, weight, turn, columns, head = config_.head_dim, to = to_gguf_](const Sink& sink) {
           if (turn)
             sink(rearrange(decode_all(*weight), columns, head, to));
           else
             give_all(*weight, sink);
           this_source->drop(*weight);
         }});
  }

  const WeightSource& source_;
  const ModelConfig& config_;
  const bool from_gguf_, to_gguf_;
  bool turn_ = false;  // rows of q and k
  std::unordered_set<std::string_view> used_;
};

void Lister::experts(const ParameterName& name, std::int64_t rows, std::int64_t columns,
                     std::span<PackedWeight* const> weights) {
  const auto count = static_cast<std::int64_t>(weights.size());
  std::vector<Weight> parts;
  if (from_gguf_) {
    const Weight* stack = checked(find(name), rows * count, columns);
    for (std::int64_t e = 0; e < count; ++e) parts.push_back(part_of(*stack, e * rows, rows));
  } else {
    for (std::int64_t e = 0; e < count; ++e)
      parts.push_back(*checked(at(fmt::format(fmt::runtime(name.safetensors), e)), rows, columns));
  }
  if (to_gguf_) {
    tensors.push_back({name.gguf, {count, rows, columns}, Role::matrix, [parts](const Sink& sink) {
                         for (const Weight& part : parts) give_all(part, sink);
                       }});
    return;
  }
  for (std::int64_t e = 0; e < count; ++e)
    tensors.push_back({fmt::format(fmt::runtime(name.safetensors), e),
                       {rows, columns},
                       Role::matrix,
                       [part = parts[static_cast<std::size_t>(e)]](const Sink& sink) { give_all(part, sink); }});
}

void Lister::key_value_maps(const ParameterName& joint, const std::string& gguf_k, const std::string& gguf_v,
                            std::int64_t nope, std::int64_t value, std::int64_t latent, std::span<PackedWeight> k,
                            std::span<PackedWeight>) {
  const auto heads = static_cast<std::int64_t>(k.size());
  const std::int64_t each = nope + value;
  if (from_gguf_ && source_.find(gguf_k) != nullptr) {
    const Weight* keys = checked(at(gguf_k), heads * latent, nope);
    const Weight* values = checked(at(gguf_v), heads * value, latent);
    if (to_gguf_) {
      tensors.push_back(
          {gguf_k, {heads, latent, nope}, Role::matrix, [keys](const Sink& sink) { give_all(*keys, sink); }});
      tensors.push_back(
          {gguf_v, {heads, value, latent}, Role::matrix, [values](const Sink& sink) { give_all(*values, sink); }});
      return;
    }
    tensors.push_back({joint.safetensors, {heads * each, latent}, Role::matrix, [=](const Sink& sink) {
                         for (std::int64_t h = 0; h < heads; ++h) {
                           sink(transposed(decode_all(part_of(*keys, h * latent, latent)), latent, nope));
                           sink(decode_all(part_of(*values, h * value, value)));
                         }
                       }});
    return;
  }
  const Weight* both = checked(find(joint), heads * each, latent);
  if (!to_gguf_) {
    tensors.push_back(
        {joint.safetensors, {heads * each, latent}, Role::matrix, [both](const Sink& sink) { give_all(*both, sink); }});
    return;
  }
  // Decoded whole: a head's rows need not begin where a block factor does.
  tensors.push_back({gguf_k, {heads, latent, nope}, Role::matrix, [=](const Sink& sink) {
                       const std::vector<float> all = decode_all(*both);
                       for (std::int64_t h = 0; h < heads; ++h) {
                         const auto first = all.begin() + h * each * latent;
                         sink(transposed({first, first + nope * latent}, nope, latent));
                       }
                     }});
  tensors.push_back({gguf_v, {heads, value, latent}, Role::matrix, [=](const Sink& sink) {
                       const std::vector<float> all = decode_all(*both);
                       for (std::int64_t h = 0; h < heads; ++h)
                         sink(std::span(all).subspan(static_cast<std::size_t>((h * each + nope) * latent),
                                                     static_cast<std::size_t>(value * latent)));
                     }});
}

}  // namespace

std::vector<ExportTensor> export_tensors(const ModelFiles& files, ExportFormat to, bool mtp) {
  Decoder decoder(files.config());
  Lister lister(files, to);
  decoder.visit(lister);
  const std::size_t main = lister.tensors.size();
  decoder.visit_mtp(lister);
  lister.refuse_leftovers();
  if (!mtp) lister.tensors.resize(main);
  return std::move(lister.tensors);
}

}  // namespace limpid
