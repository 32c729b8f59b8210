// DiskPages: an engine's pages on their way to the page store and back. Writing: a page that the prefix cache knows
// never changes (prefix_cache.h), so the store's thread reads it where it lies, and a reference keeps it there
// meanwhile; no step waits and nothing is copied. Reading: into a free page, by the engine's thread, some pages between
// two steps.
//
// Engine thread only, but for `wake`.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "engine/page_pool.h"
#include "engine/page_store.h"
#include "engine/prefix_cache.h"

namespace limpid {

class DiskPages {
 public:
  // wake: called on the store's thread when release_written() has something to do.
  DiskPages(PagePool& pool, PrefixCache& cache, std::shared_ptr<PageStore> store, std::function<void()> wake);
  ~DiskPages();  // waits until the store has let go of every page
  DiskPages(const DiskPages&) = delete;
  DiskPages& operator=(const DiskPages&) = delete;

  // To be written, if the cache knows it, the store does not have it and not too many are under way.
  void keep(PageIndex page);
  // These pages of a sequence were used, the first one last: leaves age before their parents.
  void touch(std::span<const PageIndex> pages);
  void release_written();
  bool any_written() const;

  // The store has the page of exactly these 64 ids.
  bool has(const PrefixCache::Cursor& cursor, std::span<const std::int32_t> ids) const;
  // How many of these ids a page of the store begins with.
  int beginning(const PrefixCache::Cursor& cursor, std::span<const std::int32_t> ids) const;
  // A page of the pool that holds them (64, or as many as beginning() said), with one reference. kNoPage: the file was
  // not what it should be, or no page is free.
  PageIndex read(const PrefixCache::Cursor& cursor, std::span<const std::int32_t> ids);

  std::uint64_t page_bytes() const { return shape_.bytes(); }

 private:
  template <typename Bytes>
  std::vector<std::span<Bytes>> memory(PageIndex page) const;

  PagePool& pool_;
  PrefixCache& cache_;
  const std::shared_ptr<PageStore> store_;
  const std::function<void()> wake_;
  const PageShape shape_;
  const int most_under_way_;

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable all_written_;
  std::vector<PageIndex> written_;
  int under_way_ = 0;  // with the store; written_ not counted
};

}  // namespace limpid
