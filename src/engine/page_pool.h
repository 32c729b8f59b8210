// PagePool: the memory of the KV cache, pool[layer][page], and who uses which page. A page holds 64 positions of one
// sequence in every layer under one index, so that a sequence needs one block table. Bookkeeping is the engine thread's
// alone.
//
// A page is free, used (counted references) or kept: no references, but its content may be asked for again
// (prefix_cache.h). Kept pages are given up least recently used first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <span>
#include <vector>

#include "base/memory.h"
#include "ops/cache.h"
#include "tensor/layout.h"

namespace limpid {

using PageIndex = std::int32_t;
inline constexpr PageIndex kNoPage = -1;

class PagePool {
 public:
  // Reserves layers * pages * page_bytes(layout); the system hands memory out when a page is first written. poison:
  // free pages are filled with 0xFF (NaN in every float format), so that reading one shows. Throws Error(resources).
  PagePool(const CacheLayout& layout, int layers, int pages, bool poison = false);

  std::span<const CacheLayer> layers() const { return layers_; }
  int pages() const { return static_cast<int>(state_.size()); }
  int free_pages() const { return static_cast<int>(free_.size()); }
  int kept_pages() const { return static_cast<int>(kept_.size()); }
  int references(PageIndex page) const { return at(page).references; }

  PageIndex take();             // a free page with one reference, or kNoPage
  void retain(PageIndex page);  // one more reference; a kept page is used again
  // One reference less. The last one frees the page, or keeps it as the most recently used where `keep`.
  void release(PageIndex page, bool keep);
  const std::list<PageIndex>& kept() const { return kept_; }  // least recently used first
  void free_kept(PageIndex page);                             // gives a kept page up

  void copy(PageIndex from, PageIndex to);  // all layers

 private:
  struct State {
    int references = 0;
    bool kept = false;
    std::list<PageIndex>::iterator place;  // in kept_, where kept
  };
  const State& at(PageIndex page) const { return state_[static_cast<std::size_t>(page)]; }
  State& at(PageIndex page) { return state_[static_cast<std::size_t>(page)]; }
  void put_back(PageIndex page);
  std::byte* memory(std::size_t layer, PageIndex page) const;

  std::size_t page_bytes_;
  bool poison_;
  HugeBuffer buffer_;
  std::vector<CacheLayer> layers_;
  std::vector<State> state_;
  std::vector<PageIndex> free_;  // a stack: the lowest index first, so that little memory is touched
  std::list<PageIndex> kept_;
};

}  // namespace limpid
