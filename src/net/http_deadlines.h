// Deadlines: which of thousands of connections is late. A deadline that moves later, as nearly all do, costs one store:
// the entry stays queued at its old time and is looked at again when that has come.
#pragma once

#include <chrono>
#include <functional>
#include <set>
#include <utility>

namespace limpid {

class Deadlines {
 public:
  using Clock = std::chrono::steady_clock;
  using Time = Clock::time_point;
  static constexpr Time kNever = Time::max();

  // Lives in what may be late; removed before it ends.
  struct Entry {
    std::function<void()> late;
    Time when = kNever;
    Time queued = kNever;  // where the queue holds it
  };

  // True: the first of all has become earlier, to next().
  bool set(Entry& entry, Time when) {
    entry.when = when;
    if (when >= entry.queued) return false;
    unqueue(entry);
    entry.queued = when;
    queue_.emplace(when, &entry);
    return queue_.begin()->second == &entry;
  }

  void remove(Entry& entry) {
    unqueue(entry);
    entry.when = kNever;
  }

  Time next() const { return queue_.empty() ? kNever : queue_.begin()->first; }

  // Calls late() of each entry whose time has come; it may set and remove any entry.
  void expire(Time now) {
    while (next() <= now) {
      Entry& entry = *queue_.begin()->second;
      unqueue(entry);
      if (entry.when > now) {
        if (entry.when != kNever) set(entry, entry.when);
        continue;
      }
      entry.when = kNever;
      entry.late();
    }
  }

 private:
  void unqueue(Entry& entry) {
    if (entry.queued != kNever) queue_.erase({entry.queued, &entry});
    entry.queued = kNever;
  }

  std::set<std::pair<Time, Entry*>> queue_;
};

}  // namespace limpid
