// HttpWorkers: a few threads that run what may block, behind queues of bounded length. Large jobs (long bodies: much to
// parse) have at most half of the threads and a quarter of the places to wait at, so that they hold up no small one.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace limpid {

class HttpWorkers {
 public:
  explicit HttpWorkers(std::size_t waiting) : most_waiting_(waiting) {}
  ~HttpWorkers();
  HttpWorkers(const HttpWorkers&) = delete;
  HttpWorkers& operator=(const HttpWorkers&) = delete;

  void start(int threads);
  bool submit(std::function<void()> job, bool large = false);  // false: as many wait as may. A job must not throw.
  void stop();                                                 // drops what waits, returns when what runs has ended
  std::size_t waiting() const;

 private:
  struct Job {
    std::uint64_t number = 0;  // in the order of their coming
    std::function<void()> run;
  };

  void work();
  bool large_may_run() const { return !large_.empty() && large_running_ < most_large_; }
  bool large_is_next() const {
    return large_may_run() && (small_.empty() || large_.front().number < small_.front().number);
  }

  const std::size_t most_waiting_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> small_, large_;
  std::uint64_t next_number_ = 0;
  std::size_t most_large_ = 1, large_running_ = 0;
  std::size_t free_ = 0;  // threads that wait for a job
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

// The calling thread takes no signals: they are for the threads that wait for them. Broken pipes are return values.
void block_signals();

}  // namespace limpid
