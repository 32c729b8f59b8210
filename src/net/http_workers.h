// HttpWorkers: a few threads that run what may block, behind a queue of bounded length.
#pragma once

#include <condition_variable>
#include <cstddef>
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
  bool submit(std::function<void()> job);  // false: as many wait as may. A job must not throw.
  void stop();                             // drops what waits, returns when what runs has ended
  std::size_t waiting() const;

 private:
  void work();

  const std::size_t most_waiting_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> jobs_;
  std::size_t free_ = 0;  // threads that wait for a job
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

// The calling thread takes no signals: they are for the threads that wait for them. Broken pipes are return values.
void block_signals();

}  // namespace limpid
