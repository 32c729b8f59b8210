// ExpertWaves: brings a layer's experts from an ExpertSource to all threads of a step, in waves of what is ready.
//
// With an immediate source there is one wave, which every thread takes by itself without a barrier. Otherwise thread 0 asks, waits and gives back;
// the others read what it found after a barrier. An error sets the step's status (Exec::status); every thread sees it at the same barrier.
#pragma once

#include "nn/expert_source.h"

namespace limpid {

class ExpertWaves {
 public:
  // most: experts of a step. other_work: the first wave may be empty, because something else is computed with it (the shared expert); without it
  // next() waits for an expert. Takes list_bytes(most) of the arena or of this thread's scratch; the caller rewinds.
  ExpertWaves(Exec& ex, ExpertSource& source, int layer, std::size_t most, bool other_work);
  // As MoeStep lists them, alike on every thread. Before the first next().
  void want(std::span<const std::int32_t> ids, std::span<const std::int32_t> counts);

  // The next wave; the former must have been computed by this thread. Empty when the step has failed.
  std::span<const ExpertView> next();
  bool last() const { return list_->last; }  // the wave that next() gave
  bool failed() const { return list_->failed; }
  // After a barrier behind the last wave: gives its views back.
  void finish();

  static std::size_t list_bytes(std::size_t most);

 private:
  struct List {
    std::int64_t count = 0;
    bool last = false, failed = false;
  };
  void pull();
  void take_ready();
  void release();

  Exec& ex_;
  ExpertSource& source_;
  const int layer_;
  std::span<const std::int32_t> ids_, counts_;
  const std::size_t most_;
  const bool immediate_, leads_;
  const bool other_work_;
  bool first_ = true;
  List* list_ = nullptr;
  ExpertView* views_ = nullptr;
  ExpertSource::Ticket ticket_;
};

}  // namespace limpid
