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
#include "app/model_facts.h"
#include "app/progress.h"
#include "app/smaller_model.h"
#include "models/decoder.h"

namespace limpid {

namespace {

constexpr std::uint64_t kWorthABar = std::uint64_t{1} << 30;  // packs in under a second

template <typename T>
std::optional<T> advice(const ModelFiles& files, const char* json_key, const char* gguf_key) {
  if (files.checkpoint() != nullptr) return files.checkpoint()->generation_config().find<T>(json_key);
  return files.gguf()->find<T>(gguf_key);
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
  out.min_p = advice<float>(files, "min_p", "general.sampling.min_p").value_or(0.0F);
  out.repetition_penalty = advice<float>(files, "repetition_penalty", "general.sampling.penalty_repeat").value_or(1.0F);
  return out;
}

ModelFiles open_files(const std::string& model) {
  const std::size_t plus = model.rfind('+');
  if (plus == std::string::npos || std::filesystem::exists(model))
    return ModelFiles::open(resolve_model(model).string());
  const std::string base = model.substr(0, plus), adapter = model.substr(plus + 1);
  const std::filesystem::path beside = resolve_adapter(base, adapter);
  return ModelFiles::open(adapters_base(base, beside).string()).with_adapter(beside.string());
}

Precision precision_of(const Options& options, Precision otherwise) {
  if (options.compute == Compute::automatic) return otherwise;
  return options.compute == Compute::exact ? Precision::exact : Precision::fast;
}

CacheType cache_type_of(const Options& options, Precision precision) {
  const CacheType usual = precision == Precision::exact ? CacheType::f32 : CacheType::f16;
  if (precision == Precision::exact && options.cache.value_or(usual) != CacheType::f32)
    fail(ErrorKind::input, "--cache {}: exact computing keeps keys and values in f32", cache_type_name(*options.cache));
  return options.cache.value_or(usual);
}

OpenedModel load(ModelFiles files, Precision precision, const Context& context, std::uint64_t besides,
                 Interrupts& interrupts, const WhatFits& fits) {
  const std::uint64_t weights = packed_model_bytes(files, precision);
  const AvailableMemory available = available_memory();
  if (weights + besides > available.bytes) {
    const std::string less = fits && weights < available.bytes ? fits(available.bytes - weights) : "";
    fail(ErrorKind::resources,
         "{}: not enough memory: {} are needed (weights {}, besides {}), {} are available ({}); {}", files.path(),
         human_bytes(weights + besides), human_bytes(weights), human_bytes(besides), human_bytes(available.bytes),
         available.limited_by, less.empty() ? smaller_model(files, available.bytes) : less);
  }
  OpenedModel out{std::move(files), precision, {}, 0};
  std::unique_ptr<ProgressBar> bar;
  const auto start = std::chrono::steady_clock::now();
  const int asked = interrupts.count();  // a Ctrl-C that stopped an answer long ago does not mean this
  out.model = load_model(out.files, precision, context.threads(), [&](std::uint64_t done, std::uint64_t total) {
    if (interrupts.count() > asked) fail(ErrorKind::cancelled, "loading {}: stopped", out.files.path());
    if (bar == nullptr && total > kWorthABar && isatty(STDERR_FILENO) != 0)
      bar = std::make_unique<ProgressBar>("loading", total);
    if (bar != nullptr) bar->add(static_cast<std::int64_t>(done) - static_cast<std::int64_t>(bar->done()));
  });
  out.load_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return out;
}

WhatFits runner_fits(const ModelConfig& config, const RunnerOptions& options, std::string what) {
  return [shape = std::make_shared<Decoder>(config), options, what = std::move(what)](std::uint64_t left) {
    RunnerOptions fewer = options;
    int fit = 0, too_many = options.positions;
    while (too_many - fit > 1) {
      fewer.positions = fit + (too_many - fit) / 2;
      (Runner::bytes(*shape, fewer) <= left ? fit : too_many) = fewer.positions;
    }
    return fit > 0 ? fmt::format("{} of {} tokens would fit", what, fit) : std::string();
  };
}

// Everything that is known before memory is taken.
struct Session::Prepared {
  ModelFiles files;
  Tokenizer tokenizer;
  Precision precision;
  EngineOptions options;
  MemoryNeeds needs;
  MemoryPlan plan;
};

Session::Prepared Session::prepare(const std::string& model, const Context& context, std::uint64_t freed,
                                   int sequences) {
  ModelFiles files = open_model(model);
  Tokenizer tokenizer = open_tokenizer(files);
  const Precision precision = precision_of(context.options, Precision::fast);
  EngineOptions options;
  options.threads = context.threads();
  options.cache_type = cache_type_of(context.options, precision);
  options.kernels = &context.kernels();
  if (context.options.context > std::numeric_limits<int>::max())
    fail(ErrorKind::input, "context of {} tokens: the model has {}", context.options.context, files.config().context);
  const MemoryNeeds needs = memory_needs(files, precision, options.cache_type, options, sequences);
  AvailableMemory available = available_memory();
  available.bytes += freed;
  MemoryPlan plan;
  try {
    plan = plan_memory(needs, available, static_cast<int>(context.options.context));
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::resources) throw;
    fail(ErrorKind::resources, "{}: {}; {}", files.path(), error.what(), smaller_model(files, available.bytes));
  }
  options.context = plan.context;
  options.pages = plan.pages;
  options.limits.sequences = sequences;
  return {std::move(files), std::move(tokenizer), precision, options, needs, plan};
}

void Session::check(const std::string& model, const Context& context, std::uint64_t freed, int sequences) {
  prepare(model, context, freed, sequences);
}

Session::Session(const std::string& model, const Context& context, Interrupts& interrupts, int sequences)
    : Session(prepare(model, context, 0, sequences), context, interrupts) {}

Session::Session(Prepared prepared, const Context& context, Interrupts& interrupts)
    : opened_(load(std::move(prepared.files), prepared.precision, context, prepared.needs.work + prepared.plan.cache,
                   interrupts)),
      tokenizer_(std::move(prepared.tokenizer)),
      plan_(prepared.plan),
      cache_type_(prepared.options.cache_type) {
  engine_ = std::make_unique<Engine>(*opened_.model, prepared.options);
  chat_ = std::make_unique<ChatEngine>(*engine_, tokenizer_, files().chat_template(), files().end_ids());
  engine_->start();
}

std::uint64_t Session::bytes_per_token() const { return count_model(files()).bytes_per_token(opened_.precision); }

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
  if (options.top_k) out.top_k = *options.top_k;
  if (options.min_p) out.min_p = static_cast<float>(*options.min_p);
  if (options.repetition_penalty) out.repetition_penalty = static_cast<float>(*options.repetition_penalty);
  if (options.seed) {
    out.seed = *options.seed;
  } else {
    std::random_device device;
    out.seed = (std::uint64_t{device()} << 32 | device()) >> 11;  // one that JSON readers hold exactly
  }
  return out;
}

}  // namespace limpid
