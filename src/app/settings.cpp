#include "app/settings.h"

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "app/environment.h"
#include "base/error.h"
#include "formats/atomic_file.h"
#include "formats/json.h"

namespace limpid {

namespace {

namespace fs = std::filesystem;

constexpr const char* kChatModel = "chat_model";

nlohmann::json read_object(const fs::path& path) {
  std::error_code error;
  if (path.empty() || !fs::exists(path, error)) return nlohmann::json::object();
  nlohmann::json json = read_json(path.string(), {.bytes = 1 << 20});
  if (!json.is_object()) fail(ErrorKind::input, "{}: expected an object, found {}", path.string(), json.type_name());
  return json;
}

}  // namespace

fs::path settings_path() {
  if (const std::string home = environment_text("LIMPID_HOME"); !home.empty()) return fs::path(home) / "settings.json";
  if (const std::string config = environment_text("XDG_CONFIG_HOME"); !config.empty())
    return fs::path(config) / "limpid" / "settings.json";
  if (const std::string home = environment_text("HOME"); !home.empty())
    return fs::path(home) / ".config" / "limpid" / "settings.json";
  return {};
}

Settings read_settings() {
  const fs::path path = settings_path();
  const nlohmann::json json = read_object(path);
  Settings out;
  const auto found = json.find(kChatModel);
  if (found == json.end()) return out;
  if (!found->is_string())
    fail(ErrorKind::input, "{}: {}: expected a text, found {}", path.string(), kChatModel, found->dump());
  out.chat_model = found->get<std::string>();
  return out;
}

void write_settings(const Settings& settings) {
  const fs::path path = settings_path();
  if (path.empty()) fail(ErrorKind::system, "no HOME to keep the choice in");
  nlohmann::json json = read_object(path);
  json[kChatModel] = settings.chat_model;
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  if (error) fail(ErrorKind::system, "create {}: {}", path.parent_path().string(), error.message());
  AtomicFile file(path.string());
  file.write(json.dump(2) + "\n");
  file.commit();
}

}  // namespace limpid
