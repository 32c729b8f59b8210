#include "app/app_host.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <tuple>

#include "app/bandwidth.h"
#include "app/format.h"
#include "app/hub_setup.h"
#include "app/model_choice.h"
#include "app/training_runs.h"
#include "base/thread_team.h"
#include "engine/memory_plan.h"
#include "hub/catalogue.h"
#include "hub/pull.h"
#include "hub/reference.h"

namespace limpid {

namespace {

using Clock = std::chrono::steady_clock;

// Of this process; 0 where the system does not say.
std::uint64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t total = 0, resident = 0;
  file >> total >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

std::uint64_t free_bytes(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::path at = folder;
  while (!at.empty() && !std::filesystem::exists(at, error) && at != at.parent_path()) at = at.parent_path();
  const auto space = std::filesystem::space(at, error);
  return error ? 0 : space.available;
}

PlannedModel as_planned(const CatalogueModel& model, const CatalogueVariant& variant, const MachineFacts& machine,
                        bool here) {
  PlannedModel out;
  out.name = model.name + ":" + variant.quant;
  out.title = model.title + " " + variant.quant;
  out.description = model.good_at;
  out.bytes = variant.bytes;
  out.here = here;
  if (const std::uint64_t needed = memory_needed(variant.bytes); needed > machine.memory)
    out.reason = fmt::format("needs {} of memory, {} are there", human_bytes(needed), human_bytes(machine.memory));
  else if (!here && variant.bytes > machine.disk)
    out.reason = fmt::format("needs {} of disk, {} are free", human_bytes(variant.bytes), human_bytes(machine.disk));
  out.fits = out.reason.empty();
  if (out.fits) out.tokens_per_second = tokens_per_second(model, variant.bytes, machine.bandwidth);
  return out;
}

// The one that `pull NAME` means where it fits, else the largest that does, else the smallest.
const CatalogueVariant* best_variant(const CatalogueModel& model, const MachineFacts& machine) {
  const auto fits = [&](const CatalogueVariant& v) {
    return v.bytes > 0 && memory_needed(v.bytes) <= machine.memory && v.bytes <= machine.disk;
  };
  const CatalogueVariant* preferred = model.find(model.preferred);
  if (preferred != nullptr && fits(*preferred)) return preferred;
  const CatalogueVariant *largest = nullptr, *smallest = nullptr;
  for (const CatalogueVariant& variant : model.variants) {
    if (variant.bytes == 0) continue;
    if (smallest == nullptr || variant.bytes < smallest->bytes) smallest = &variant;
    if (fits(variant) && (largest == nullptr || variant.bytes > largest->bytes)) largest = &variant;
  }
  return largest != nullptr ? largest : smallest;
}

}  // namespace

MachineHost::MachineHost(MachineHostOptions options) : options_(std::move(options)) {
  thread_ = std::thread([this] { loop(); });
}

MachineHost::~MachineHost() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = cancel_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

double MachineHost::bandwidth() {
  const std::lock_guard lock(measure_mutex_);
  const int threads = options_.options.threads > 0 ? options_.options.threads : default_threads();
  if (bandwidth_ == 0) bandwidth_ = memory_bandwidth(threads, available_memory().bytes);
  return bandwidth_;
}

MachineMemory MachineHost::memory() const { return {resident_bytes(), available_memory().bytes}; }

std::vector<PlannedModel> MachineHost::plan() {
  const Catalogue catalogue = Catalogue::built_in();
  const Store store = open_store();
  const MachineFacts machine{available_memory().bytes, free_bytes(store.root()), bandwidth()};
  const std::vector<StoredModel> stored = store.list();
  const auto is_here = [&](const std::string& name) {
    return std::ranges::any_of(stored, [&](const StoredModel& m) { return equal_ignoring_case(m.name, name); });
  };
  struct Fitting {
    PlannedModel model;
    bool comfortable;  // a reasoning model thinks for thousands of tokens
    double aime;
  };
  std::vector<Fitting> fitting;
  std::vector<PlannedModel> out, others;
  for (const CatalogueModel& model : catalogue.models()) {
    const CatalogueVariant* variant = best_variant(model, machine);
    if (variant == nullptr) continue;
    PlannedModel planned = as_planned(model, *variant, machine, is_here(model.name + ":" + variant->quant));
    const bool comfortable = planned.tokens_per_second >= kComfortable;
    if (planned.fits)
      fitting.push_back({std::move(planned), comfortable, model.aime});
    else
      others.push_back(std::move(planned));
  }
  // As the menu of `limpid chat`: first the best of those that are quick enough here, then the others.
  std::ranges::stable_sort(fitting, [](const Fitting& a, const Fitting& b) {
    return std::tuple(a.comfortable && a.aime > 0, a.aime, a.model.bytes) >
           std::tuple(b.comfortable && b.aime > 0, b.aime, b.model.bytes);
  });
  std::ranges::stable_sort(others, std::less{}, &PlannedModel::bytes);
  for (Fitting& one : fitting) out.push_back(std::move(one.model));
  out.insert(out.end(), others.begin(), others.end());
  return out;
}

std::vector<PullState> MachineHost::pulls() const {
  const std::lock_guard lock(mutex_);
  return pulls_;
}

PullState MachineHost::pull(const std::string& name) {
  if (!options_.may_pull || options_.options.offline)
    fail(ErrorKind::unsupported, "{}: this server does not fetch models (offline, or not for you)", name);
  const std::size_t colon = name.find(':');
  const CatalogueModel* model = nullptr;
  const Catalogue catalogue = Catalogue::built_in();
  model = catalogue.find(name.substr(0, colon));
  if (model == nullptr || (colon != std::string::npos && model->find(name.substr(colon + 1)) == nullptr))
    fail(ErrorKind::not_found, "model '{}': the catalogue has no such name", name);
  const std::lock_guard lock(mutex_);
  auto state = std::ranges::find(pulls_, name, &PullState::name);
  if (state != pulls_.end() && state->state == PullState::State::running) return *state;
  if (state == pulls_.end()) state = pulls_.insert(pulls_.end(), PullState{});
  *state = PullState{};
  state->name = name;
  queue_.push_back(name);
  wake_.notify_all();
  return *state;
}

void MachineHost::cancel_pull(const std::string& name) {
  const std::lock_guard lock(mutex_);
  const auto state = std::ranges::find(pulls_, name, &PullState::name);
  if (state == pulls_.end() || state->state != PullState::State::running) return;
  if (fetching_ == name)
    cancel_ = true;
  else
    state->state = PullState::State::cancelled;
  std::erase(queue_, name);
}

void MachineHost::update(const std::string& name, const std::function<void(PullState&)>& change) {
  const std::lock_guard lock(mutex_);
  const auto state = std::ranges::find(pulls_, name, &PullState::name);
  if (state != pulls_.end()) change(*state);
}

void MachineHost::loop() {
  for (;;) {
    std::string name;
    {
      std::unique_lock lock(mutex_);
      fetching_.clear();
      wake_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
      if (stopping_) return;
      name = fetching_ = queue_.front();
      queue_.pop_front();
      cancel_ = false;
    }
    try {
      fetch(name);
      update(name, [](PullState& state) {
        state.state = PullState::State::done;
        state.done = state.total;
      });
      if (options_.pulled) options_.pulled(name);
    } catch (const Error& error) {
      const bool cancelled = error.kind() == ErrorKind::cancelled;
      update(name, [&](PullState& state) {
        state.state = cancelled ? PullState::State::cancelled : PullState::State::failed;
        state.error = cancelled ? "" : error.what();
      });
    } catch (const std::exception& error) {
      update(name, [&](PullState& state) {
        state.state = PullState::State::failed;
        state.error = error.what();
      });
    }
  }
}

void MachineHost::fetch(const std::string& name) {
  const Catalogue catalogue = Catalogue::built_in();
  Store store = open_store();
  HubOptions options = hub_options(options_.options, [this] {
    const std::lock_guard lock(mutex_);
    return cancel_;
  });
  options.retry.attempts = 4;
  Hub hub(options);
  const PullPlan plan = plan_pull(hub, store, catalogue, parse_reference(name), hugging_face_cache());
  if (plan.disk_needed > plan.disk_free)
    fail(ErrorKind::resources, "{}: {} more needed, {} free on the disk", plan.name, human_bytes(plan.disk_needed),
         human_bytes(plan.disk_free));
  std::uint64_t total = 0;
  for (const PlannedFile& file : plan.files)
    if (!file.present && file.cached.empty()) total += file.remote.size;
  update(name, [&](PullState& state) { state.total = total; });
  DownloadOptions download;
  download.http = options.http;
  download.retry = options.retry;
  download.retry.attempts = 8;
  const Clock::time_point begin = Clock::now();
  std::int64_t arrived = 0;
  PullEvents events;
  events.arrived = [&](std::int64_t bytes) {
    arrived += bytes;
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    update(name, [&](PullState& state) {
      state.done = static_cast<std::uint64_t>(std::max<std::int64_t>(0, static_cast<std::int64_t>(state.done) + bytes));
      state.bytes_per_second = seconds > 0.5 ? static_cast<double>(arrived) / seconds : 0;
    });
  };
  events.resumed = [&](std::uint64_t bytes) { update(name, [&](PullState& state) { state.done += bytes; }); };
  execute_pull(plan, hub, store, download, events);
}

nlohmann::json MachineHost::runs() const { return list_runs(options_.runs); }
nlohmann::json MachineHost::curves(const std::string& run, const std::string& stage) const {
  return run_curves(options_.runs, run, stage);
}

}  // namespace limpid
