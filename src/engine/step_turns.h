// StepTurns: several engines on the same cores compute one after another, a step each, in the order in which they came.
// Two steps at a time would wait for each other's threads at every barrier. Shared by the engines of a process
// (EngineOptions::turns); any thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace limpid {

class StepTurns {
 public:
  void lock() {
    std::unique_lock lock(mutex_);
    const std::uint64_t mine = next_++;
    come_.wait(lock, [&] { return now_ == mine; });
  }
  void unlock() {
    {
      std::lock_guard lock(mutex_);
      ++now_;
    }
    come_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable come_;
  std::uint64_t next_ = 0, now_ = 0;  // numbers drawn, and whose turn it is
};

}  // namespace limpid
