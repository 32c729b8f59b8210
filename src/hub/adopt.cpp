#include "hub/adopt.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <map>

#include "base/error.h"
#include "hub/reference.h"

namespace limpid {

namespace fs = std::filesystem;

namespace {

bool is_gguf_name(const fs::path& path) { return equal_ignoring_case(path.extension().string(), ".gguf"); }

// "models--OWNER--REPO" -> "OWNER/REPO"; "" for any other name.
std::string cached_repository(const fs::path& folder) {
  const std::string name = folder.filename().string();
  if (name.rfind("models--", 0) != 0) return "";
  const std::string rest = name.substr(8);
  const std::size_t cut = rest.find("--");
  return cut == std::string::npos ? "" : rest.substr(0, cut) + "/" + rest.substr(cut + 2);
}

constexpr int kLevels = 2;  // folders below the given one that are looked into: QUANT/ of a repository, and one more

bool is_file(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

// Everything in a folder; nothing, and the reason in `error`, where it cannot be read.
std::vector<fs::directory_entry> entries_of(const fs::path& folder, std::error_code& error) {
  std::vector<fs::directory_entry> entries;
  for (fs::directory_iterator each(folder, error), end; !error && each != end; each.increment(error))
    entries.push_back(*each);
  return entries;
}

std::vector<fs::directory_entry> entries_of(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::directory_entry> entries = entries_of(folder, error);
  if (error) fail(ErrorKind::input, "{}: the directory cannot be read: {}", folder.string(), error.message());
  return entries;
}

// The parts of one GGUF in their folder, checked: none missing, each a GGUF.
FoundModel gguf_model(const fs::path& file) {
  const std::string stem = stem_of(file.filename().string());
  std::vector<RemoteFile> all;
  for (const fs::directory_entry& entry : entries_of(file.parent_path())) {
    const std::string name = entry.path().filename().string();
    if (is_gguf_name(entry.path()) && stem_of(name) == stem) all.push_back({name, 0, "", ""});
  }
  const Selection selection =
      select_files(file.parent_path().string(), all, file.filename().string());  // refuses missing parts
  FoundModel model;
  model.name = stem;
  model.path = file.parent_path() / selection.files.front().path;
  for (const RemoteFile& part : selection.files) model.bytes += check_gguf(file.parent_path() / part.path);
  return model;
}

std::uint64_t weights_in(const fs::path& folder) {
  std::uint64_t bytes = 0;
  for (const fs::directory_entry& entry : entries_of(folder))
    if (equal_ignoring_case(entry.path().extension().string(), ".safetensors") && is_file(entry.path()))
      bytes += entry.file_size();
  return bytes;
}

// The GGUF files of `entries` and of the folders among them, `levels` deep. Links to folders are not followed, a folder
// below that cannot be read has none.
void list_ggufs(const std::vector<fs::directory_entry>& entries, int levels, std::vector<fs::path>& files) {
  for (const fs::directory_entry& entry : entries) {
    const std::string name = entry.path().filename().string();
    std::error_code error;
    if (levels > 0 && !entry.is_symlink(error) && entry.is_directory(error))
      list_ggufs(entries_of(entry.path(), error), levels - 1, files);
    else if (is_gguf_name(entry.path()) && !is_later_part(name) && name.rfind("mmproj", 0) != 0 &&
             is_file(entry.path()))
      files.push_back(entry.path());
  }
}

void ggufs_below(const fs::path& folder, std::vector<FoundModel>& found) {
  std::vector<fs::path> files;
  list_ggufs(entries_of(folder), kLevels, files);
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files) found.push_back(gguf_model(file));
}

}  // namespace

std::uint64_t check_gguf(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  char magic[4] = {};
  if (!in.read(magic, 4) || std::memcmp(magic, "GGUF", 4) != 0)
    fail(ErrorKind::input, "{}: expected a GGUF file, its first four bytes say otherwise", file.string());
  return fs::file_size(file);
}

std::vector<FoundModel> find_models(const fs::path& given) {
  std::error_code error;
  fs::path path = fs::absolute(given, error).lexically_normal();
  if (path.filename().empty()) path = path.parent_path();  // "folder/"
  if (!fs::exists(path, error)) fail(ErrorKind::not_found, "{}: no such file or directory", path.string());
  if (!fs::is_directory(path)) {
    if (!is_gguf_name(path)) fail(ErrorKind::input, "{}: expected a .gguf file or a directory", path.string());
    return {gguf_model(path)};
  }
  std::string repository = cached_repository(path), revision;
  if (!repository.empty()) {
    std::ifstream ref(path / "refs" / "main");
    if (!(ref >> revision) || revision.find('/') != std::string::npos ||
        !fs::is_directory(path / "snapshots" / revision, error))
      fail(ErrorKind::not_found, "{}: no snapshot of its main branch in the cache", path.string());
    path = path / "snapshots" / revision;
  } else if (path.parent_path().filename() == "snapshots") {
    repository = cached_repository(path.parent_path().parent_path());
    if (!repository.empty()) revision = path.filename().string();
  }
  std::vector<FoundModel> found;
  if (fs::exists(path / "config.json", error) && weights_in(path) > 0) {
    FoundModel model;
    model.name = path.filename().string();
    model.path = path;
    model.bytes = weights_in(path);
    found.push_back(model);
  }
  ggufs_below(path, found);
  if (found.empty())
    fail(ErrorKind::not_found,
         "{}: no .gguf and no config.json with .safetensors in it, nor in its folders to a depth of {}", path.string(),
         kLevels);
  for (FoundModel& model : found) {
    model.repository = repository;
    model.revision = revision;
    if (repository.empty()) continue;
    const bool directory = fs::is_directory(model.path);
    const std::string quant = directory ? "safetensors" : quant_of(model.path.filename().string());
    model.name = repository + ":" + (quant.empty() ? stem_of(model.path.filename().string()) : quant);
  }
  return found;
}

}  // namespace limpid
