#include "hub/pull.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/error.h"
#include "formats/atomic_file.h"
#include "formats/json.h"
#include "hub/files.h"
#include "hub/part_file.h"

namespace limpid {

namespace fs = std::filesystem;
using Json = nlohmann::json;

namespace {

constexpr std::chrono::milliseconds kLockPoll{100};
constexpr std::size_t kNotesBytes = 4 << 20;

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// Held while a model's folder changes. The file stays: removing it would race with somebody who waits for it.
class FolderLock {
 public:
  FolderLock(const fs::path& folder, const std::function<void()>& waiting, const std::function<bool()>& cancelled) {
    const fs::path path = folder / ".lock";
    fd_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd_ < 0) fail_errno("create", path.string());
    for (bool said = false; flock(fd_, LOCK_EX | LOCK_NB) != 0; said = true) {
      if (!said && waiting) waiting();
      if (cancelled && cancelled()) {
        close(fd_);
        fail(ErrorKind::cancelled, "stopped while waiting for another limpid that fetches this model");
      }
      std::this_thread::sleep_for(kLockPoll);
    }
  }
  ~FolderLock() { close(fd_); }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int fd_ = -1;
};

std::string identity_of(const RemoteFile& file) {
  if (!file.sha256.empty()) return "sha256:" + file.sha256;
  return file.git_sha1.empty() ? "" : "git:" + file.git_sha1;
}

// Which content was verified under which name in a model's folder, so that a file of an earlier revision is not taken
// for the one wanted now.
class Verified {
 public:
  explicit Verified(const fs::path& folder) : path_(folder / ".verified.json") {
    std::error_code error;
    if (!fs::exists(path_, error)) return;
    try {
      json_ = read_json(path_.string(), {.bytes = kNotesBytes});
    } catch (const Error&) {  // notes that cannot be read are no notes: the files are fetched again
    }
    if (!json_.is_object()) json_ = Json::object();
  }

  bool in_place(const PlannedFile& file) const {
    std::error_code error;
    if (!fs::is_regular_file(file.target, error) || fs::file_size(file.target, error) != file.remote.size || error)
      return false;
    const auto entry = json_.find(file.target.filename().string());
    return entry != json_.end() && entry->is_string() && entry->get<std::string>() == identity_of(file.remote);
  }

  void add(const PlannedFile& done) {
    json_[done.target.filename().string()] = identity_of(done.remote);
    AtomicFile file(path_.string());
    file.write(json_.dump(1) + "\n");
    file.commit();
  }

 private:
  fs::path path_;
  Json json_ = Json::object();
};

// The same content in the Hugging Face cache, or "". Its blobs are named by their hash; the hash is checked again
// before the link is made.
fs::path find_cached(const fs::path& cache, const std::string& repository, const std::string& commit,
                     const RemoteFile& file) {
  if (cache.empty()) return {};
  std::string folder = "models--" + repository;
  const std::size_t slash = folder.find('/');
  if (slash != std::string::npos) folder.replace(slash, 1, "--");
  const std::string blob = !file.sha256.empty() ? file.sha256 : file.git_sha1;
  for (const fs::path& path : {cache / folder / "snapshots" / commit / file.path, cache / folder / "blobs" / blob}) {
    std::error_code error;
    const fs::path real = fs::canonical(path, error);
    if (!error && !blob.empty() && fs::is_regular_file(real, error) && fs::file_size(real, error) == file.size)
      return real;
  }
  return {};
}

struct Wanted {
  std::string repository, revision, prefix;   // prefix: the stored name before ":QUANT"
  std::string quant;                          // as the catalogue spells it
  const CatalogueVariant* variant = nullptr;  // null for hf:
};

Wanted look_up(const Catalogue& catalogue, const Reference& reference) {
  Wanted wanted;
  if (reference.hub) {
    wanted.repository = wanted.prefix = reference.name;
    wanted.revision = reference.revision;
    return wanted;
  }
  const CatalogueModel* model = catalogue.find(reference.name);
  if (model == nullptr) {
    std::vector<std::string> names;
    std::string all;
    for (const CatalogueModel& each : catalogue.models()) {
      names.push_back(each.name);
      all += (all.empty() ? "" : ", ") + each.name;
    }
    const std::vector<std::string> near = near_names(reference.name, names, 1);
    if (!near.empty())
      fail(ErrorKind::not_found, "no model '{}' in the catalogue; did you mean {}?", reference.name, near.front());
    fail(ErrorKind::not_found, "no model '{}' in the catalogue, which has {}; hf:OWNER/REPO names any other",
         reference.name, all);
  }
  const std::string quant = reference.variant.empty() ? model->preferred : reference.variant;
  wanted.variant = model->find(quant);
  if (wanted.variant == nullptr) {
    std::string all;
    for (const CatalogueVariant& each : model->variants) all += (all.empty() ? "" : ", ") + each.quant;
    fail(ErrorKind::not_found, "{}: no '{}'; the catalogue has {}", model->name, quant, all);
  }
  wanted.prefix = model->name;
  wanted.quant = wanted.variant->quant;
  wanted.repository = wanted.variant->repository;
  wanted.revision = wanted.variant->revision;
  return wanted;
}

// The files that the catalogue names, as the hub lists them now.
Selection named_files(const CatalogueVariant& variant, const std::vector<RemoteFile>& listed) {
  Selection selection;
  selection.quant = variant.quant;
  for (const CatalogueFile& wanted : variant.files) {
    const auto found =
        std::find_if(listed.begin(), listed.end(), [&](const RemoteFile& file) { return file.path == wanted.path; });
    if (found == listed.end())
      fail(ErrorKind::not_found, "{}: no {} in it any more; hf:{} lists what there is", variant.repository, wanted.path,
           variant.repository);
    if (!wanted.sha256.empty() && !found->sha256.empty() && found->sha256 != wanted.sha256)
      fail(ErrorKind::input,
           "{}: {} was replaced: sha256 {} on the hub, {} in the catalogue; hf:{}:{} takes it as it is now",
           variant.repository, wanted.path, found->sha256, wanted.sha256, variant.repository, base_name(wanted.path));
    selection.files.push_back(*found);
    if (selection.files.back().sha256.empty()) selection.files.back().sha256 = wanted.sha256;
  }
  return selection;
}

// Links the file of the cache, or says what is wrong with it.
std::string link_cached(const PlannedFile& file, const DownloadOptions& options) {
  const HashProgress progress = [&](std::uint64_t) {
    if (options.http.cancelled && options.http.cancelled())
      fail(ErrorKind::cancelled, "stopped while verifying {}", file.cached.string());
  };
  const bool large = !file.remote.sha256.empty();
  const std::string& expected = large ? file.remote.sha256 : file.remote.git_sha1;
  std::string found;
  try {
    found = large ? sha256_of_file(file.cached, progress) : git_sha1_of_file(file.cached, progress);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::cancelled) throw;
    return error.what();  // it cannot be read, or went meanwhile
  }
  if (found != expected) return fmt::format("{}: damaged: hash {}, expected {}", file.cached.string(), found, expected);
  std::error_code error;
  fs::remove(file.target, error);
  fs::create_symlink(file.cached, file.target);
  return {};
}

}  // namespace

fs::path hf_cache_folder(const char* (*get)(const char*)) {
  const auto value = [&](const char* name) {
    const char* text = get(name);
    return fs::path(text == nullptr ? "" : text);
  };
  if (const fs::path hub = value("HF_HUB_CACHE"); !hub.empty()) return hub;
  if (const fs::path home = value("HF_HOME"); !home.empty()) return home / "hub";
  if (const fs::path cache = value("XDG_CACHE_HOME"); !cache.empty()) return cache / "huggingface" / "hub";
  const fs::path home = value("HOME");
  return home.empty() ? fs::path() : home / ".cache" / "huggingface" / "hub";
}

std::string stored_name(const Reference& reference, const Catalogue& catalogue) {
  if (reference.hub) return reference.variant.empty() ? "" : reference.name + ":" + reference.variant;
  const Wanted wanted = look_up(catalogue, reference);
  return wanted.prefix + ":" + wanted.quant;
}

PullPlan plan_pull(Hub& hub, const Store& store, const Catalogue& catalogue, const Reference& reference,
                   const fs::path& cache) {
  const Wanted wanted = look_up(catalogue, reference);
  PullPlan plan;
  plan.repository = wanted.repository;
  plan.revision = hub.commit(wanted.repository, wanted.revision);
  const std::vector<RemoteFile> listed = hub.list(plan.repository, plan.revision);
  const bool named = wanted.variant != nullptr && !wanted.variant->files.empty();
  const std::string select = wanted.variant != nullptr ? wanted.variant->select : reference.variant;
  const Selection selection =
      named ? named_files(*wanted.variant, listed) : select_files(plan.repository, listed, select);
  plan.directory = selection.directory;
  plan.name = wanted.prefix + ":" + (wanted.quant.empty() ? selection.quant : wanted.quant);
  const fs::path folder = store.folder(plan.name);
  plan.disk_free = free_disk(folder);
  const Verified verified(folder);
  for (const RemoteFile& remote : selection.files) {
    PlannedFile file;
    file.remote = remote;
    file.target = folder / base_name(remote.path);
    plan.total += remote.size;
    file.present = verified.in_place(file);
    if (!file.present) file.cached = find_cached(cache, plan.repository, plan.revision, remote);
    if (!file.present && file.cached.empty()) {
      file.earlier = bytes_left_by_earlier(file.target, remote.size, identity_of(remote));
      plan.to_fetch += remote.size - file.earlier;
      plan.disk_needed += disk_still_needed(file.target, remote.size);
    }
    plan.files.push_back(std::move(file));
  }
  return plan;
}

StoredModel execute_pull(const PullPlan& plan, Hub& hub, Store& store, const DownloadOptions& options,
                         const PullEvents& events) {
  const fs::path folder = store.folder(plan.name);
  make_folder(folder);
  const FolderLock lock(folder, events.waiting, options.http.cancelled);
  Verified verified(folder);
  for (const PlannedFile& file : plan.files) {
    if (verified.in_place(file)) {
      if (!file.present && file.cached.empty() && events.resumed) events.resumed(file.remote.size);  // by somebody else
      continue;
    }
    if (!file.cached.empty()) {
      const std::string damage = link_cached(file, options);
      if (damage.empty()) {
        verified.add(file);
        continue;
      }
      if (events.damaged) events.damaged(file, damage);
    }
    if (events.begin) events.begin(file);
    FileJob job;
    job.request = hub.file_request(plan.repository, plan.revision, file.remote.path);
    job.target = file.target;
    job.name = plan.repository + "/" + file.remote.path;
    job.size = file.remote.size;
    job.sha256 = file.remote.sha256;
    job.git_sha1 = file.remote.git_sha1;
    DownloadOptions each = options;
    each.arrived = events.arrived;
    each.resumed = events.resumed;
    each.verified = events.verified;
    download(job, each);
    verified.add(file);
  }
  StoredModel model;
  model.name = plan.name;
  model.path = plan.directory ? folder : plan.files.front().target;
  model.bytes = plan.total;
  model.repository = plan.repository;
  model.revision = plan.revision;
  store.put(model);
  return model;
}

}  // namespace limpid
