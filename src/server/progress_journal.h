// ProgressJournal: how far each running request has come, in memory that belongs to a file, so that it outlives the
// process: after a kill the ledger's recovery charges each request that was cut off for the tokens that had been
// delivered, neither more nor less. A write is a few stores; the disk is left to the kernel. After a power cut the file
// may lag: then less is charged than was delivered, never more.
//
// One file per database, for one process at a time, which holds a lock on it: two services on one database would take
// each other's running requests for cut off. Layout: docs/formats.md.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "server/admission.h"

namespace limpid {

class ProgressJournal {
 public:
  // Opens or makes the file and locks it. What an earlier process left can be asked with left_over(), unless the file
  // belongs to another database. Throws Error(resources) where another process holds the lock, Error(system).
  ProgressJournal(std::string path, const std::string& database, int slots = 16384);
  ~ProgressJournal();
  ProgressJournal(const ProgressJournal&) = delete;
  ProgressJournal& operator=(const ProgressJournal&) = delete;

  std::optional<Consumption> left_over(std::int64_t request) const;
  void clear();  // after recovery: all slots are free

  // From any thread. take(): a slot, or -1 where all are taken; begin() names the request it is for.
  int take();
  void begin(int slot, std::int64_t request) noexcept;
  // The slot's own thread, one at a time.
  void write(int slot, const Consumption& consumption) noexcept;
  void give_back(int slot);

 private:
  struct Slot;
  struct Header;
  Slot& slot(int index) const;

  std::string path_;
  int fd_ = -1;
  int slots_;
  std::size_t bytes_ = 0;
  std::byte* memory_ = nullptr;
  std::unordered_map<std::int64_t, Consumption> left_over_;
  std::mutex mutex_;
  std::vector<int> free_;
};

}  // namespace limpid
