#include "server/known_callers.h"

#include <utility>

#include "server/secrets.h"

namespace limpid {

std::optional<KnownCaller> KnownCallers::find(std::string_view secret) const {
  if (secret.empty()) return std::nullopt;
  const std::string hash = sha256_hex(secret);
  const std::lock_guard lock(mutex_);
  for (const Generation* generation : {&young_, &old_})
    if (const auto found = generation->find(hash); found != generation->end()) return found->second;
  return std::nullopt;
}

void KnownCallers::remember(std::string_view secret, KnownCaller caller) {
  if (secret.empty()) return;
  std::string hash = sha256_hex(secret);
  const std::lock_guard lock(mutex_);
  old_.erase(hash);
  if (young_.size() >= generation_ && !young_.contains(hash)) old_ = std::exchange(young_, {});
  young_.insert_or_assign(std::move(hash), std::move(caller));
}

void KnownCallers::forget(std::string_view secret) {
  if (secret.empty()) return;
  const std::string hash = sha256_hex(secret);
  const std::lock_guard lock(mutex_);
  young_.erase(hash);
  old_.erase(hash);
}

}  // namespace limpid
