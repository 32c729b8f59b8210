// GenerationTable: the answers under way, by id, and the thread that does for them what must not hold up the engine:
// settling charges, giving leases back, keep-alives, forgetting what nobody resumed.
//
// From any thread. The thread sleeps while there is nothing: no answer, no CPU.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "server/generation.h"
#include "server/metrics.h"
#include "server/waiting_answer.h"

namespace limpid {

class GenerationTable {
 public:
  // Told of what went wrong inside, with the id of the request: for the log, never for the peer. From any thread.
  using Report = std::function<void(const std::string& request_id, const std::string& what)>;

  // Metrics must outlive it.
  GenerationTable(GenerationLimits limits, Metrics& metrics, Report report);
  // Cancels what runs, waits for its end (the engines must be running) and does the jobs that are left.
  ~GenerationTable();
  GenerationTable(const GenerationTable&) = delete;
  GenerationTable& operator=(const GenerationTable&) = delete;

  const GenerationLimits& limits() const { return limits_; }
  Metrics& metrics() { return metrics_; }

  void report(const std::string& request_id, const std::string& what) const { report_(request_id, what); }

  void begins();  // one that is not there yet: it is waited for like those that run
  void begins_not();
  void add(std::shared_ptr<Generation> generation);
  // Its peer gets keep-alives for as long as it waits and somebody else holds it.
  void add(const std::shared_ptr<WaitingAnswer>& waiting);
  void ended(const std::string& id, bool keep);  // keep: until nobody can resume it any longer
  // Null: no such answer, or somebody else's.
  std::shared_ptr<Generation> find(const std::string& id, const Identity& identity) const;
  int size() const;     // those that can be resumed included
  int running() const;  // not yet ended
  void cancel_all();
  void cancel_account(const std::string& account);
  // Asked about once a second of each account that has an answer here, on the table's thread; false: they are cancelled.
  // What it throws is reported, and they go on.
  void watch(std::function<bool(const std::string& account)> may_go_on);

  // On the table's thread, in order.
  void post(std::function<void()> job);
  // Waits until every job posted before has been done.
  void flush();

  // Room in the resume logs, shared by all answers: false where there is none.
  bool take_log_room(std::size_t bytes);
  void give_log_room(std::size_t bytes) { log_bytes_ -= bytes; }

 private:
  void remove(const std::string& id);
  void loop();
  void tick();
  void tick_waiting();
  std::vector<std::shared_ptr<Generation>> all() const;
  void cancel_stopped(const std::vector<std::shared_ptr<Generation>>& generations);

  const GenerationLimits limits_;
  Metrics& metrics_;
  const Report report_;
  std::atomic<std::size_t> log_bytes_{0};
  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable wake_, idle_;
  int running_ = 0;
  std::unordered_map<std::string, std::shared_ptr<Generation>> generations_;
  std::vector<std::weak_ptr<WaitingAnswer>> waiting_;
  std::vector<std::function<void()>> jobs_;
  std::function<bool(const std::string&)> may_go_on_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace limpid
