#include "server/rate_limit.h"

#include <algorithm>
#include <cmath>

namespace limpid {

double RateLimit::left(const Bucket& bucket, double now) const {
  return std::min(options_.reserve, bucket.left + std::max(0.0, now - bucket.time) * options_.per_second);
}

std::int64_t RateLimit::wait(const std::string& name, double now) const {
  const std::lock_guard lock(mutex_);
  const auto found = buckets_.find(name);
  const double there = found == buckets_.end() ? options_.reserve : left(found->second, now);
  return there > 0 ? 0 : static_cast<std::int64_t>(std::floor(-there / options_.per_second)) + 1;
}

void RateLimit::take(const std::string& name, double units, double now) {
  const std::lock_guard lock(mutex_);
  if (buckets_.size() >= options_.most_names && !buckets_.contains(name)) {
    std::erase_if(buckets_, [&](const auto& entry) { return left(entry.second, now) >= options_.reserve; });
    if (buckets_.size() >= options_.most_names) buckets_.clear();
  }
  Bucket& bucket = buckets_.try_emplace(name, Bucket{options_.reserve, now}).first->second;
  bucket = {left(bucket, now) - units, now};
}

std::size_t RateLimit::names() const {
  const std::lock_guard lock(mutex_);
  return buckets_.size();
}

}  // namespace limpid
