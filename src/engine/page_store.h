// PageStore: pages of the KV cache in a directory, so that what was computed before a restart is not computed again.
// One file a page (docs/formats.md), named by the hash of everything up to its last id; made by a thread of the store's
// own, written aside and renamed, so that a process that is killed leaves whole pages and at most one file that is
// swept away at the next start. A file a page, not a log: a page is at least as large as the blocks of a disk, deleting
// the least recently used one frees its room at once, and there is no compaction to get wrong.
//
// Nothing that a file says is believed: layout, hashes, ids and a checksum of the content must be what is expected, or
// the file is removed and the page computed. When the disk is full, or writing fails, writing pauses; reading goes on.
// Each page says whose it is: those of an account that is deleted are removed, and none of it is written any more.
// The directory and its files are the owner's alone (0700, 0600). One process writes at a time; another one reads only.
//
// Shared by the engines of a process; any thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <list>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "engine/siphash.h"
#include "ops/cache.h"

namespace limpid {

struct PageStoreOptions {
  std::filesystem::path directory;                         // made where it is not there; pages lie in a folder of it
  std::uint64_t bytes = std::uint64_t{4} << 30;            // of all files; the least recently used are removed
  std::uint64_t waiting_bytes = std::uint64_t{256} << 20;  // of pages to be written; what is more is not kept
};

// Of the pages of one engine.
struct PageShape {
  CacheLayout layout;
  int layers = 0;
  std::size_t layer_bytes() const { return page_bytes(layout); }
  std::uint64_t bytes() const { return layer_bytes() * static_cast<std::uint64_t>(layers); }
};

// Which page: the hash of what stands before it, of what it holds (prefix_cache.h), and its ids: 64, or fewer for a
// page that is not full.
struct PageName {
  Hash128 scope, parent, own;
  std::span<const std::int32_t> ids;
  Hash128 owner{};  // whose it is (prefix_cache.h); for writing
};

struct PageStoreStatistics {
  std::uint64_t pages = 0, bytes = 0;   // there now
  std::uint64_t written = 0, read = 0;  // since the start
  std::uint64_t removed = 0;            // for want of room
  std::uint64_t rejected = 0;           // files that were not what they should be
  std::uint64_t not_kept = 0;           // pages that came too fast, or while writing paused
  std::uint64_t failures = 0;           // of writing
  bool writes = false;                  // false: another process does, or writing pauses
  double read_seconds = 0, write_seconds = 0;
};

class PageStore {
 public:
  // Reads what is there (the files' heads). Throws Error(system) where the directory cannot be made or read.
  explicit PageStore(PageStoreOptions options);
  ~PageStore();  // writes what waits
  PageStore(const PageStore&) = delete;
  PageStore& operator=(const PageStore&) = delete;

  struct Found {
    Hash128 own;
    int tokens = 0;  // of `ids`, that it holds; 0: nothing was found
  };
  // Of the pages below `parent`, the one that shares the longest beginning with ids.
  Found find(const Hash128& parent, std::span<const std::int32_t> ids, const PageShape& shape) const;
  bool readable(const Hash128& own) const;  // it can be read
  bool has(const Hash128& own) const;       // or is about to be written

  // Its content into one span for each layer. False: it is not there, or not what it should be; the spans hold anything
  // then. name.ids: as many as wanted of those that the page has.
  bool read(const PageName& name, const PageShape& shape, std::span<const std::span<std::byte>> layers);

  // Takes a page to be written. Its memory must stay as it is until done() is called, on the store's thread, exactly
  // once. False: it is not taken (there already, too much waits, writing pauses), and done() is not called.
  bool write(const PageName& name, const PageShape& shape, std::vector<std::span<const std::byte>> layers,
             std::function<void()> done);
  // Were used now, in this order: the least recently used goes first.
  void touch(std::span<const Hash128> pages);

  std::vector<Hash128> owners() const;
  // All that is there or waits to be written, and whatever else comes from now on.
  void remove_owner(const Hash128& owner);

  void drain();  // waits until nothing is left to write
  PageStoreStatistics statistics() const;

 private:
  struct Entry {
    Hash128 scope, parent, owner;
    std::vector<std::int32_t> ids;
    CacheLayout layout;
    int layers = 0;
    std::uint64_t bytes = 0;
    std::list<Hash128>::iterator place;
    std::chrono::steady_clock::time_point touched{};  // the file's own time was set
  };
  struct Job {
    Hash128 scope, parent, own, owner;
    std::vector<std::int32_t> ids;
    PageShape shape;
    std::vector<std::span<const std::byte>> layers;
    std::function<void()> done;
  };
  using Lock = std::unique_lock<std::mutex>;

  void remove_older_versions() const;
  void scan();
  void loop();
  void write_page(const Job& job);
  void add(const Hash128& own, Entry entry);
  void forget(const Hash128& own);
  void remove_file(const Hash128& own);
  void remove_covered(const Job& job);
  std::filesystem::path path_of(const Hash128& own) const;

  const PageStoreOptions options_;
  const std::filesystem::path folder_;
  int lock_file_ = -1;

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable wake_, idle_;
  std::unordered_map<Hash128, Entry> pages_;
  std::unordered_map<Hash128, std::vector<Hash128>> children_;  // by parent
  std::list<Hash128> used_;                                     // least recently used first
  std::deque<Job> jobs_;
  std::unordered_set<Hash128> waiting_;  // own hashes of jobs_ and of the one that is being written
  std::uint64_t waiting_bytes_ = 0;
  std::unordered_set<Hash128> gone_;  // owners
  std::chrono::steady_clock::time_point paused_until_{};
  PageStoreStatistics counters_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace limpid
