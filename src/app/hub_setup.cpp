#include "app/hub_setup.h"

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>
#include <vector>

#include "app/environment.h"
#include "base/error.h"
#include "formats/json.h"
#include "hub/catalogue.h"
#include "hub/pull.h"
#include "hub/reference.h"

namespace limpid {

namespace {

const char* environment(const char* name) { return std::getenv(name); }

// HF_TOKEN, or the file that the hub's own program keeps it in (HF_TOKEN_PATH, HF_HOME/token,
// ~/.cache/huggingface/token).
std::string read_token() {
  if (const std::string token = environment_text("HF_TOKEN"); !token.empty()) return token;
  std::filesystem::path file = environment_text("HF_TOKEN_PATH");
  if (file.empty() && !environment_text("HF_HOME").empty())
    file = std::filesystem::path(environment_text("HF_HOME")) / "token";
  if (file.empty() && !environment_text("HOME").empty())
    file = std::filesystem::path(environment_text("HOME")) / ".cache" / "huggingface" / "token";
  std::string token;
  std::ifstream(file) >> token;
  return token;
}

}  // namespace

std::optional<Store> find_store() {
  std::optional<std::filesystem::path> root = store_root(&environment);
  return root ? std::optional(Store(std::move(*root))) : std::nullopt;
}

Store open_store() {
  if (std::optional<Store> store = find_store()) return std::move(*store);
  fail(ErrorKind::input, "{}", kNoStore);
}

std::vector<StoredModel> stored_models(std::vector<std::string>* problems) {
  const std::optional<Store> store = find_store();
  return store ? store->list(problems) : std::vector<StoredModel>();
}

std::filesystem::path resolve_model(const std::string& model) {
  if (const std::optional<std::filesystem::path> path = resolve_path(model)) return *path;
  const std::optional<Store> store = find_store();
  if (!store) fail(ErrorKind::input, "no file '{}', and {}", model, kNoStore);
  return store->resolve(model, Catalogue::built_in());
}

std::filesystem::path resolve_adapter(const std::string& base, const std::string& adapter) {
  namespace fs = std::filesystem;
  if (fs::is_directory(adapter)) return adapter;
  std::error_code none;
  const std::string name = fs::path(base).filename().string();
  std::vector<fs::path> places;
  for (const fs::path& folder :
       {fs::path("weights"), fs::read_symlink("/proc/self/exe", none).parent_path() / ".." / "weights"})
    for (const std::string& first : {name, name.substr(0, name.find('-'))})
      places.push_back(folder / (first + "-" + adapter));
  if (const std::optional<Store> store = find_store()) places.push_back(store->root() / "adapters" / adapter);
  std::string looked;
  for (const fs::path& place : places) {
    if (fs::exists(place / "adapter_config.json")) return place;
    looked += (looked.empty() ? "" : ", ") + place.string();
  }
  fail(ErrorKind::not_found, "{}+{}: no adapter {}: looked for a directory of that name, and in {}", base, adapter,
       adapter, looked);
}

std::optional<std::filesystem::path> resolve_adapters_base(const std::string& base,
                                                           const std::filesystem::path& adapter) {
  const nlohmann::json config = read_json((adapter / "adapter_config.json").string());
  const auto said = config.is_object() ? config.find("base_model_name_or_path") : config.end();
  if (said == config.end() || !said->is_string()) return std::nullopt;
  const Catalogue catalogue = Catalogue::built_in();
  for (const CatalogueModel& model : catalogue.models()) {
    const std::string first = model.name.substr(0, model.name.find('-'));
    if (!equal_ignoring_case(base, first) && !equal_ignoring_case(base, model.name)) continue;
    for (const CatalogueVariant& variant : model.variants)
      if (variant.repository == said->get<std::string>()) return open_store().resolve(model.name, catalogue);
  }
  return std::nullopt;
}

HubOptions hub_options(const Options& options, std::function<bool()> cancelled) {
  HubOptions hub;
  if (const std::string endpoint = environment_text("HF_ENDPOINT"); !endpoint.empty()) hub.endpoint = endpoint;
  hub.token = options.offline ? "" : read_token();
  hub.http.offline = options.offline;
  hub.http.user_agent = "limpid/" LIMPID_VERSION;
  hub.http.cancelled = std::move(cancelled);
  return hub;
}

std::filesystem::path hugging_face_cache() { return hf_cache_folder(&environment); }

}  // namespace limpid
