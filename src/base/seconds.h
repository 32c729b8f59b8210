// Durations in seconds, by the clock that nobody sets.
#pragma once

#include <chrono>

namespace limpid {

inline double seconds(std::chrono::steady_clock::duration time) { return std::chrono::duration<double>(time).count(); }

inline double seconds_since(std::chrono::steady_clock::time_point begin) {
  return seconds(std::chrono::steady_clock::now() - begin);
}

}  // namespace limpid
