#include "hub/store.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "formats/atomic_file.h"
#include "formats/json.h"
#include "hub/adopt.h"
#include "hub/files.h"
#include "hub/reference.h"

namespace limpid {

namespace fs = std::filesystem;
using Json = nlohmann::json;

namespace {

constexpr const char* kManifest = "model.json";
constexpr int kVersion = 1;
constexpr std::size_t kManifestBytes = 1 << 20;

std::string now_utc() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

StoredModel read_manifest(const fs::path& file) {
  try {
    const Json json = read_json(file.string(), {.bytes = kManifestBytes});
    if (json.at("version").get<int>() != kVersion)
      fail(ErrorKind::unsupported, "{}: version {}, expected {}", file.string(), json.at("version").dump(), kVersion);
    StoredModel model;
    model.name = json.at("name").get<std::string>();
    model.adopted = json.at("adopted").get<bool>();
    const fs::path path = json.at("path").get<std::string>();
    model.path = model.adopted ? path : (file.parent_path() / path).lexically_normal();
    if (model.path.filename().empty()) model.path = model.path.parent_path();  // ".": the folder itself
    model.bytes = json.at("bytes").get<std::uint64_t>();
    model.repository = json.value("repository", std::string());
    model.revision = json.value("revision", std::string());
    model.added = json.value("added", std::string());
    return model;
  } catch (const Json::exception& error) {
    fail(ErrorKind::input, "{}: {}", file.string(), error.what());
  }
}

std::vector<std::string> names_of(const std::vector<StoredModel>& models) {
  std::vector<std::string> names;
  for (const StoredModel& model : models) names.push_back(model.name);
  return names;
}

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

// A name made from a file's: what no name may hold becomes '-'.
std::string speakable(std::string name) {
  for (char& c : name)
    if (!is_plain(c) && c != '/' && c != ':') c = '-';
  return name;
}

std::string quoted(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

// The stored models that a name means: the very name, else "NAME:<any quant>" or the last part of "owner/repo:quant".
std::vector<const StoredModel*> matches(const std::vector<StoredModel>& models, const std::string& wanted) {
  std::vector<const StoredModel*> found;
  for (const StoredModel& model : models)
    if (model.name == wanted) return {&model};
  for (const StoredModel& model : models)
    if (equal_ignoring_case(model.name, wanted)) found.push_back(&model);
  if (!found.empty() || wanted.find(':') != std::string::npos) return found;
  for (const StoredModel& model : models)
    if (equal_ignoring_case(model.name.substr(0, model.name.find(':')), wanted)) found.push_back(&model);
  return found;
}

[[noreturn]] void fail_unfetched(const std::string& reference, const std::string& name,
                                 const std::vector<StoredModel>& models) {
  parse_reference(reference);  // says what is wrong with one that is none
  const std::vector<std::string> near = near_names(name, names_of(models));
  fail(ErrorKind::not_found, "model {} is not on this machine; `limpid pull {}` fetches it{}", reference, reference,
       near.empty() ? "" : "; or did you mean " + quoted(near) + "?");
}

[[noreturn]] void fail_unknown(const std::string& wanted, const std::vector<StoredModel>& models,
                               const Catalogue& catalogue) {
  const std::string bare = wanted.substr(0, wanted.find(':'));
  const CatalogueModel* known = catalogue.find(bare);
  if (known != nullptr) {
    const bool variant = bare.size() == wanted.size() || known->find(wanted.substr(bare.size() + 1)) != nullptr;
    if (variant)
      fail(ErrorKind::not_found, "model {} is not on this machine; `limpid pull {}` fetches it", wanted, wanted);
    std::vector<std::string> quants;
    for (const CatalogueVariant& each : known->variants) quants.push_back(each.quant);
    fail(ErrorKind::not_found, "model {}: known as {}", wanted, quoted(quants));
  }
  std::vector<std::string> names = names_of(models);
  for (const CatalogueModel& model : catalogue.models()) names.push_back(model.name);
  const std::vector<std::string> near = near_names(wanted, names);
  if (!near.empty()) fail(ErrorKind::not_found, "no file and no model '{}'; did you mean {}?", wanted, quoted(near));
  fail(ErrorKind::not_found, "no file and no model '{}'; `limpid models` lists what is here", wanted);
}

// A file of a model that is a directory.
void refuse_part(const fs::path& path) {
  const std::string name = path.filename().string();
  if (name != "config.json" && !name.ends_with(".safetensors") && !name.ends_with(".safetensors.index.json")) return;
  const fs::path folder = path.has_parent_path() ? path.parent_path() : ".";
  std::error_code error;
  if (fs::exists(folder / "config.json", error))
    fail(ErrorKind::input, "{}: a part of a model; give its directory instead: {}", path.string(), folder.string());
  fail(ErrorKind::input, "{}: a part of a model; expected a directory with a config.json beside it", path.string());
}

}  // namespace

std::optional<fs::path> resolve_path(const std::string& model) {
  const fs::path path = model;
  std::error_code error;
  if (!fs::exists(path, error)) return std::nullopt;
  if (!fs::is_directory(path, error)) {
    refuse_part(path);
    return path;
  }
  if (fs::exists(path / "config.json", error))
    return path;  // safetensors, or a shape without weights: whoever opens it says what is missing
  const std::vector<FoundModel> found = find_models(path);
  if (found.size() == 1) return found.front().path;
  std::vector<std::string> names;
  for (const FoundModel& each : found) names.push_back(each.path.filename().string());
  fail(ErrorKind::input, "{}: holds several models, name one of them: {}", path.string(), quoted(names));
}

std::optional<fs::path> store_root(const char* (*get)(const char*)) {
  const auto value = [&](const char* name) {
    const char* text = get(name);
    return fs::path(text == nullptr ? "" : text);
  };
  if (const fs::path home = value("LIMPID_HOME"); !home.empty()) return fs::absolute(home);
  if (const fs::path data = value("XDG_DATA_HOME"); data.is_absolute()) return data / "limpid";
  const fs::path home = value("HOME");
  if (!home.is_absolute()) return std::nullopt;
  return home / ".local" / "share" / "limpid";
}

std::vector<StoredModel> Store::list(std::vector<std::string>* problems) const {
  std::vector<StoredModel> models;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(root_ / "models", error)) {
    const fs::path manifest = entry.path() / kManifest;
    if (!fs::exists(manifest, error)) continue;  // still on its way
    try {
      models.push_back(read_manifest(manifest));
    } catch (const Error& broken) {
      if (problems != nullptr) problems->push_back(broken.what());
    }
  }
  std::sort(models.begin(), models.end(), [](const StoredModel& a, const StoredModel& b) { return a.name < b.name; });
  return models;
}

void Store::check() const {
  std::error_code error;
  fs::directory_iterator(root_ / "models", error);
  if (!error || error == std::errc::no_such_file_or_directory) return;
  std::error_code unknown;
  const fs::path place = fs::is_directory(root_, unknown) ? root_ / "models" : root_;
  if (error == std::errc::not_a_directory) fail(ErrorKind::input, "the store {} is no directory", place.string());
  fail(ErrorKind::system, "read the store {}: {}", place.string(), error.message());
}

fs::path Store::folder(const std::string& name) const {
  std::string folder;
  for (const char c : name) {
    if (is_plain(c))
      folder += c;
    else if (c == '/' || c == ':')
      folder += c == '/' ? '+' : '@';  // neither stands in a name: two names never share a folder
    else
      fail(ErrorKind::input, "model name '{}': letters, digits, '-', '_', '.', '/' and ':' only", name);
  }
  if (folder.empty() || folder.front() == '.' || folder.size() > 200)
    fail(ErrorKind::input, "model name '{}': empty, too long or begins with a dot", name);
  return root_ / "models" / folder;
}

void Store::put(const StoredModel& model) {
  const fs::path place = folder(model.name);
  make_folder(place);
  Json json;
  json["version"] = kVersion;
  json["name"] = model.name;
  json["adopted"] = model.adopted;
  json["path"] = model.adopted ? model.path.string() : model.path.lexically_relative(place).string();
  json["bytes"] = model.bytes;
  json["repository"] = model.repository;
  json["revision"] = model.revision;
  json["added"] = model.added.empty() ? now_utc() : model.added;
  AtomicFile file((place / kManifest).string());
  file.write(json.dump(1) + "\n");
  file.commit();
}

void Store::remove(const std::string& name) {
  const std::vector<StoredModel> models = list();
  const std::vector<const StoredModel*> found = matches(models, name);
  if (found.empty()) {
    check();
    const std::vector<std::string> near = near_names(name, names_of(models));
    fail(ErrorKind::not_found, "no model '{}' in the store{}", name,
         near.empty() ? "" : "; did you mean " + quoted(near) + "?");
  }
  if (found.size() > 1) {
    std::vector<std::string> names;
    for (const StoredModel* each : found) names.push_back(each->name);
    fail(ErrorKind::input, "'{}' fits several models, name one of them: {}", name, quoted(names));
  }
  const fs::path place = folder(found.front()->name);
  fs::remove(place / kManifest);  // first: a removal that breaks off leaves no half model in the list
  fs::remove_all(place);          // links to files elsewhere are removed, not followed
}

std::vector<StoredModel> Store::adopt(const fs::path& path, const std::string& name) {
  const std::vector<FoundModel> found = find_models(path);
  if (!name.empty() && found.size() > 1)
    fail(ErrorKind::input, "{}: holds {} models, so --name is ambiguous", path.string(), found.size());
  std::vector<StoredModel> added;
  for (const FoundModel& each : found) {
    StoredModel model;
    model.name = name.empty() ? each.name : name;
    if (name.empty()) model.name = speakable(model.name);
    model.path = each.path;
    model.bytes = each.bytes;
    model.adopted = true;
    model.repository = each.repository;
    model.revision = each.revision;
    for (const StoredModel& other : list())
      if (other.name == model.name && other.path != model.path)
        fail(ErrorKind::input, "model {} is in the store already ({}); choose another with --name", model.name,
             other.path.string());
    added.push_back(model);
  }
  for (const StoredModel& model : added) put(model);
  return added;
}

fs::path Store::resolve(const std::string& wanted, const Catalogue& catalogue) const {
  if (const std::optional<fs::path> path = resolve_path(wanted)) return *path;
  const bool hub = wanted.starts_with("hf:");
  const std::string name = hub ? wanted.substr(3) : wanted;
  const std::vector<StoredModel> models = list();
  std::vector<const StoredModel*> found = matches(models, name);
  if (found.size() > 1) {  // a bare name: the quant that the catalogue prefers, if it is here
    const CatalogueModel* known = catalogue.find(name);
    for (const StoredModel* model : found)
      if (known != nullptr && equal_ignoring_case(model->name, known->name + ":" + known->preferred)) found = {model};
  }
  if (found.empty()) {
    check();
    if (hub) fail_unfetched(wanted, name, models);
    fail_unknown(name, models, catalogue);
  }
  if (found.size() > 1) {
    std::vector<std::string> names;
    for (const StoredModel* model : found) names.push_back(model->name);
    fail(ErrorKind::input, "'{}' fits several models, name one of them: {}", wanted, quoted(names));
  }
  std::error_code error;
  if (!fs::exists(found.front()->path, error))
    fail(ErrorKind::not_found, "model {}: {} is gone; `limpid models rm {}` forgets it", found.front()->name,
         found.front()->path.string(), found.front()->name);
  return found.front()->path;
}

}  // namespace limpid
