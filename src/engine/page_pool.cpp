#include "engine/page_pool.h"

#include <cassert>
#include <cstring>

#include "base/error.h"

namespace limpid {

namespace {

std::size_t pool_bytes(std::size_t page_size, int layers, int pages) {
  if (layers < 1 || pages < 1)
    fail(ErrorKind::input, "KV cache: {} layers and {} pages; both must be at least 1", layers, pages);
  const auto total =
      static_cast<unsigned __int128>(page_size) * static_cast<unsigned>(layers) * static_cast<unsigned>(pages);
  if (total > (std::uint64_t{1} << 46))
    fail(ErrorKind::resources, "KV cache: {} pages of {} layers exceed the address space", pages, layers);
  return static_cast<std::size_t>(total);
}

}  // namespace

PagePool::PagePool(const CacheLayout& layout, int layers, int pages, bool poison)
    : page_bytes_(limpid::page_bytes(layout)),
      poison_(poison),
      buffer_(pool_bytes(page_bytes_, layers, pages)),
      state_(static_cast<std::size_t>(pages)) {
  for (int layer = 0; layer < layers; ++layer)
    layers_.push_back(
        {layout, buffer_.data() + static_cast<std::size_t>(layer) * static_cast<std::size_t>(pages) * page_bytes_});
  for (PageIndex page = pages - 1; page >= 0; --page) put_back(page);
}

PageIndex PagePool::take() {
  if (free_.empty()) return kNoPage;
  const PageIndex page = free_.back();
  free_.pop_back();
  at(page).references = 1;
  return page;
}

void PagePool::retain(PageIndex page) {
  State& state = at(page);
  if (state.kept) {
    kept_.erase(state.place);
    state.kept = false;
  }
  ++state.references;
}

void PagePool::release(PageIndex page, bool keep) {
  State& state = at(page);
  assert(state.references > 0);
  if (--state.references > 0) return;
  if (!keep) return put_back(page);
  state.kept = true;
  state.place = kept_.insert(kept_.end(), page);
}

void PagePool::free_kept(PageIndex page) {
  State& state = at(page);
  assert(state.kept);
  kept_.erase(state.place);
  state.kept = false;
  put_back(page);
}

void PagePool::put_back(PageIndex page) {
  if (poison_)
    for (std::size_t layer = 0; layer < layers_.size(); ++layer) std::memset(memory(layer, page), 0xFF, page_bytes_);
  free_.push_back(page);
}

void PagePool::copy(PageIndex from, PageIndex to) {
  for (std::size_t layer = 0; layer < layers_.size(); ++layer)
    std::memcpy(memory(layer, to), memory(layer, from), page_bytes_);
}

std::byte* PagePool::memory(std::size_t layer, PageIndex page) const {
  return layers_[layer].pages + static_cast<std::size_t>(page) * page_bytes_;
}

}  // namespace limpid
