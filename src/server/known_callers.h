// KnownCallers: who showed which key or cookie lately, in memory, so that a request's place is known before the database
// is asked. A hint for the order of waiting, never a permission: whoever gets a worker is still looked up
// (authenticate.h), and what that says, a revoked key too, is remembered here at once.
//
// Bounded: two generations; when the younger one is full, the older one is forgotten. From any thread, quick.
#pragma once

#include <cstddef>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace limpid {

struct KnownCaller {
  std::string account, tier;
};

class KnownCallers {
 public:
  explicit KnownCallers(std::size_t generation = 32 * 1024) : generation_(generation) {}

  // `secret`: the key or token as it was shown; only a hash of it is kept. Empty: nothing is.
  std::optional<KnownCaller> find(std::string_view secret) const;
  void remember(std::string_view secret, KnownCaller caller);
  void forget(std::string_view secret);

 private:
  using Generation = std::unordered_map<std::string, KnownCaller>;
  const std::size_t generation_;
  mutable std::mutex mutex_;
  Generation young_, old_;
};

}  // namespace limpid
