// Throttle: slows down who fails again and again (logins, access codes), by name of whatever is counted: an address, an
// account. After some free failures each further one doubles the pause before the next try; a quiet time forgives all.
//
// Bounded: beyond `most_names` the one that failed longest ago is forgotten. From any thread.
#pragma once

#include <cstdint>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "server/clock.h"

namespace limpid {

struct ThrottleOptions {
  int free_failures = 5;
  std::int64_t first_pause = 1;  // seconds, after one failure more
  std::int64_t longest_pause = 15 * 60;
  std::int64_t forgive_after = 60 * 60;  // seconds without a failure
  std::size_t most_names = 100'000;
};

class Throttle {
 public:
  explicit Throttle(ThrottleOptions options = {}) : options_(options) {}

  // Seconds until `name` may try (again); 0: now.
  std::int64_t wait(const std::string& name, UnixSeconds now) const;
  void failed(const std::string& name, UnixSeconds now);
  void succeeded(const std::string& name);
  std::size_t names() const;

 private:
  struct Record {
    int failures = 0;
    UnixSeconds last = 0, until = 0;
    std::list<std::string>::iterator place;
  };

  const ThrottleOptions options_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Record> records_;
  std::list<std::string> order_;  // by last failure, the oldest first
};

// What stands for an address: itself, or the /64 of an IPv6 one, because a person has as many of those as he likes.
std::string address_group(std::string_view peer);

}  // namespace limpid
