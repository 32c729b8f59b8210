#include "app/served_models.h"

#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <filesystem>
#include <mutex>
#include <thread>
#include <unordered_set>

#include "app/built_in.h"
#include "app/hub_setup.h"
#include "app/model_facts.h"
#include "app/session.h"
#include "app/smaller_model.h"
#include "base/error.h"
#include "server/model_name.h"
#include "tensor/layout.h"

namespace limpid {

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kLeastServedContext = 8192;  // whatever the share of memory for caches is, where the model has as much

// What requests call a model: a path's last part, else the name as it was given.
std::string served_name(const std::string& model) {
  std::error_code error;
  if (means_built_in(model)) return std::string(kBuiltInName);
  if (!std::filesystem::exists(model, error)) return model;
  std::string name = std::filesystem::path(model).lexically_normal().filename().string();
  if (name.empty()) name = std::filesystem::path(model).lexically_normal().parent_path().filename().string();
  if (name.ends_with(".gguf")) name.resize(name.size() - 5);
  return name;
}

ServedModelInfo describe(const std::string& id, const ModelFiles& files, const std::string& repository) {
  const ModelFacts facts = count_model(files);
  const bool built_in = id == kBuiltInName && files.checkpoint() != nullptr && files.checkpoint()->in_memory();
  ServedModelInfo out;
  out.id = id;
  out.owner = built_in ? "limpid" : repository.substr(0, repository.find('/'));
  out.architecture = files.config().architecture;
  out.description = fmt::format("{}, {:.1f} million parameters, {}", out.architecture,
                                static_cast<double>(facts.parameters) / 1e6, info(main_type(facts)).name);
  if (built_in) out.description += "; thinks; trained by limpid for small problems of arithmetic and logic";
  struct stat status {};
  if (stat(files.path().c_str(), &status) == 0) out.created = status.st_mtime;
  out.parameters = facts.parameters;
  out.active_parameters = facts.active_parameters;
  out.thinks = files.chat_template().find("think>") != std::string::npos;
  out.sampling = advised_sampling(files);
  return out;
}

// Equal ones give equal answers to equal requests.
std::string fingerprint(const ModelInfo& model, CacheType cache, Precision precision) {
  const std::string all = fmt::format("{:x} {} {} {} {}", model.fingerprint, kNumericsVersion, static_cast<int>(cache),
                                      precision == Precision::exact ? "exact" : "fast", LIMPID_VERSION);
  return fmt::format("fp_{:016x}", siphash128({}, std::as_bytes(std::span(all))).low);
}

// What a loaded model consists of, in the order in which the parts rest on each other.
struct Loaded {
  std::unique_ptr<Model> model;
  Tokenizer tokenizer;
  std::unique_ptr<Engine> engine;
  std::unique_ptr<ChatEngine> chat;
};

struct ServedModel {
  enum class State { absent, busy, loaded };  // busy: somebody loads or unloads it

  ServedModel(std::string name, ModelFiles opened, const std::string& repository)
      : files(std::move(opened)), info(describe(name, files, repository)) {}

  const ModelFiles files;
  ServedModelInfo info;  // changes only while nobody holds a lease
  State state = State::absent;
  std::unique_ptr<Loaded> loaded;
  int leases = 0;
  Clock::time_point used{};
  std::uint64_t reserved = 0;  // of the budget, from before it is loaded until it is gone
  std::uint64_t failures = 0;  // loads that failed, the last one with:
  std::exception_ptr failure;
};

}  // namespace

class LocalModels::Shelf {
 public:
  explicit Shelf(const LocalModelsOptions& options);
  ~Shelf();

  std::vector<ServedModelInfo> list() const;
  std::shared_ptr<ModelLease> lease(const std::string& name);
  std::shared_ptr<ModelLease> lease_if_loaded(const std::string& name);
  std::string id_of(const std::string& name) const;
  void add(const std::string& name);
  // What `ask` gives of the engine of each loaded model.
  template <typename Ask>
  auto of_engines(Ask ask) const {
    const Lock lock(mutex);
    std::vector<std::pair<std::string, decltype(ask(std::declval<const Engine&>()))>> out;
    for (const auto& model : models_)
      if (model->state == ServedModel::State::loaded) out.emplace_back(model->info.id, ask(*model->loaded->engine));
    return out;
  }

  std::uint64_t loads = 0, unloads = 0;
  std::vector<std::string> problems;
  std::shared_ptr<PageStore> disk;
  mutable std::mutex mutex;

 private:
  class Lease;
  struct Sizes {
    EngineOptions engine;
    std::uint64_t fixed = 0;     // weights and work
    std::uint64_t per_page = 0;  // of the cache
    int least_pages = 0, pages = 0;
    std::uint64_t bytes(int of) const { return fixed + static_cast<std::uint64_t>(of) * per_page; }
  };
  using Lock = std::unique_lock<std::mutex>;

  void open_all();
  void check_names();
  ServedModel& find(const std::string& name) const;
  Sizes sizes_of(const ServedModel& model) const;
  void load(ServedModel& model, Lock& lock);
  std::unique_ptr<Loaded> build(const ServedModel& model, const EngineOptions& engine) const;
  void make_room(const ServedModel& model, Sizes& sizes, Lock& lock);
  void unload(ServedModel& model, Lock& lock);
  ServedModel* oldest_idle() const;
  void give_back(ServedModel& model);
  void reap();
  std::uint64_t reserved() const;

  const LocalModelsOptions options_;
  std::uint64_t budget_;
  std::string limited_by_;
  std::shared_ptr<StepTurns> turns_ = std::make_shared<StepTurns>();
  std::vector<std::unique_ptr<ServedModel>> models_;
  std::map<std::string, std::string> aliases_;
  std::condition_variable changed_, reaper_wakes_;
  bool stopping_ = false;
  std::thread reaper_;
};

class LocalModels::Shelf::Lease final : public ModelLease {
 public:
  Lease(Shelf& shelf, ServedModel& model) : shelf_(shelf), model_(model) {}
  ~Lease() override { shelf_.give_back(model_); }
  ChatEngine& chat() override { return *model_.loaded->chat; }
  const ServedModelInfo& info() const override { return model_.info; }

 private:
  Shelf& shelf_;
  ServedModel& model_;
};

LocalModels::Shelf::Shelf(const LocalModelsOptions& options) : options_(options), budget_(options.memory) {
  if (budget_ > 0) {
    limited_by_ = "the limit that was set";
  } else {
    const AvailableMemory available = available_memory();
    budget_ = available.bytes / 10 * 9;
    limited_by_ = available.limited_by;
  }
  open_all();
  check_names();
  if (!options_.cache_directory.empty())
    disk = std::make_shared<PageStore>(
        PageStoreOptions{.directory = options_.cache_directory, .bytes = options_.cache_disk_bytes});
  if (options_.idle_seconds > 0) reaper_ = std::thread([this] { reap(); });
}

LocalModels::Shelf::~Shelf() {
  {
    const Lock lock(mutex);
    stopping_ = true;
  }
  reaper_wakes_.notify_all();
  if (reaper_.joinable()) reaper_.join();
}

void LocalModels::Shelf::open_all() {
  const std::vector<StoredModel> stored = stored_models(&problems);
  const auto repository = [&](const std::string& name) {
    const auto found = std::ranges::find(stored, name, &StoredModel::name);
    return found == stored.end() ? std::string() : found->repository;
  };
  for (const std::string& model : options_.models) {
    const std::string id = served_name(model);
    models_.push_back(std::make_unique<ServedModel>(id, open_model(model), repository(id)));
  }
  if (!options_.store) return;
  for (const StoredModel& model : stored) {
    if (std::ranges::any_of(models_, [&](const auto& other) { return other->info.id == model.name; })) continue;
    try {
      models_.push_back(std::make_unique<ServedModel>(model.name, open_model(model.name), model.repository));
    } catch (const Error& error) {
      problems.push_back(error.what());
    }
  }
}

void LocalModels::Shelf::add(const std::string& name) {
  auto added = std::make_unique<ServedModel>(served_name(name), open_model(name), "");
  const Lock lock(mutex);
  if (std::ranges::none_of(models_, [&](const auto& other) { return other->info.id == added->info.id; }))
    models_.push_back(std::move(added));
}

void LocalModels::Shelf::check_names() {
  if (models_.empty()) fail(ErrorKind::input, "no model to serve was named");
  for (std::size_t i = 0; i < models_.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (models_[i]->info.id == models_[j]->info.id)
        fail(ErrorKind::input, "two models would both be called {}: {} and {}", models_[i]->info.id,
             models_[j]->files.path(), models_[i]->files.path());
  const std::string chosen =
      options_.default_model.empty() ? models_.front()->info.id : served_name(options_.default_model);
  for (const char* name : {"", "default"}) aliases_.emplace(name, chosen);
  for (const std::string& name : deepseek_names()) aliases_.emplace(name, chosen);
  for (const auto& [alias, model] : options_.aliases) aliases_.insert_or_assign(alias, model);
  for (const auto& [alias, model] : aliases_)
    if (std::ranges::none_of(models_, [&](const auto& other) { return other->info.id == model; }))
      fail(ErrorKind::input, "{} stands for {}, which is not among the models that are served",
           alias.empty() ? "the default model" : alias, model);
}

std::vector<ServedModelInfo> LocalModels::Shelf::list() const {
  const Lock lock(mutex);
  std::vector<ServedModelInfo> out;
  for (const auto& model : models_) out.push_back(model->info);
  return out;
}

// An id, an alias, or an id without its quant where that names one model.
ServedModel& LocalModels::Shelf::find(const std::string& name) const {
  const auto with_id = [&](const std::string& id) -> ServedModel* {
    const auto found = std::ranges::find_if(models_, [&](const auto& model) { return model->info.id == id; });
    return found == models_.end() ? nullptr : found->get();
  };
  if (ServedModel* model = with_id(name)) return *model;
  if (const auto alias = aliases_.find(name); alias != aliases_.end()) return *with_id(alias->second);
  ServedModel* only = nullptr;
  int matches = 0;
  std::string names;
  for (const auto& model : models_) {
    names += (names.empty() ? "" : ", ") + model->info.id;
    if (!model->info.id.starts_with(name + ":")) continue;
    only = model.get();
    ++matches;
  }
  if (matches == 1) return *only;
  fail(ErrorKind::not_found, "model: there are {}; none is called \"{}\"", names, name.substr(0, 200));
}

std::string LocalModels::Shelf::id_of(const std::string& name) const {
  const Lock lock(mutex);
  return find(name).info.id;
}

std::shared_ptr<ModelLease> LocalModels::Shelf::lease_if_loaded(const std::string& name) {
  const Lock lock(mutex);
  ServedModel& model = find(name);
  if (model.state != ServedModel::State::loaded) return nullptr;
  ++model.leases;
  return std::make_shared<Lease>(*this, model);
}

std::shared_ptr<ModelLease> LocalModels::Shelf::lease(const std::string& name) {
  Lock lock(mutex);
  ServedModel& model = find(name);
  for (;;) {
    if (model.state == ServedModel::State::loaded) {
      ++model.leases;
      return std::make_shared<Lease>(*this, model);
    }
    if (model.state == ServedModel::State::absent) {
      load(model, lock);
      continue;
    }
    const std::uint64_t failures = model.failures;
    changed_.wait(lock, [&] { return model.state != ServedModel::State::busy; });
    if (model.failures != failures) std::rethrow_exception(model.failure);
  }
}

void LocalModels::Shelf::give_back(ServedModel& model) {
  const Lock lock(mutex);
  --model.leases;
  model.used = Clock::now();
  reaper_wakes_.notify_all();
}

std::uint64_t LocalModels::Shelf::reserved() const {
  std::uint64_t sum = 0;
  for (const auto& model : models_) sum += model->reserved;
  return sum;
}

// The engine's options and what they cost: as many pages as `sequences` contexts need, within the share of the budget
// that is for caches; at least one context.
LocalModels::Shelf::Sizes LocalModels::Shelf::sizes_of(const ServedModel& model) const {
  Sizes out;
  EngineOptions& engine = out.engine;
  engine.threads = options_.threads;
  engine.cache_type = options_.precision == Precision::exact ? CacheType::f32 : options_.cache_type;
  engine.kernels = options_.kernels;
  engine.queue = options_.queue;
  engine.account_queue = options_.account_queue;
  engine.turns = turns_;
  engine.page_store = disk;
  engine.limits.sequences =
      options_.sequences > 0 ? options_.sequences : (options_.team ? kTeamSequences : kPersonSequences);
  const MemoryNeeds needs = memory_needs(model.files, options_.precision, engine.cache_type, engine, 1);
  out.fixed = needs.weights + needs.work;
  out.per_page = page_bytes(needs.layout) * static_cast<std::uint64_t>(needs.layers);

  const std::uint64_t left = budget_ > out.fixed ? budget_ - out.fixed : 0;
  const std::uint64_t share = options_.cache > 0 ? options_.cache : left / (options_.team ? 2 : 4);
  const auto in_share = static_cast<std::int64_t>(std::min<std::uint64_t>(share / out.per_page, 1 << 24));
  int context = options_.context;
  if (context == 0)
    context = static_cast<int>(std::clamp<std::int64_t>(in_share * kPageTokens, kLeastServedContext, 1 << 30));
  context = std::min(context, needs.model_context);
  if (options_.context == 0 && out.fixed + static_cast<std::uint64_t>(context) / kPageTokens * out.per_page > budget_)
    context = 0;  // what fits
  MemoryPlan plan;
  try {
    plan = plan_memory(needs, {budget_, limited_by_}, context);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::resources) throw;
    fail(ErrorKind::resources, "{}: {}; {}", model.files.path(), error.what(), smaller_model(model.files, budget_));
  }
  engine.context = plan.context;
  out.least_pages = plan.pages;
  out.pages = static_cast<int>(
      std::clamp<std::int64_t>(in_share, plan.pages, std::int64_t{plan.pages} * engine.limits.sequences));
  return out;
}

ServedModel* LocalModels::Shelf::oldest_idle() const {
  ServedModel* oldest = nullptr;
  for (const auto& model : models_)
    if (model->state == ServedModel::State::loaded && model->leases == 0 && (!oldest || model->used < oldest->used))
      oldest = model.get();
  return oldest;
}

// Unloads what is idle until the model fits with all the pages that it should have; where that is not to be had, with
// as many as there is room for.
void LocalModels::Shelf::make_room(const ServedModel& model, Sizes& sizes, Lock& lock) {
  const auto room = [&] { return budget_ - std::min(budget_, reserved()); };
  while (sizes.bytes(sizes.pages) > room()) {
    ServedModel* idle = oldest_idle();
    if (idle == nullptr) break;
    unload(*idle, lock);
  }
  if (sizes.bytes(sizes.least_pages) > room()) {
    std::string users;
    for (const auto& other : models_)
      if (other->reserved > 0)
        users += fmt::format("{}{} {} MiB", users.empty() ? "" : ", ", other->info.id, other->reserved >> 20);
    fail(ErrorKind::resources, "{} needs {} MiB of memory; {} of {} MiB ({}) are free beside what is in use ({})",
         model.info.id, sizes.bytes(sizes.least_pages) >> 20, room() >> 20, budget_ >> 20, limited_by_, users);
  }
  const auto fits = static_cast<std::int64_t>((room() - sizes.fixed) / sizes.per_page);
  sizes.pages = static_cast<int>(std::min<std::int64_t>(sizes.pages, fits));
}

void LocalModels::Shelf::load(ServedModel& model, Lock& lock) {
  model.state = ServedModel::State::busy;
  Sizes sizes;
  const auto failed = [&] {
    if (!lock.owns_lock()) lock.lock();
    model.reserved = 0;
    ++model.failures;
    model.failure = std::current_exception();
    model.state = ServedModel::State::absent;
    changed_.notify_all();
  };
  try {
    sizes = sizes_of(model);
    make_room(model, sizes, lock);
    model.reserved = sizes.bytes(sizes.pages);
    sizes.engine.pages = sizes.pages;
    lock.unlock();
    std::unique_ptr<Loaded> loaded = build(model, sizes.engine);
    lock.lock();
    model.loaded = std::move(loaded);
  } catch (...) {
    failed();
    throw;
  }
  model.info.bytes = static_cast<std::int64_t>(model.reserved);
  model.info.context = model.loaded->engine->context();
  model.info.thinks = model.loaded->chat->builder().thinks();
  model.info.fingerprint = fingerprint(model.loaded->model->info(), sizes.engine.cache_type, options_.precision);
  model.info.loaded = true;
  model.used = Clock::now();
  model.state = ServedModel::State::loaded;
  ++loads;
  changed_.notify_all();
  reaper_wakes_.notify_all();
}

std::unique_ptr<Loaded> LocalModels::Shelf::build(const ServedModel& model, const EngineOptions& engine) const {
  const std::uint64_t weights = packed_model_bytes(model.files, options_.precision);
  if (const AvailableMemory now = available_memory(); weights > now.bytes)
    fail(ErrorKind::resources, "{}: its weights need {} MiB, {} MiB are available now ({})", model.info.id,
         weights >> 20, now.bytes >> 20, now.limited_by);
  const int threads = options_.threads > 0 ? options_.threads : default_threads();
  std::unique_ptr<Model> packed = load_model(model.files, options_.precision, threads);
  auto out = std::make_unique<Loaded>(Loaded{std::move(packed), open_tokenizer(model.files), {}, {}});
  out->engine = std::make_unique<Engine>(*out->model, engine);
  out->chat =
      std::make_unique<ChatEngine>(*out->engine, out->tokenizer, model.files.chat_template(), model.files.end_ids());
  out->engine->start();
  return out;
}

// With the lock on the way in and out; not while its memory is given back.
void LocalModels::Shelf::unload(ServedModel& model, Lock& lock) {
  model.state = ServedModel::State::busy;
  model.info.loaded = false;
  std::unique_ptr<Loaded> old = std::move(model.loaded);
  lock.unlock();
  old.reset();
  lock.lock();
  model.reserved = 0;
  model.state = ServedModel::State::absent;
  ++unloads;
  changed_.notify_all();
}

void LocalModels::Shelf::reap() {
  const auto idle = std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options_.idle_seconds));
  Lock lock(mutex);
  while (!stopping_) {
    ServedModel* oldest = oldest_idle();
    if (oldest == nullptr)
      reaper_wakes_.wait(lock);
    else if (Clock::now() - oldest->used >= idle)
      unload(*oldest, lock);
    else
      reaper_wakes_.wait_until(lock, oldest->used + idle);
  }
}

LocalModels::LocalModels(const LocalModelsOptions& options) : shelf_(std::make_unique<Shelf>(options)) {}
LocalModels::~LocalModels() = default;
std::vector<ServedModelInfo> LocalModels::list() const { return shelf_->list(); }
std::shared_ptr<ModelLease> LocalModels::lease(const std::string& model) { return shelf_->lease(model); }
std::shared_ptr<ModelLease> LocalModels::lease_if_loaded(const std::string& model) {
  return shelf_->lease_if_loaded(model);
}
void LocalModels::add(const std::string& model) { shelf_->add(model); }
std::string LocalModels::id_of(const std::string& model) const { return shelf_->id_of(model); }
std::vector<std::pair<std::string, EngineStatistics>> LocalModels::statistics() const {
  return shelf_->of_engines([](const Engine& engine) { return engine.statistics(); });
}
std::vector<std::pair<std::string, EngineLoad>> LocalModels::queues() const {
  return shelf_->of_engines([](const Engine& engine) { return engine.load(); });
}
const std::vector<std::string>& LocalModels::problems() const { return shelf_->problems; }

PageStoreStatistics LocalModels::disk() const {
  return shelf_->disk == nullptr ? PageStoreStatistics{} : shelf_->disk->statistics();
}

void LocalModels::forget_account(const std::string& account) {
  if (shelf_->disk != nullptr) shelf_->disk->remove_owner(owner_of(account));
}

void LocalModels::forget_accounts_unless(const std::function<std::vector<std::string>()>& there) {
  if (shelf_->disk == nullptr) return;
  const std::vector<Hash128> owners = shelf_->disk->owners();
  if (owners.empty()) return;
  std::unordered_set<Hash128> kept;
  for (const std::string& account : there()) kept.insert(owner_of(account));
  for (const Hash128& owner : owners)
    if (!kept.contains(owner)) shelf_->disk->remove_owner(owner);
}

std::uint64_t LocalModels::loads() const {
  const std::lock_guard lock(shelf_->mutex);
  return shelf_->loads;
}

std::uint64_t LocalModels::unloads() const {
  const std::lock_guard lock(shelf_->mutex);
  return shelf_->unloads;
}

}  // namespace limpid
