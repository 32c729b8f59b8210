#include "net/http_workers.h"

#include <signal.h>

#include <utility>

namespace limpid {

HttpWorkers::~HttpWorkers() { stop(); }

void HttpWorkers::start(int threads) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
}

bool HttpWorkers::submit(std::function<void()> job) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || jobs_.size() >= most_waiting_ + free_) return false;  // a job for a free thread does not wait
    jobs_.push_back(std::move(job));
  }
  changed_.notify_one();
  return true;
}

void HttpWorkers::stop() {
  std::deque<std::function<void()>> dropped;  // they end outside the lock
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    std::swap(dropped, jobs_);
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

std::size_t HttpWorkers::waiting() const {
  const std::lock_guard lock(mutex_);
  return jobs_.size();
}

void HttpWorkers::work() {
  block_signals();
  std::unique_lock lock(mutex_);
  for (;;) {
    ++free_;
    changed_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    --free_;
    if (stopping_) return;
    std::function<void()> job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job();
    job = nullptr;  // with what it holds
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
