// What an engine needs in memory, what the machine (and the control group we run in) has, and the context that fits:
// decided before a model is loaded, so that a model that is too large is refused with numbers and not killed half way.
#pragma once

#include <cstdint>
#include <string>

#include "ops/cache.h"

namespace limpid {

struct AvailableMemory {
  std::uint64_t bytes = 0;
  std::string limited_by;  // "MemAvailable", "cgroup /sys/fs/cgroup/...": to say in messages
};

// The least of MemAvailable (/proc/meminfo) and, for every control group (v1 or v2) from ours to the root, its limit -
// usage + page cache that can be reclaimed. root: where /proc and /sys are looked for (tests). Throws Error(system)
// where /proc/meminfo cannot be read.
AvailableMemory available_memory(const std::string& root = "/");

struct MemoryNeeds {
  std::uint64_t weights = 0;  // bytes still to be allocated for the model
  std::uint64_t work = 0;     // arena, scratch of all threads, sampler
  CacheLayout layout;         // of the cache
  int layers = 0;
  int model_context = 0;  // the most positions that the model was made for
  int sequences = 1;      // that many full contexts at a time
};

struct MemoryPlan {
  int context = 0;           // positions of a sequence
  int pages = 0;             // of the pool: `sequences` contexts
  std::uint64_t cache = 0;   // bytes of the pool
  std::uint64_t needed = 0;  // weights + work + cache
  AvailableMemory available;
};

inline constexpr int kWantedContext = 8192;

// The context asked for, or for `context` = 0 the default: the least of the model's maximum and what fits with a tenth
// of the memory left free (at least 8 k where that fits at all). Throws Error(resources) with what is needed and what
// is there; Error(input) for a context that the model does not have.
MemoryPlan plan_memory(const MemoryNeeds& needs, const AvailableMemory& available, int context = 0);

}  // namespace limpid
