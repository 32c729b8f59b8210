#include "net/http_workers.h"

#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <utility>

namespace limpid {

HttpWorkers::~HttpWorkers() { stop(); }

void HttpWorkers::start(int threads) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this, kept = i == 0 && threads > 1] { work(kept); });
}

std::string HttpWorkers::Rank::largest() const {
  const auto found = std::ranges::max_element(shares, {}, [](const auto& share) { return share.second.size(); });
  return found->first;
}

// Under the lock, when no place is free. False: `job` is not more entitled than any that waits.
bool HttpWorkers::make_room(const HttpJob& job, HttpJob& loser) {
  if (ranks_.empty() || ranks_.rbegin()->first > job.rank) return false;
  const auto lowest = std::prev(ranks_.end());
  Rank& rank = lowest->second;
  const std::string share = rank.largest();
  std::deque<HttpJob>& jobs = rank.shares[share];
  if (lowest->first == job.rank) {
    const auto own = rank.shares.find(job.share);
    if (jobs.size() <= (own == rank.shares.end() ? 0 : own->second.size()) + 1) return false;
  }
  loser = std::move(jobs.back());
  jobs.pop_back();
  --waiting_;
  if (!jobs.empty()) return true;
  rank.shares.erase(share);
  std::erase(rank.turns, share);
  if (rank.shares.empty()) ranks_.erase(lowest);
  return true;
}

bool HttpWorkers::submit(HttpJob job) {
  HttpJob loser;
  bool for_kept = false;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return false;
    // Free threads take theirs at once.
    const std::size_t places = most_waiting_ + free_ + (kept_free_ && job.rank > 0 ? 1 : 0);
    if (waiting_ >= places && !make_room(job, loser)) return false;
    for_kept = job.rank > 0 && std::exchange(kept_free_, false);
    Rank& rank = ranks_[job.rank];
    std::deque<HttpJob>& jobs = rank.shares[job.share];
    if (jobs.empty()) rank.turns.push_back(job.share);
    jobs.push_back(std::move(job));
    ++waiting_;
  }
  (for_kept ? kept_changed_ : changed_).notify_one();
  if (loser.dropped) loser.dropped();
  return true;
}

void HttpWorkers::stop() {
  std::map<int, Rank, std::greater<>> dropped;  // its jobs end outside the lock
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    std::swap(dropped, ranks_);
    waiting_ = 0;
  }
  changed_.notify_all();
  kept_changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

std::size_t HttpWorkers::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_;
}

bool HttpWorkers::runs_here() const {
  const std::lock_guard lock(mutex_);
  return ids_.contains(std::this_thread::get_id());
}

bool HttpWorkers::has_work(bool kept) const { return !ranks_.empty() && (!kept || ranks_.begin()->first > 0); }

HttpJob HttpWorkers::take() {
  const auto highest = ranks_.begin();
  Rank& rank = highest->second;
  const std::string share = std::move(rank.turns.front());
  rank.turns.pop_front();
  const auto found = rank.shares.find(share);
  HttpJob job = std::move(found->second.front());
  found->second.pop_front();
  --waiting_;
  if (!found->second.empty()) {
    rank.turns.push_back(share);
    return job;
  }
  rank.shares.erase(found);
  if (rank.shares.empty()) ranks_.erase(highest);
  return job;
}

void HttpWorkers::work(bool kept) {
  block_signals();
  if (nice_ > 0 && !kept) (void)setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + nice_);
  std::unique_lock lock(mutex_);
  ids_.insert(std::this_thread::get_id());
  for (;;) {
    if (kept) {
      while (!stopping_ && !has_work(true)) {
        kept_free_ = true;  // until a job is meant for it
        kept_changed_.wait(lock);
      }
      kept_free_ = false;
    } else {
      ++free_;
      changed_.wait(lock, [this] { return stopping_ || has_work(false); });
      --free_;
    }
    if (stopping_) return;
    HttpJob job = take();
    lock.unlock();
    job.run();
    job = {};  // with what it holds
    lock.lock();
  }
}

void block_signals() {
  sigset_t all;
  sigfillset(&all);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGPROF}) sigdelset(&all, fault);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

}  // namespace limpid
