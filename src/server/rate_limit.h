// RateLimit: so many units a second for each name (an account), and a reserve that is saved up while less is used: a
// token bucket. What is taken may exceed what is there, which is then paid back before anything more is given: so the
// cost of a request need not be known before it was served.
//
// Bounded: beyond `most_names` those whose reserve is full are forgotten, and where there are none, all. From any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>

namespace limpid {

struct RateLimitOptions {
  double per_second = 1, reserve = 1;
  std::size_t most_names = 10'000;
};

class RateLimit {
 public:
  explicit RateLimit(RateLimitOptions options) : options_(options) {}

  // Seconds (of a clock that only goes on) until `name` may take again; 0: now.
  std::int64_t wait(const std::string& name, double now) const;
  void take(const std::string& name, double units, double now);
  std::size_t names() const;

 private:
  struct Bucket {
    double left = 0, time = 0;
  };
  double left(const Bucket& bucket, double now) const;

  const RateLimitOptions options_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Bucket> buckets_;
};

}  // namespace limpid
