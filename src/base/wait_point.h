// WaitPoint: where threads wait for a condition that other threads make true. They spin for a while, which is cheapest
// where the others are about to be ready, and then sleep. On a busy machine the scheduler runs soon who has slept, and
// late who has spun or called sched_yield() all the while: that used up the thread's share of its core.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace limpid {

class WaitPoint {
 public:
  // Returns once done() is true; it reads atomics that others store before they call wake(). Spins for at least `spin`.
  template <class Done>
  void wait(std::chrono::nanoseconds spin, const Done& done) {
    using Clock = std::chrono::steady_clock;
    Clock::time_point end{};
    for (;;) {
      for (int i = 0; i < 32; ++i) {  // without a look at the clock: most waits are that short
        if (done()) return;
        relax();
      }
      const Clock::time_point now = Clock::now();
      if (end == Clock::time_point{})
        end = now + spin;
      else if (now > end)
        break;
    }
    // Either wake() sees this thread counted, or done() sees what was stored before wake() (both change sleepers_).
    sleepers_.fetch_add(1, std::memory_order_acq_rel);
    {
      std::unique_lock lock(mutex_);
      condition_.wait(lock, done);
    }
    sleepers_.fetch_sub(1, std::memory_order_relaxed);
  }

  // Wakes all that sleep here. One atomic operation when none does. The WaitPoint must live until it returns.
  void wake();

 private:
  static void relax() noexcept {
#if defined(__x86_64__)
    _mm_pause();
#endif
  }

  std::atomic<int> sleepers_{0};
  std::mutex mutex_;
  std::condition_variable condition_;
};

}  // namespace limpid
