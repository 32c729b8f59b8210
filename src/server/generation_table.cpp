#include "server/generation_table.h"

#include <chrono>
#include <exception>
#include <future>

namespace limpid {

GenerationTable::GenerationTable(GenerationLimits limits, Metrics& metrics, Report report)
    : limits_(limits), metrics_(metrics), report_(std::move(report)), thread_([this] { loop(); }) {}

GenerationTable::~GenerationTable() {
  for (;;) {  // one that was admitted meanwhile begins, and is cancelled the next time
    cancel_all();
    std::unique_lock lock(mutex_);
    stopping_ = idle_.wait_for(lock, std::chrono::milliseconds(100), [&] { return running_ == 0; });
    if (stopping_) break;
  }
  wake_.notify_all();
  thread_.join();
}

void GenerationTable::add(std::shared_ptr<Generation> generation) {
  std::lock_guard lock(mutex_);
  ++running_;
  std::string id = generation->id();
  generations_.emplace(std::move(id), std::move(generation));
  wake_.notify_all();
}

void GenerationTable::add(const std::shared_ptr<WaitingAnswer>& waiting) {
  std::lock_guard lock(mutex_);
  waiting_.push_back(waiting);
  wake_.notify_all();
}

void GenerationTable::begins() {
  const std::lock_guard lock(mutex_);
  ++running_;
}

void GenerationTable::begins_not() {
  const std::lock_guard lock(mutex_);
  --running_;
  idle_.notify_all();
}

void GenerationTable::ended(const std::string& id, bool keep) {
  if (!keep) remove(id);
  std::lock_guard lock(mutex_);
  --running_;
  idle_.notify_all();
}

void GenerationTable::remove(const std::string& id) {
  std::shared_ptr<Generation> removed;
  {
    std::lock_guard lock(mutex_);
    const auto found = generations_.find(id);
    if (found == generations_.end()) return;
    removed = std::move(found->second);
    generations_.erase(found);
  }
  removed->forget_log();
}

std::shared_ptr<Generation> GenerationTable::find(const std::string& id, const Identity& identity) const {
  std::lock_guard lock(mutex_);
  const auto found = generations_.find(id);
  if (found == generations_.end() || found->second->identity().account != identity.account) return nullptr;
  return found->second;
}

int GenerationTable::size() const {
  std::lock_guard lock(mutex_);
  return static_cast<int>(generations_.size());
}

int GenerationTable::running() const {
  std::lock_guard lock(mutex_);
  return running_;
}

std::vector<std::shared_ptr<Generation>> GenerationTable::all() const {
  std::vector<std::shared_ptr<Generation>> all;
  std::lock_guard lock(mutex_);
  for (const auto& [id, generation] : generations_) all.push_back(generation);
  return all;
}

void GenerationTable::cancel_all() {
  for (const std::shared_ptr<Generation>& generation : all()) generation->cancel();
}

void GenerationTable::cancel_account(const std::string& account) {
  for (const std::shared_ptr<Generation>& generation : all())
    if (generation->identity().account == account) generation->cancel();
}

void GenerationTable::watch(std::function<bool(const std::string& account)> may_go_on) {
  std::lock_guard lock(mutex_);
  may_go_on_ = std::move(may_go_on);
}

void GenerationTable::post(std::function<void()> job) {
  std::lock_guard lock(mutex_);
  jobs_.push_back(std::move(job));
  wake_.notify_all();
}

void GenerationTable::flush() {
  std::promise<void> done;
  post([&done] { done.set_value(); });
  done.get_future().wait();
}

bool GenerationTable::take_log_room(std::size_t bytes) {
  if (log_bytes_.fetch_add(bytes) + bytes <= limits_.all_log_bytes) return true;
  log_bytes_ -= bytes;
  return false;
}

void GenerationTable::loop() {
  auto next_tick = Generation::Clock::now();
  std::unique_lock lock(mutex_);
  while (true) {
    const auto ready = [&] { return stopping_ || !jobs_.empty(); };
    if (generations_.empty() && waiting_.empty()) {
      wake_.wait(lock, [&] { return ready() || !generations_.empty() || !waiting_.empty(); });
    } else {
      wake_.wait_until(lock, next_tick, ready);
    }
    std::vector<std::function<void()>> jobs = std::exchange(jobs_, {});
    const bool stop = stopping_ && jobs.empty();
    lock.unlock();
    for (std::function<void()>& job : jobs) job();
    jobs.clear();
    if (stop) return;
    if (const auto now = Generation::Clock::now(); now >= next_tick) {
      tick();
      next_tick = now + std::chrono::duration_cast<Generation::Clock::duration>(
                            std::chrono::duration<double>(std::min(1.0, limits_.keep_alive_seconds / 4)));
    }
    lock.lock();
  }
}

void GenerationTable::tick_waiting() {
  std::vector<std::weak_ptr<WaitingAnswer>> waiting;
  {
    std::lock_guard lock(mutex_);
    waiting = std::exchange(waiting_, {});
  }
  const auto now = WaitingAnswer::Clock::now();
  std::erase_if(waiting, [&](const std::weak_ptr<WaitingAnswer>& weak) {
    const std::shared_ptr<WaitingAnswer> one = weak.lock();
    return one == nullptr || !one->tick(now);
  });
  std::lock_guard lock(mutex_);
  waiting_.insert(waiting_.end(), waiting.begin(), waiting.end());
}

void GenerationTable::tick() {
  tick_waiting();
  const std::vector<std::shared_ptr<Generation>> all = this->all();
  cancel_stopped(all);
  const auto now = Generation::Clock::now();
  for (const std::shared_ptr<Generation>& generation : all)
    if (!generation->tick(now)) remove(generation->id());
}

void GenerationTable::cancel_stopped(const std::vector<std::shared_ptr<Generation>>& generations) {
  std::function<bool(const std::string&)> may_go_on;
  {
    std::lock_guard lock(mutex_);
    may_go_on = may_go_on_;
  }
  if (!may_go_on) return;
  std::unordered_map<std::string, bool> go_on;  // by account
  for (const std::shared_ptr<Generation>& generation : generations) {
    const auto [found, is_new] = go_on.try_emplace(generation->identity().account, true);
    try {
      if (is_new) found->second = may_go_on(found->first);
    } catch (const std::exception& error) {
      report("accounts of running answers", error.what());
    }
    if (!found->second) generation->cancel();
  }
}

}  // namespace limpid
