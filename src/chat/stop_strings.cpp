#include "chat/stop_strings.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace limpid {

StopStrings::StopStrings(std::vector<std::string> stops) : stops_(std::move(stops)) {
  if (stops_.size() > kMost) fail(ErrorKind::input, "stop: {} strings, at most {} are allowed", stops_.size(), kMost);
  for (const std::string& stop : stops_)
    if (stop.empty() || stop.size() > kMostBytes)
      fail(ErrorKind::input, "stop: a string of {} bytes, expected 1 to {}", stop.size(), kMostBytes);
}

std::string StopStrings::push(std::string_view text) {
  if (stopped_) return {};
  held_ += text;
  std::size_t first = std::string::npos;
  for (const std::string& stop : stops_) {
    const std::size_t at = held_.find(stop);
    if (at < first || (at == first && at != std::string::npos && stop.size() > matched_.size())) {
      first = at;
      matched_ = stop;
    }
  }
  if (first != std::string::npos) {
    stopped_ = true;
    held_.resize(first);
    return std::exchange(held_, {});
  }
  const std::size_t shown = held_.size() - held_bytes();
  std::string result = held_.substr(0, shown);
  held_.erase(0, shown);
  return result;
}

// The longest end of the text that begins a stop string.
std::size_t StopStrings::held_bytes() const {
  std::size_t most = 0;
  for (const std::string& stop : stops_)
    for (std::size_t size = std::min(stop.size() - 1, held_.size()); size > most; --size)
      if (held_.compare(held_.size() - size, size, stop, 0, size) == 0) most = size;
  return most;
}

std::string StopStrings::finish() { return std::exchange(held_, {}); }

}  // namespace limpid
