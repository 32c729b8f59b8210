#include "app/serve_models.h"

#include <cstdio>
#include <optional>

#include "app/built_in.h"
#include "app/hub_setup.h"
#include "app/printable.h"
#include "app/served_models.h"
#include "app/session.h"
#include "app/settings.h"

namespace limpid {

namespace {

LocalModelsOptions models_options(const ServeSettings& settings, const Context& context) {
  LocalModelsOptions out;
  out.models = settings.models;
  if (out.models.empty()) {  // whatever is here, first what `limpid chat` would start with
    const std::string chosen = read_settings().chat_model;
    out.models = {chosen.empty() ? std::string(kBuiltInName) : chosen};
    out.store = true;
  }
  out.threads = static_cast<int>(settings.threads);
  out.context = static_cast<int>(settings.context);
  out.sequences = static_cast<int>(settings.parallel);
  out.queue = static_cast<int>(settings.queue);
  out.team = settings.team;
  out.memory = static_cast<std::uint64_t>(settings.memory_mb) * 1'000'000;
  out.idle_seconds = settings.idle_minutes * 60;
  out.precision = precision_of(context.options, Precision::fast);
  out.cache_type = cache_type_named(settings.cache);
  out.kernels = &context.kernels();
  out.cache_disk_bytes = static_cast<std::uint64_t>(settings.cache_disk_mb) * 1'000'000;
  if (out.cache_disk_bytes == 0) return out;
  if (!settings.cache_dir.empty())
    out.cache_directory = settings.cache_dir;
  else if (const std::optional<Store> store = find_store())
    out.cache_directory = store->root() / "cache";
  else
    out.cache_disk_bytes = 0;  // no place for it
  return out;
}

}  // namespace

std::unique_ptr<LocalModels> open_served_models(const ServeSettings& settings, const Context& context) {
  auto models = std::make_unique<LocalModels>(models_options(settings, context));
  for (const std::string& problem : models->problems()) std::fprintf(stderr, "limpid: %s\n", visible(problem).c_str());
  models->lease("");  // what cannot be loaded shows now, and the first one who asks does not wait for it
  return models;
}

}  // namespace limpid
