#include "base/thread_team.h"

#include <sched.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <string>

#include "base/control_groups.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace limpid {

namespace {

// A sleep with its waking costs about 10 us (virtual machine with 2 cores of a Zen 4). A spin of some times that loses
// nothing where threads are seldom further apart; a longer one uses up the thread's share of a busy core (docs/log.md).
constexpr std::chrono::microseconds kBarrierSpin(30);
constexpr std::chrono::microseconds kIdleSpin(200);  // between two steps of decoding

// Flush-to-zero and denormals-are-zero for the lifetime of the object.
class FlushDenormals {
 public:
#if defined(__x86_64__)
  FlushDenormals() : saved_(_mm_getcsr()) { _mm_setcsr(saved_ | 0x8040); }
  ~FlushDenormals() { _mm_setcsr(saved_); }

 private:
  unsigned saved_;
#else
  FlushDenormals() {}
#endif
};

}  // namespace

void Barrier::wait() noexcept {
  if (threads_ == 1) return;
  const std::uint32_t phase = phase_.load(std::memory_order_relaxed);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) == threads_ - 1) {
    arrived_.store(0, std::memory_order_relaxed);
    phase_.store(phase + 1, std::memory_order_release);
    turn_.wake();
    return;
  }
  turn_.wait(kBarrierSpin, [&] { return phase_.load(std::memory_order_acquire) != phase; });
}

ThreadTeam::ThreadTeam(int threads) : barrier_(threads), errors_(static_cast<std::size_t>(threads)) {
  for (int thread = 1; thread < threads; ++thread) workers_.emplace_back([this, thread] { loop(thread); });
}

ThreadTeam::~ThreadTeam() {
  stop_ = true;
  start_.wake();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadTeam::run(const std::function<void(int)>& work) {
  work_ = &work;
  std::fill(errors_.begin(), errors_.end(), nullptr);
  if (!workers_.empty()) {
    running_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
    generation_.fetch_add(1, std::memory_order_release);
    start_.wake();
  }
  {
    FlushDenormals mode;
    try {
      work(0);
    } catch (...) {
      errors_[0] = std::current_exception();
    }
  }
  end_.wait(kBarrierSpin, [&] { return running_.load(std::memory_order_acquire) == 0; });
  for (const std::exception_ptr& error : errors_)
    if (error) std::rethrow_exception(error);
}

void ThreadTeam::loop(int thread) {
  FlushDenormals mode;
  std::uint32_t seen = 0;
  for (;;) {
    start_.wait(kIdleSpin, [&] { return stop_ || generation_.load(std::memory_order_acquire) != seen; });
    if (stop_) return;
    seen = generation_.load(std::memory_order_acquire);
    try {
      (*work_)(thread);
    } catch (...) {
      errors_[static_cast<std::size_t>(thread)] = std::current_exception();
    }
    if (running_.fetch_sub(1, std::memory_order_acq_rel) == 1) end_.wake();
  }
}

int default_threads() {
  int count = 1;
  cpu_set_t mask;
  if (sched_getaffinity(0, sizeof mask, &mask) == 0) {
    std::set<std::string> cores;  // "package:core" of each allowed logical CPU
    int logical = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (!CPU_ISSET(cpu, &mask)) continue;
      ++logical;
      const std::string topology = "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/";
      std::string package, core;
      std::ifstream(topology + "physical_package_id") >> package;
      std::ifstream(topology + "core_id") >> core;
      if (!core.empty()) cores.insert(package + ":" + core);
    }
    count = cores.empty() ? logical : static_cast<int>(cores.size());
  }
  return cores_in_quota(std::max(count, 1));
}

int usable_processors() {
  cpu_set_t mask;
  const int count = sched_getaffinity(0, sizeof mask, &mask) == 0 ? CPU_COUNT(&mask) : 1;
  return cores_in_quota(std::max(count, 1));
}

}  // namespace limpid
