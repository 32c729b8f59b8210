#include "engine/disk_pages.h"

#include <algorithm>

namespace limpid {

namespace {

// A part of the pool that may be held back from sequences while it is written.
constexpr int kPoolPart = 4;

PageShape shape_of(const PagePool& pool) {
  return {pool.layers().front().layout, static_cast<int>(pool.layers().size())};
}

}  // namespace

DiskPages::DiskPages(PagePool& pool, PrefixCache& cache, std::shared_ptr<PageStore> store, std::function<void()> wake)
    : pool_(pool),
      cache_(cache),
      store_(std::move(store)),
      wake_(std::move(wake)),
      shape_(shape_of(pool)),
      most_under_way_(std::max(1, pool.pages() / kPoolPart)) {}

DiskPages::~DiskPages() {
  std::unique_lock lock(mutex_);
  all_written_.wait(lock, [&] { return under_way_ == 0; });
}

template <typename Bytes>
std::vector<std::span<Bytes>> DiskPages::memory(PageIndex page) const {
  std::vector<std::span<Bytes>> out;
  const std::size_t bytes = shape_.layer_bytes();
  for (const CacheLayer& layer : pool_.layers())
    out.emplace_back(layer.pages + static_cast<std::size_t>(page) * bytes, bytes);
  return out;
}

void DiskPages::keep(PageIndex page) {
  const std::optional<PrefixCache::Facts> facts = cache_.facts(page);
  if (!facts || store_->has(facts->own)) return;
  {
    const std::lock_guard lock(mutex_);
    if (under_way_ + static_cast<int>(written_.size()) >= most_under_way_) return;
    ++under_way_;
  }
  pool_.retain(page);
  const auto done = [this, page] {
    {
      const std::lock_guard lock(mutex_);
      written_.push_back(page);
    }
    wake_();
    const std::lock_guard lock(mutex_);
    if (--under_way_ == 0) all_written_.notify_all();  // from here on this may be gone
  };
  const PageName name{facts->scope, facts->parent, facts->own, facts->ids, facts->owner};
  if (store_->write(name, shape_, memory<const std::byte>(page), done)) return;
  cache_.release(page);
  const std::lock_guard lock(mutex_);
  --under_way_;
}

void DiskPages::touch(std::span<const PageIndex> pages) {
  std::vector<Hash128> names;
  for (auto page = pages.rbegin(); page != pages.rend(); ++page)
    if (const auto facts = cache_.facts(*page)) names.push_back(facts->own);
  store_->touch(names);
}

bool DiskPages::any_written() const {
  const std::lock_guard lock(mutex_);
  return !written_.empty();
}

void DiskPages::release_written() {
  std::vector<PageIndex> written;
  {
    const std::lock_guard lock(mutex_);
    written.swap(written_);
  }
  for (const PageIndex page : written) cache_.release(page);
}

bool DiskPages::has(const PrefixCache::Cursor& cursor, std::span<const std::int32_t> ids) const {
  return store_->readable(PrefixCache::chain(cursor, ids));
}

int DiskPages::beginning(const PrefixCache::Cursor& cursor, std::span<const std::int32_t> ids) const {
  return store_->find(cursor.chain, ids, shape_).tokens;
}

PageIndex DiskPages::read(const PrefixCache::Cursor& cursor, std::span<const std::int32_t> ids) {
  const bool full = static_cast<int>(ids.size()) == kPageTokens;
  Hash128 own = PrefixCache::chain(cursor, ids);
  if (!full) {
    const PageStore::Found found = store_->find(cursor.chain, ids, shape_);
    if (found.tokens < static_cast<int>(ids.size())) return kNoPage;
    own = found.own;
  }
  const PageIndex page = cache_.take();
  if (page == kNoPage) return kNoPage;
  if (store_->read({cursor.scope, cursor.chain, own, ids}, shape_, memory<std::byte>(page))) return page;
  pool_.release(page, false);
  return kNoPage;
}

}  // namespace limpid
