// From a reference to a model in the store: a plan that says everything before the first byte, and its execution.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "hub/download.h"
#include "hub/hub_api.h"
#include "hub/store.h"

namespace limpid {

struct PlannedFile {
  RemoteFile remote;
  std::filesystem::path target;
  bool present = false;          // verified and in place
  std::filesystem::path cached;  // the same content in the Hugging Face cache: it is linked, not fetched
  std::uint64_t earlier = 0;     // bytes that a broken-off transfer left
};

struct PullPlan {
  std::string name;                  // in the store
  std::string repository, revision;  // revision: a commit
  bool directory = false;            // safetensors
  std::vector<PlannedFile> files;
  std::uint64_t total = 0;     // bytes of all files
  std::uint64_t to_fetch = 0;  // bytes that must still cross the network
  std::uint64_t disk_needed = 0, disk_free = 0;
};

// The folder of the Hugging Face cache: $HF_HUB_CACHE, $HF_HOME/hub, $XDG_CACHE_HOME/huggingface/hub or
// ~/.cache/huggingface/hub; "" without a home.
std::filesystem::path hf_cache_folder(const char* (*get)(const char*));

// The name that the reference will have in the store, as far as it is known without asking the hub; "" if it is not.
std::string stored_name(const Reference& reference, const Catalogue& catalogue);

// Asks the hub what the reference means. Throws Error, also when a catalogued hash differs from what the hub publishes
// now.
PullPlan plan_pull(Hub& hub, const Store& store, const Catalogue& catalogue, const Reference& reference,
                   const std::filesystem::path& cache);

struct PullEvents {
  // A file of the Hugging Face cache that is not what the hub publishes, with what is wrong: it is fetched instead, unless
  // this throws. Its bytes are not in PullPlan::to_fetch.
  std::function<void(const PlannedFile&, const std::string&)> damaged;
  std::function<void(const PlannedFile&)> begin;  // of a file that is fetched
  std::function<void(std::int64_t)> arrived;      // see DownloadOptions
  std::function<void(std::uint64_t)> resumed;  // there already: an earlier pull left it, or another one just fetched it
  std::function<void(std::uint64_t)> verified;
  std::function<void()> waiting;  // another process is fetching this model; called once
};

// Fetches, verifies, and puts the model into the store. One process at a time per model: others wait, and find it done.
StoredModel execute_pull(const PullPlan& plan, Hub& hub, Store& store, const DownloadOptions& options,
                         const PullEvents& events);

}  // namespace limpid
