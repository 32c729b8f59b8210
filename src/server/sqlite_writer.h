// SqliteWriter: the one thread that writes a database. What arrives while it is busy goes into the next transaction
// together (group commit), so that one flush of the disk serves many callers. Each job is all or nothing by itself.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "server/sqlite.h"

namespace limpid {

struct SqliteWriterStatistics {
  std::uint64_t commits = 0, jobs = 0, failures = 0;
  std::int64_t waiting = 0;
  std::string fault;  // of the last commit; empty: it went well
};

class SqliteWriter {
 public:
  using Job = std::function<void(SqliteConnection&)>;

  // Takes the connection over.
  explicit SqliteWriter(std::unique_ptr<SqliteConnection> connection);
  ~SqliteWriter();  // tries once more to write what is posted
  SqliteWriter(const SqliteWriter&) = delete;
  SqliteWriter& operator=(const SqliteWriter&) = delete;

  // Returns when the job is durable; throws what it threw, or why it could not be committed. Not from a job.
  void run(const Job& job);
  // Returns at once; `done` is called on the writer's thread, once, when the job is durable, or with what run() would
  // throw. Quick; may not throw.
  void ask(Job job, std::function<void(std::exception_ptr)> done);
  // Returns at once. A job whose commit fails is tried again, in the order of arrival, until it succeeds or the writer
  // goes; then `durable` is called on the writer's thread. The job must do the same when it runs again.
  void post(Job job, std::function<void()> durable);
  void flush();  // returns when everything posted before is durable; throws Error where the writes fail
  SqliteWriterStatistics statistics() const;

 private:
  struct Waiter;
  struct Entry {
    Job job;
    std::function<void()> durable;                 // posted
    Waiter* waiter = nullptr;                      // run
    std::function<void(std::exception_ptr)> done;  // asked
    std::exception_ptr error;                      // likewise
    bool posted() const { return waiter == nullptr && !done; }
  };

  void loop();
  void put(Entry entry);
  void work(std::vector<Entry>& group);
  void apply(std::vector<Entry>& group);
  void deliver(std::vector<Entry>& group);
  void put_back(std::vector<Entry>& group, std::exception_ptr why);

  std::unique_ptr<SqliteConnection> connection_;
  mutable std::mutex mutex_;
  std::condition_variable wake_, done_;
  std::deque<Entry> queue_;
  std::int64_t unfinished_ = 0;  // queued or in work
  bool stopping_ = false;
  SqliteWriterStatistics statistics_;
  std::thread thread_;
};

}  // namespace limpid
