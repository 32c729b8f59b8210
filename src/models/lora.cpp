#include "models/lora.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/philox.h"
#include "base/round_up.h"
#include "formats/atomic_file.h"
#include "formats/safetensors_writer.h"
#include "tensor/codec.h"

namespace limpid {

namespace {

constexpr std::string_view kWeight = ".weight";

// "model.layers.0.self_attn.q_proj" of the parameter of this name.
std::string module_of(const std::string& parameter) { return parameter.substr(0, parameter.size() - kWeight.size()); }

std::string last_part(const std::string& module) { return module.substr(module.rfind('.') + 1); }

bool can_adapt(const Parameter& p) {
  return p.kind == ParameterKind::matrix && p.part < 0 && p.name.ends_with(kWeight) &&
         p.name.starts_with("model.layers.") && p.name.find(".shared_experts.") == std::string::npos &&
         p.name.find(".eh_proj.") == std::string::npos;
}

void transpose(const Parameter& from, float* to, int thread, int threads) {
  for (std::int64_t c = from.columns * thread / threads; c < from.columns * (thread + 1) / threads; ++c)
    for (std::int64_t r = 0; r < from.rows; ++r) to[c * from.rows + r] = from.values[r * from.columns + c];
}

}  // namespace

LoraAdapter::LoraAdapter(const ParameterStore& base, const LoraSettings& settings) : base_(base), settings_(settings) {
  std::set<std::string> known, wanted(settings.targets.begin(), settings.targets.end()), found;
  std::vector<const Parameter*> chosen;
  for (const Parameter& p : base.parameters()) {
    if (!can_adapt(p)) continue;
    const std::string last = last_part(module_of(p.name));
    known.insert(last);
    if (!wanted.empty() && !wanted.contains(last)) continue;
    found.insert(last);
    chosen.push_back(&p);
  }
  for (const std::string& target : wanted)
    if (!found.contains(target))
      fail(ErrorKind::input, "lora: targets: no matrix {} that can be adapted; there are {}", target,
           fmt::join(known, ", "));
  if (chosen.empty()) fail(ErrorKind::unsupported, "lora: this model has no matrix that can be adapted");
  const std::int64_t rank = settings.rank;
  for (const Parameter* p : chosen) {
    const std::string module = module_of(p->name);
    beside_.push_back({base.packed(*p), parameters_.size(), parameters_.size() + 1, nullptr, nullptr, {}});
    for (const auto& [name, rows, columns] :
         {std::tuple(".lora_A.weight", rank, p->columns), std::tuple(".lora_B.weight", p->rows, rank)}) {
      parameters_.push_back(
          {module + name, {module + name, ""}, -1, ParameterKind::matrix, rows, columns, nullptr, nullptr});
      size_ += rows * columns;
      padded_ += static_cast<std::size_t>(round_up<std::int64_t>(rows * columns, 16));
    }
  }
  memory_ = HugeBuffer(3 * padded_ * sizeof(float));
  values_ = reinterpret_cast<float*>(memory_.data());
  gradients_ = values_ + padded_;
  float* transposed = gradients_ + padded_;
  std::size_t at = 0;
  for (Parameter& p : parameters_) {
    p.values = values_ + at;
    p.gradient = gradients_ + at;
    at += static_cast<std::size_t>(round_up<std::int64_t>(p.size(), 16));
  }
  const auto offset = [&](const Parameter& p) { return p.values - values_; };
  for (Beside& one : beside_) {
    const Parameter &a = parameters_[one.a], &b = parameters_[one.b];
    one.a_transposed = transposed + offset(a);
    one.b_transposed = transposed + offset(b);
    one.low_rank = {a.values,
                    b.values,
                    one.a_transposed,
                    one.b_transposed,
                    a.gradient,
                    b.gradient,
                    rank,
                    static_cast<float>(settings.scale())};
  }
}

LoraAdapter::~LoraAdapter() = default;

void LoraAdapter::initialise(std::uint64_t seed) {
  for (Parameter& p : parameters_) {
    if (p.name.ends_with(".lora_B.weight")) {
      std::fill_n(p.values, p.size(), 0.0F);
      continue;
    }
    const double bound = 1.0 / std::sqrt(static_cast<double>(p.columns));
    const std::uint64_t stream = random_stream(p.name);
    for (std::int64_t i = 0; i < p.size(); ++i)
      p.values[i] = static_cast<float>(bound * (2 * philox_uniform(seed, stream, static_cast<std::uint64_t>(i)) - 1));
  }
}

void LoraAdapter::pack(int thread, int threads) const {
  for (const Beside& one : beside_) {
    transpose(parameters_[one.a], one.a_transposed, thread, threads);
    transpose(parameters_[one.b], one.b_transposed, thread, threads);
  }
}

void LoraAdapter::zero_gradients(int thread, int threads) {
  const auto t = static_cast<std::size_t>(thread), n = static_cast<std::size_t>(threads);
  std::fill(gradients_ + padded_ * t / n, gradients_ + padded_ * (t + 1) / n, 0.0F);
}

void LoraAdapter::register_in(Tape& tape) const {
  for (const Beside& one : beside_) {
    Trainable matrix = tape.at(one.weight->data);
    matrix.low_rank = &one.low_rank;
    tape.add(one.weight->data, matrix);
  }
}

// A target is written as it is where every matrix of that name has an adapter; else each by its full name.
std::vector<std::string> LoraAdapter::modules() const {
  std::set<std::string> adapted, partly, names;
  for (const Beside& one : beside_) {
    const std::string& name = parameters_[one.a].name;
    adapted.insert(name.substr(0, name.size() - std::string_view(".lora_A.weight").size()));
  }
  for (const Parameter& p : base_.parameters()) {
    if (p.is_vector() || !p.names.safetensors.ends_with(kWeight)) continue;
    const std::string module = module_of(p.names.safetensors);
    if (!adapted.contains(module)) partly.insert(last_part(module));
  }
  for (const std::string& module : adapted)
    names.insert(partly.contains(last_part(module)) ? module : last_part(module));
  return {names.begin(), names.end()};
}

void LoraAdapter::save(const std::string& directory, const std::string& base) const {
  std::filesystem::create_directories(directory);
  SafetensorsWriter file(directory + "/adapter_model.safetensors");
  file.set_metadata("format", "pt");
  for (const Parameter& p : parameters_)
    file.add_tensor("base_model.model." + p.name, settings_.type, {p.rows, p.columns});
  for (const Parameter& p : parameters_) {
    const std::span<const float> values(p.values, static_cast<std::size_t>(p.size()));
    std::vector<std::uint16_t> rounded(settings_.type == DType::bf16 ? values.size() : 0);
    std::transform(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(rounded.size()), rounded.begin(),
                   f32_to_bf16);
    file.write(rounded.empty() ? std::as_bytes(values) : std::as_bytes(std::span<const std::uint16_t>(rounded)));
  }
  const nlohmann::ordered_json config = {{"peft_type", "LORA"},
                                         {"task_type", "CAUSAL_LM"},
                                         {"base_model_name_or_path", base},
                                         {"r", settings_.rank},
                                         {"lora_alpha", settings_.alpha},
                                         {"lora_dropout", 0.0},
                                         {"target_modules", modules()},
                                         {"bias", "none"},
                                         {"fan_in_fan_out", false},
                                         {"modules_to_save", nullptr},
                                         {"use_rslora", false},
                                         {"use_dora", false},
                                         {"inference_mode", true}};
  AtomicFile json(directory + "/adapter_config.json");
  json.write(config.dump(2) + "\n");
  file.finish();
  json.commit();
}

}  // namespace limpid
