// HttpWorkers: a few threads that run what may block, behind one queue of bounded length that knows who is entitled to
// what. The highest rank goes first; within a rank the shares (accounts, addresses) take turns, each in the order of
// coming: neither many requests nor early ones of one account keep another out. When all places are taken, the least
// entitled loses his: the newest job of the share with most of them in the lowest rank.
//
// One thread of several is kept for ranks above 0, so that whoever is entitled finds one free whatever the others do.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace limpid {

struct HttpJob {
  int rank = 1;
  std::string share;
  std::function<void()> run;      // must not throw
  std::function<void()> dropped;  // instead of it, where its place is given to another; by the thread that brought that
};

class HttpWorkers {
 public:
  // nice: of all threads but the one that is kept (setpriority); 0: as the process.
  explicit HttpWorkers(std::size_t waiting, int nice = 0) : most_waiting_(waiting), nice_(nice) {}
  ~HttpWorkers();
  HttpWorkers(const HttpWorkers&) = delete;
  HttpWorkers& operator=(const HttpWorkers&) = delete;

  void start(int threads);
  bool submit(HttpJob job);  // false: as many wait as may, and nobody is less entitled
  void stop();               // drops what waits, returns when what runs has ended
  std::size_t waiting() const;
  bool runs_here() const;  // the calling thread is one of them

 private:
  struct Rank {
    std::deque<std::string> turns;  // of the shares that have a job
    std::map<std::string, std::deque<HttpJob>> shares;
    std::string largest() const;  // share
  };

  void work(bool kept);
  bool has_work(bool kept) const;
  HttpJob take();
  bool make_room(const HttpJob& job, HttpJob& loser);

  const std::size_t most_waiting_;
  const int nice_;
  mutable std::mutex mutex_;
  std::condition_variable changed_, kept_changed_;
  std::map<int, Rank, std::greater<>> ranks_;  // those with jobs
  std::size_t waiting_ = 0;
  std::size_t free_ = 0;  // threads that wait for a job, without the one that is kept
  bool kept_free_ = false;
  bool stopping_ = false;
  std::set<std::thread::id> ids_;  // of threads that have begun
  std::vector<std::thread> threads_;
};

// The calling thread takes no signals: they are for the threads that wait for them. Broken pipes are return values.
void block_signals();

}  // namespace limpid
