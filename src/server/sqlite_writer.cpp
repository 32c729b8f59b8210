#include "server/sqlite_writer.h"

#include <chrono>
#include <exception>
#include <iterator>
#include <utility>

#include "base/error.h"

namespace limpid {

namespace {

constexpr std::size_t kMostInGroup = 512;
constexpr auto kPauseAfterFailure = std::chrono::milliseconds(100);

}  // namespace

struct SqliteWriter::Waiter {
  bool done = false;
  std::exception_ptr error;
};

SqliteWriter::SqliteWriter(std::unique_ptr<SqliteConnection> connection) : connection_(std::move(connection)) {
  thread_ = std::thread([this] { loop(); });
}

SqliteWriter::~SqliteWriter() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void SqliteWriter::put(Entry entry) {
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(entry));
    ++unfinished_;
  }
  wake_.notify_one();
}

void SqliteWriter::run(const Job& job) {
  Waiter waiter;
  put({job, {}, &waiter, {}, {}});
  std::unique_lock lock(mutex_);
  done_.wait(lock, [&] { return waiter.done; });
  if (waiter.error) std::rethrow_exception(waiter.error);
}

void SqliteWriter::ask(Job job, std::function<void(std::exception_ptr)> done) {
  put({std::move(job), {}, nullptr, std::move(done), {}});
}

void SqliteWriter::post(Job job, std::function<void()> durable) {
  put({std::move(job), std::move(durable), nullptr, {}, {}});
}

void SqliteWriter::flush() {
  std::unique_lock lock(mutex_);
  const std::uint64_t failures = statistics_.failures;
  done_.wait(lock, [&] { return unfinished_ == 0 || statistics_.failures > failures; });
  if (unfinished_ > 0) fail(ErrorKind::resources, "{} writes wait: {}", unfinished_, statistics_.fault);
}

SqliteWriterStatistics SqliteWriter::statistics() const {
  const std::lock_guard lock(mutex_);
  SqliteWriterStatistics statistics = statistics_;
  statistics.waiting = unfinished_;
  return statistics;
}

void SqliteWriter::loop() {
  std::vector<Entry> group;
  for (;;) {
    group.clear();
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;
    const bool last = stopping_;
    while (!queue_.empty() && group.size() < kMostInGroup) {
      group.push_back(std::move(queue_.front()));
      queue_.pop_front();
    }
    const std::uint64_t failures = statistics_.failures;
    lock.unlock();
    work(group);
    lock.lock();
    if (statistics_.failures == failures) continue;
    if (last) return;  // what could not be written even now is left to recovery at the next start
    wake_.wait_for(lock, kPauseAfterFailure, [&] { return stopping_; });
  }
}

void SqliteWriter::work(std::vector<Entry>& group) {
  try {
    connection_->run("BEGIN IMMEDIATE");
    apply(group);
    connection_->run("COMMIT");
  } catch (...) {
    const std::exception_ptr why = std::current_exception();
    try {
      if (connection_->in_transaction()) connection_->run("ROLLBACK");
    } catch (const Error&) {  // SQLite has rolled back by itself
    }
    put_back(group, why);
    return;
  }
  deliver(group);
}

// Each in a savepoint of its own. What a caller waits for may fail alone; what is posted may not.
void SqliteWriter::apply(std::vector<Entry>& group) {
  for (Entry& entry : group) {
    connection_->run("SAVEPOINT job");
    try {
      entry.job(*connection_);
    } catch (...) {
      // A full or failing disk ends the whole transaction, whoever's job met it.
      if (entry.posted() || !connection_->in_transaction()) throw;
      (entry.waiter != nullptr ? entry.waiter->error : entry.error) = std::current_exception();
      connection_->run("ROLLBACK TO job");
    }
    connection_->run("RELEASE job");
  }
}

void SqliteWriter::deliver(std::vector<Entry>& group) {
  for (const Entry& entry : group)
    if (entry.durable)
      entry.durable();
    else if (entry.done)
      entry.done(entry.error);
  {
    const std::lock_guard lock(mutex_);
    for (const Entry& entry : group)
      if (entry.waiter != nullptr) entry.waiter->done = true;
    unfinished_ -= static_cast<std::int64_t>(group.size());
    ++statistics_.commits;
    statistics_.jobs += group.size();
    statistics_.fault.clear();
  }
  done_.notify_all();
}

void SqliteWriter::put_back(std::vector<Entry>& group, std::exception_ptr why) {
  std::string fault;
  try {
    std::rethrow_exception(why);
  } catch (const std::exception& error) {
    fault = error.what();
  }
  for (const Entry& entry : group)
    if (entry.done) entry.done(why);
  {
    const std::lock_guard lock(mutex_);
    ++statistics_.failures;
    statistics_.fault = fault;
    std::deque<Entry> again;
    for (Entry& entry : group) {
      if (entry.waiter != nullptr) {
        entry.waiter->error = why;
        entry.waiter->done = true;
        --unfinished_;
      } else if (entry.done) {
        --unfinished_;
      } else {
        again.push_back(std::move(entry));
      }
    }
    queue_.insert(queue_.begin(), std::make_move_iterator(again.begin()), std::make_move_iterator(again.end()));
  }
  done_.notify_all();
}

}  // namespace limpid
