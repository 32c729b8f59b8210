// LocalModels: the models of this machine behind server/'s interface. Each is loaded when first asked for, by one
// thread, while the others go on serving; those that ask for it meanwhile wait for the same load. A model that nobody
// uses is unloaded after a while, or earlier where another one needs its memory (the least recently used first).
//
// What a request names is looked up in a list: no name leads to a file that is not in it. It only grows, by add().
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "app/command.h"
#include "models/load.h"
#include "server/served_models.h"

namespace limpid {

inline constexpr int kPersonSequences = 4, kTeamSequences = 32;  // answers at a time, where nothing is said

struct LocalModelsOptions {
  std::vector<std::string> models;  // as every command takes them: names in the store, paths, r1-nano, BASE+ADAPTER
  bool store = false;               // besides, everything that is in the store; what cannot be opened is left out
  std::string default_model;        // what requests that name none get; empty: the first of `models`
  std::map<std::string, std::string> aliases;  // name -> name of a model; the empty name stands for the default anyway

  int threads = 0;             // 0: default_threads()
  int context = 0;             // tokens of a conversation; 0: what the model and memory allow
  int sequences = 0;           // answers at a time; 0: 4, of a team 32
  int queue = 256;             // requests that may wait for each model
  int account_queue = 0;       // of one account; 0: no bound of its own
  bool team = false;           // many conversations at a time: half of the memory for caches instead of a quarter
  std::uint64_t memory = 0;    // bytes for all models with their caches; 0: nine tenths of what is free at the start
  std::uint64_t cache = 0;     // bytes of a model's cache; 0: as above, no more than `sequences` contexts need
  double idle_seconds = 1800;  // unused for that long: unloaded; 0: never
  Precision precision = Precision::fast;
  CacheType cache_type = CacheType::f16;  // of all models; f32 where the precision is exact
  const KernelTable* kernels = nullptr;   // needed
  std::filesystem::path cache_directory;  // of the prefix cache on disk; empty: none
  std::uint64_t cache_disk_bytes = std::uint64_t{4} << 30;
};

class LocalModels : public ServedModels {
 public:
  // Opens the files of all models, loads none. Throws Error as open_model() does, Error(input) for two models of one
  // name, an alias of nothing, no model at all. Must outlive its leases.
  explicit LocalModels(const LocalModelsOptions& options);
  ~LocalModels() override;

  std::vector<ServedModelInfo> list() const override;
  std::shared_ptr<ModelLease> lease(const std::string& model) override;
  std::shared_ptr<ModelLease> lease_if_loaded(const std::string& model) override;
  std::string id_of(const std::string& model) const override;
  std::vector<std::pair<std::string, EngineStatistics>> statistics() const override;
  std::vector<std::pair<std::string, EngineLoad>> queues() const override;

  // A model that came into the store meanwhile; nothing where it is in the list already. Throws Error as open_model().
  void add(const std::string& model);

  // What the disk has of an account's prompts is removed, and nothing of it is kept from now on.
  void forget_account(const std::string& account);
  // Of every account that is not among those there are; asked for them after it was looked at what the disk has.
  void forget_accounts_unless(const std::function<std::vector<std::string>()>& there);

  std::uint64_t loads() const;                       // since the start
  std::uint64_t unloads() const;                     // likewise
  const std::vector<std::string>& problems() const;  // of the store: what was left out, and why
  PageStoreStatistics disk() const;                  // of the prefix cache on disk; all zero where there is none

 private:
  class Shelf;
  std::unique_ptr<Shelf> shelf_;
};

}  // namespace limpid
