// ThreadTeam: a fixed set of threads that run one function together, one fork per step (not per op), and meet at
// barriers inside it. The caller is thread 0. Whoever waits sleeps after a short spin (base/wait_point.h): an idle engine
// uses no CPU, and on a busy machine a thread that waits leaves its core to others. run() is called by one thread at a
// time.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

#include "base/wait_point.h"

namespace limpid {

// Sense-reversing barrier. Spins for about as long as a sleep costs, then sleeps.
class Barrier {
 public:
  explicit Barrier(int threads) : threads_(threads) {}
  void wait() noexcept;
  int threads() const { return threads_; }

 private:
  const int threads_;
  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) std::atomic<std::uint32_t> phase_{0};
  alignas(64) WaitPoint turn_;
};

class ThreadTeam {
 public:
  explicit ThreadTeam(int threads);  // >= 1
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }
  Barrier& barrier() { return barrier_; }

  // Runs work(thread) on every thread and returns when all have. Engine threads run with FTZ and DAZ set (docs/numerics.md); the caller's
  // own floating-point mode is restored afterwards. If any thread throws, run() throws the exception of the lowest thread that did; so work
  // must throw on all threads alike or not at all when it uses the barrier.
  void run(const std::function<void(int)>& work);

 private:
  void loop(int thread);

  Barrier barrier_;
  std::vector<std::exception_ptr> errors_;
  const std::function<void(int)>* work_ = nullptr;
  std::atomic<std::uint32_t> generation_{0};
  std::atomic<int> running_{0};
  std::atomic<bool> stop_{false};
  WaitPoint start_, end_;
  std::vector<std::thread> workers_;
};

// min(affinity mask, cgroup CPU quota rounded up, physical cores), at least 1.
int default_threads();

// The same without the last: logical processors.
int usable_processors();

}  // namespace limpid
