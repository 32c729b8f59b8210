#include "server/model_loads.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "server/api_error.h"

namespace limpid {

ModelLoads::~ModelLoads() {
  std::vector<Waiter> dropped;  // what they hold ends outside the lock
  std::vector<std::thread> threads;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    threads = std::move(ended_);
    for (auto& [id, load] : loads_) {
      std::ranges::move(load.waiters, std::back_inserter(dropped));
      load.waiters.clear();
      threads.push_back(std::move(load.thread));
    }
  }
  dropped.clear();
  for (std::thread& thread : threads) thread.join();
}

void ModelLoads::wait(std::uint64_t place, const std::string& id, const std::string& account, Then then) {
  std::vector<std::thread> ended;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) throw overloaded("the server ends", 5);
    std::size_t all = 0, own = 0;
    for (const auto& [model, load] : loads_) {
      all += load.waiters.size();
      own += static_cast<std::size_t>(std::ranges::count(load.waiters, account, &Waiter::account));
    }
    if (all >= kMostWaiting || own >= kMostOfAccount) throw overloaded("too many requests wait for a model", 10);
    auto load = loads_.find(id);
    // Its thread waits for this lock. Where none can be made nobody is left waiting for it.
    if (load == loads_.end()) load = loads_.emplace(id, Load{std::thread([this, id] { this->load(id); }), {}}).first;
    load->second.waiters.push_back({place, account, std::move(then)});
    ended = std::exchange(ended_, {});
  }
  for (std::thread& thread : ended) thread.join();  // they have left the lock for good
}

ModelLoads::Then ModelLoads::leave(std::uint64_t place) {
  const std::lock_guard lock(mutex_);
  for (auto& [id, load] : loads_) {
    const auto found = std::ranges::find(load.waiters, place, &Waiter::place);
    if (found == load.waiters.end()) continue;
    Then left = std::move(found->then);
    load.waiters.erase(found);
    return left;
  }
  return {};
}

std::size_t ModelLoads::waiting() const {
  const std::lock_guard lock(mutex_);
  std::size_t all = 0;
  for (const auto& [id, load] : loads_) all += load.waiters.size();
  return all;
}

void ModelLoads::load(const std::string& id) {
  for (;;) {  // again for those who came while the others were told: what failed for them may not fail now
    std::shared_ptr<ModelLease> lease;
    std::exception_ptr failure;
    try {
      lease = models_.lease(id);
    } catch (...) {
      failure = std::current_exception();
    }
    std::vector<Waiter> told;
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return;  // the destructor joins this thread
      told = std::exchange(loads_.at(id).waiters, {});
    }
    for (Waiter& waiter : told) waiter.then(lease, failure);
    told.clear();  // what they hold ends here, outside the lock
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    Load& load = loads_.at(id);
    if (!load.waiters.empty()) continue;
    ended_.push_back(std::move(load.thread));
    loads_.erase(id);
    return;
  }
}

}  // namespace limpid
