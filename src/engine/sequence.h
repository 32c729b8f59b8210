// Sequence: one request on its way through the engine. Owned by the scheduler, touched by the engine's thread only
// (and, while a step runs, its sampling state by the one thread that picks its token).
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "engine/prefix_cache.h"
#include "engine/request.h"

namespace limpid {

struct Sequence {
  using Clock = std::chrono::steady_clock;

  Sequence(RequestId number, Request what, Clock::time_point submitted_at)
      : id(number),
        request(std::move(what)),
        ids(request.prompt),
        rank(request.priority),
        thinking(request.thinking),
        submitted(submitted_at) {}

  const RequestId id;
  Request request;
  std::vector<std::int32_t> ids;  // prompt, then answer
  int limit = 0;                  // ids.size() never exceeds it

  // Where its keys and values are. Positions [0, computed) are in the cache; pages[i] holds positions [64 i, 64 i +
  // 64).
  int computed = 0;
  std::vector<PageIndex> pages;
  PrefixCache::Cursor cursor;  // below the first `registered` pages
  int registered = 0;          // pages that the prefix cache knows (or that could be known)
  bool running = false;
  bool restoring = false;    // pages may be on disk that are to be read before anything is computed
  bool background = false;   // nobody waits for it: its ids are computed when there is nothing else to do
  int longest_computed = 0;  // computed before a preemption: what is computed again is no prompt work

  int rank;               // its priority, or that of the highest where its patience was at an end
  bool promoted = false;  // the latter

  ThinkingTracker thinking;
  TokenCounts counts;

  Usage usage;
  Clock::time_point submitted, started{}, first_token{};

  // How many positions may be taken from the cache: of a request the last id known is always computed, for its logits.
  int reusable() const { return static_cast<int>(ids.size()) - (background ? 0 : 1); }
  int pending() const { return static_cast<int>(ids.size()) - computed; }
  int generated() const { return static_cast<int>(ids.size() - request.prompt.size()); }
};

}  // namespace limpid
