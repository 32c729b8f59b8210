#include "nn/expert_waves.h"

#include <cassert>
#include <exception>
#include <new>

#include "base/error.h"

namespace limpid {

namespace {

constexpr std::size_t kHead = 64;  // bytes before the views

}  // namespace

ExpertWaves::ExpertWaves(Exec& ex, ExpertSource& source, int layer, std::size_t most, bool other_work)
    : ex_(ex),
      source_(source),
      layer_(layer),
      most_(most),
      immediate_(source.immediate()),
      leads_(immediate_ || ex.thread == 0),
      other_work_(other_work) {
  static_assert(sizeof(List) <= kHead);
  std::byte* memory = immediate_ ? ex.scratch.take(list_bytes(most)) : ex.alloc_bytes(list_bytes(most));
  list_ = reinterpret_cast<List*>(memory);
  views_ = reinterpret_cast<ExpertView*>(memory + kHead);
  if (leads_) new (list_) List;
  assert(immediate_ || ex.status != nullptr);
}

std::size_t ExpertWaves::list_bytes(std::size_t most) { return kHead + (most * sizeof(ExpertView) + 63) / 64 * 64; }

void ExpertWaves::want(std::span<const std::int32_t> ids, std::span<const std::int32_t> counts) {
  assert(ids.size() <= most_ && ids.size() == counts.size());
  ids_ = ids;
  counts_ = counts;
}

std::span<const ExpertView> ExpertWaves::next() {
  if (!immediate_ && !first_) ex_.sync();  // nobody reads the former wave any more
  if (leads_) pull();
  if (!immediate_) ex_.sync();
  first_ = false;
  return {views_, static_cast<std::size_t>(list_->count)};
}

void ExpertWaves::pull() {
  if (immediate_) {  // neither throws nor holds back
    ticket_ = source_.begin(layer_, ids_, counts_);
    while (const auto view = source_.next(ticket_, ExpertSource::Wait::yes)) views_[list_->count++] = *view;
    list_->last = true;
    return;
  }
  release();
  try {
    if (first_) ticket_ = source_.begin(layer_, ids_, counts_);
    take_ready();
    return;
  } catch (const std::exception& error) {
    ex_.status->what = error.what();
  } catch (...) {
    ex_.status->what = "an unknown exception";
  }
  release();
  ex_.status->failed = list_->failed = true;
}

void ExpertWaves::take_ready() {
  const bool wait = !(first_ && other_work_);
  while (ticket_.given < ids_.size()) {
    const auto view =
        source_.next(ticket_, wait && list_->count == 0 ? ExpertSource::Wait::yes : ExpertSource::Wait::no);
    if (view)
      views_[list_->count++] = *view;
    else if (wait && list_->count == 0)
      fail(ErrorKind::system, "experts of layer {}: {} of {} came and no more", layer_, ticket_.given, ids_.size());
    else
      break;
  }
  list_->last = ticket_.given == ids_.size();
}

void ExpertWaves::release() {
  for (std::int64_t i = 0; i < list_->count; ++i) source_.release(ticket_, views_[i]);
  list_->count = 0;
}

void ExpertWaves::finish() {
  if (leads_) release();
}

}  // namespace limpid
