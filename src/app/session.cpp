#include "app/session.h"

#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <limits>
#include <optional>
#include <random>

#include "app/built_in.h"
#include "app/format.h"
#include "app/hub_setup.h"
#include "app/progress.h"
#include "models/decoder.h"

namespace limpid {

namespace {

constexpr std::uint64_t kWorthABar = std::uint64_t{1} << 30;  // packs in under a second

template <typename T>
std::optional<T> advice(const ModelFiles& files, const char* json_key, const char* gguf_key) {
  if (files.checkpoint() != nullptr) return files.checkpoint()->generation_config().find<T>(json_key);
  return files.gguf()->find<T>(gguf_key);
}

std::string checked_name(const ModelFiles& files, std::uint64_t needed, const AvailableMemory& available) {
  return fmt::format("{}: not enough memory: {} are needed, {} are available ({})", files.path(), human_bytes(needed),
                     human_bytes(available.bytes), available.limited_by);
}

std::filesystem::path adapters_base(const std::string& base, const std::filesystem::path& adapter) {
  try {
    return model_on_disk(base);
  } catch (const Error& unknown) {
    if (unknown.kind() != ErrorKind::not_found) throw;
    if (const std::optional<std::filesystem::path> found = resolve_adapters_base(base, adapter)) return *found;
    throw;
  }
}

}  // namespace

MemoryNeeds memory_needs(const ModelFiles& files, Precision precision, CacheType cache_type,
                         const EngineOptions& options, int sequences) {
  const Decoder shape(files.config());  // no weights in it: it knows sizes
  MemoryNeeds needs;
  needs.weights = packed_model_bytes(files, precision);
  needs.work = Engine::work_bytes(shape, options);
  needs.layout = shape.cache_layout(cache_type);
  needs.layers = shape.info().layers;
  needs.model_context = shape.info().context_length;
  needs.sequences = sequences;
  return needs;
}

Sampling advised_sampling(const ModelFiles& files) {
  Sampling out;
  out.temperature = advice<float>(files, "temperature", "general.sampling.temp").value_or(0.6F);
  out.top_p = advice<float>(files, "top_p", "general.sampling.top_p").value_or(0.95F);
  out.top_k = advice<std::int32_t>(files, "top_k", "general.sampling.top_k").value_or(0);
  out.repetition_penalty = advice<float>(files, "repetition_penalty", "general.sampling.penalty_repeat").value_or(1.0F);
  return out;
}

ModelFiles open_files(const std::string& model) {
  const std::size_t plus = model.rfind('+');
  if (plus == std::string::npos || std::filesystem::exists(model)) return ModelFiles::open(resolve_model(model).string());
  const std::string base = model.substr(0, plus), adapter = model.substr(plus + 1);
  const std::filesystem::path beside = resolve_adapter(base, adapter);
  return ModelFiles::open(adapters_base(base, beside).string()).with_adapter(beside.string());
}

Precision precision_of(const Options& options, Precision otherwise) {
  if (options.compute == Compute::automatic) return otherwise;
  return options.compute == Compute::exact ? Precision::exact : Precision::fast;
}

OpenedModel load(ModelFiles files, Precision precision, const Context& context, std::uint64_t besides,
                 Interrupts& interrupts) {
  const std::uint64_t weights = packed_model_bytes(files, precision);
  const AvailableMemory available = available_memory();
  if (weights + besides > available.bytes)
    throw Error(ErrorKind::resources, checked_name(files, weights + besides, available));
  OpenedModel out{std::move(files), precision, precision == Precision::exact ? CacheType::f32 : CacheType::f16, {}, 0};
  std::unique_ptr<ProgressBar> bar;
  const auto start = std::chrono::steady_clock::now();
  out.model = load_model(out.files, precision, context.threads(), [&](std::uint64_t done, std::uint64_t total) {
    if (interrupts.requested()) fail(ErrorKind::cancelled, "loading {}: stopped", out.files.path());
    if (bar == nullptr && total > kWorthABar && isatty(STDERR_FILENO) != 0)
      bar = std::make_unique<ProgressBar>("loading", total);
    if (bar != nullptr) bar->add(static_cast<std::int64_t>(done) - static_cast<std::int64_t>(bar->done()));
  });
  out.load_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return out;
}

Session::Session(const std::string& model, const Context& context, Interrupts& interrupts, int sequences)
    : opened_{open_model(model), {}, {}, {}, 0}, tokenizer_(open_tokenizer(opened_.files)) {
  const Precision precision = precision_of(context.options, Precision::fast);
  EngineOptions options;
  options.threads = context.threads();
  options.cache_type = precision == Precision::exact ? CacheType::f32 : CacheType::f16;
  options.kernels = &context.kernels();
  if (context.options.context > std::numeric_limits<int>::max())
    fail(ErrorKind::input, "context of {} tokens: the model has {}", context.options.context,
         opened_.files.config().context);
  const MemoryNeeds needs = memory_needs(opened_.files, precision, options.cache_type, options, sequences);
  plan_ = plan_memory(needs, available_memory(), static_cast<int>(context.options.context));
  options.context = plan_.context;
  options.pages = plan_.pages;
  options.limits.sequences = sequences;
  opened_ = load(std::move(opened_.files), precision, context, needs.work + plan_.cache, interrupts);
  engine_ = std::make_unique<Engine>(*opened_.model, options);
  chat_ = std::make_unique<ChatEngine>(*engine_, tokenizer_, files().chat_template(), files().end_ids());
  engine_->start();
}

std::string Session::name() const {
  std::string name = std::filesystem::path(files().path()).lexically_normal().filename().string();
  if (name.empty()) name = files().config().name;
  if (name.ends_with(".gguf")) name.resize(name.size() - 5);
  return name;
}

Sampling Session::sampling(const Options& options) const {
  Sampling out = advised_sampling(files());
  if (options.temperature) out.temperature = static_cast<float>(*options.temperature);
  if (options.top_p) out.top_p = static_cast<float>(*options.top_p);
  if (options.seed) {
    out.seed = *options.seed;
  } else {
    std::random_device device;
    out.seed = (std::uint64_t{device()} << 32 | device()) >> 11;  // one that JSON readers hold exactly
  }
  return out;
}

}  // namespace limpid
