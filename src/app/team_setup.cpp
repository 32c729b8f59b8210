#include "app/team_setup.h"

#include <cstdlib>
#include <filesystem>

#include "app/hub_setup.h"
#include "base/error.h"

namespace limpid {

TeamOptions team_files(const std::string& data) {
  namespace fs = std::filesystem;
  const char* environment = std::getenv("LIMPID_DATA");
  fs::path folder = data;
  if (folder.empty() && environment != nullptr) folder = environment;
  if (folder.empty()) folder = open_store().root() / "team";
  std::error_code error;
  if (fs::create_directories(folder, error)) fs::permissions(folder, fs::perms::owner_all, error);
  if (error) fail(ErrorKind::system, "make the team's folder {}: {}", folder.string(), error.message());
  TeamOptions options;
  options.database = (folder / "team.db").string();
  if (const fs::path config = folder / "team.json"; fs::exists(config)) options.config_file = config.string();
  return options;
}

}  // namespace limpid
