// The store: models that this machine has, by name. One folder per model under ROOT/models, with `model.json` beside
// its files; a model is in the store exactly when that file stands there, and it is written last. Files that lie
// elsewhere are adopted: the manifest names their path, and removing such a model leaves them alone.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "hub/catalogue.h"

namespace limpid {

struct StoredModel {
  std::string name;                  // "r1-distill-qwen-1.5b:Q4_K_M", "owner/repo:Q8_0", or what the user chose
  std::filesystem::path path;        // what a command opens: a .gguf (the first part) or a directory
  std::uint64_t bytes = 0;           // of its weights and what belongs to them
  bool adopted = false;              // the files lie elsewhere
  std::string repository, revision;  // where it came from; "" when unknown
  std::string added;                 // ISO 8601, UTC
};

inline constexpr const char* kNoStore = "no place for models: none of LIMPID_HOME, XDG_DATA_HOME and HOME is set";

// $LIMPID_HOME, or $XDG_DATA_HOME/limpid, or ~/.local/share/limpid; `get` looks up an environment variable (null when
// unset). Nothing where none of them is set.
std::optional<std::filesystem::path> store_root(const char* (*get)(const char*));

// MODEL as a path: the file, the only model in a directory, or the directory; nothing where no file has that name. Throws
// Error(input | not_found) for a directory without a model or with several, and for a file that is only a part of one.
std::optional<std::filesystem::path> resolve_path(const std::string& model);

class Store {
 public:
  explicit Store(std::filesystem::path root) : root_(std::move(root)) {}

  const std::filesystem::path& root() const { return root_; }

  // Sorted by name. A manifest that cannot be read is skipped and named in `problems`, if given.
  std::vector<StoredModel> list(std::vector<std::string>* problems = nullptr) const;

  // Throws Error(input | system) where what should be the store's folder is none, or cannot be read. One that is not there
  // is an empty store.
  void check() const;

  // The folder of a model, whether it is there or not. Throws Error(input) for a name that is none.
  std::filesystem::path folder(const std::string& name) const;

  // Writes the manifest: from now on the model is in the store. model.path must lie in folder(name) unless
  // model.adopted.
  void put(const StoredModel& model);

  // Forgets the model and deletes the files that lie in its folder. Throws Error(not_found) with near names.
  void remove(const std::string& name);

  // Takes files that are already on this machine, without copying: a .gguf (any part of a split one), a directory of
  // safetensors, or a repository of the Hugging Face cache (models--OWNER--REPO, or a snapshot in it). Returns what was
  // added. Throws Error(input | not_found).
  std::vector<StoredModel> adopt(const std::filesystem::path& path, const std::string& name = "");

  // What every command does with its MODEL: a path (see resolve_path()), or a name in the store, with or without its quant.
  // Throws Error(not_found) that says what is near, or how to get it if `catalogue` knows it or it begins with "hf:".
  std::filesystem::path resolve(const std::string& model, const Catalogue& catalogue) const;

 private:
  std::filesystem::path root_;
};

}  // namespace limpid
