#include "net/http_workers.h"

#include <signal.h>

#include <algorithm>
#include <utility>

namespace limpid {

HttpWorkers::~HttpWorkers() { stop(); }

void HttpWorkers::start(int threads) {
  most_large_ = std::max<std::size_t>(1, static_cast<std::size_t>(threads) / 2);
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
}

bool HttpWorkers::submit(std::function<void()> job, bool large) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || small_.size() + large_.size() >= most_waiting_ + free_) return false;  // free threads take theirs
    if (large && large_.size() >= std::max<std::size_t>(1, most_waiting_ / 4)) return false;
    (large ? large_ : small_).push_back({next_number_++, std::move(job)});
  }
  changed_.notify_one();
  return true;
}

void HttpWorkers::stop() {
  std::deque<Job> small, large;  // dropped; they end outside the lock
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    std::swap(small, small_);
    std::swap(large, large_);
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

std::size_t HttpWorkers::waiting() const {
  const std::lock_guard lock(mutex_);
  return small_.size() + large_.size();
}

void HttpWorkers::work() {
  block_signals();
  std::unique_lock lock(mutex_);
  for (;;) {
    ++free_;
    changed_.wait(lock, [this] { return stopping_ || !small_.empty() || large_may_run(); });
    --free_;
    if (stopping_) return;
    const bool large = large_is_next();
    std::deque<Job>& queue = large ? large_ : small_;
    std::function<void()> job = std::move(queue.front().run);
    queue.pop_front();
    if (large) ++large_running_;
    lock.unlock();
    job();
    job = nullptr;  // with what it holds
    lock.lock();
    if (!large) continue;
    --large_running_;
    if (large_may_run()) changed_.notify_one();  // this thread may take a small one
  }
}

void block_signals() {
  sigset_t all;
  sigfillset(&all);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGPROF}) sigdelset(&all, fault);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

}  // namespace limpid
