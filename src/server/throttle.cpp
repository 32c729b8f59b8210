#include "server/throttle.h"

#include <arpa/inet.h>

#include <algorithm>

#include "base/error.h"

namespace limpid {

std::int64_t Throttle::wait(const std::string& name, UnixSeconds now) const {
  const std::lock_guard lock(mutex_);
  const auto found = records_.find(name);
  if (found == records_.end() || now - found->second.last >= options_.forgive_after) return 0;
  return std::max<std::int64_t>(0, found->second.until - now);
}

void Throttle::failed(const std::string& name, UnixSeconds now) {
  const std::lock_guard lock(mutex_);
  const auto [found, fresh] = records_.try_emplace(name);
  Record& record = found->second;
  if (!fresh) order_.erase(record.place);
  if (now - record.last >= options_.forgive_after) record.failures = 0;
  record.place = order_.insert(order_.end(), name);
  record.last = now;
  ++record.failures;
  const int over = record.failures - options_.free_failures;
  std::int64_t pause = over > 0 ? options_.first_pause : 0;
  for (int i = 1; i < over && pause < options_.longest_pause; ++i) pause *= 2;
  record.until = pause > 0 ? now + std::min(pause, options_.longest_pause) : 0;
  if (records_.size() > options_.most_names) {
    records_.erase(order_.front());
    order_.pop_front();
  }
}

void Throttle::succeeded(const std::string& name) {
  const std::lock_guard lock(mutex_);
  const auto found = records_.find(name);
  if (found == records_.end()) return;
  order_.erase(found->second.place);
  records_.erase(found);
}

std::size_t Throttle::names() const {
  const std::lock_guard lock(mutex_);
  return records_.size();
}

std::string address_group(std::string_view peer) {
  const std::string text(peer.substr(0, peer.find('%')));
  in6_addr address{};
  if (inet_pton(AF_INET6, text.c_str(), &address) != 1) return text;
  if (IN6_IS_ADDR_V4MAPPED(&address)) return text.substr(text.rfind(':') + 1);
  std::string group;
  for (int i = 0; i < 8; ++i) group += fmt::format("{:02x}", address.s6_addr[i]);
  return group + "/64";
}

}  // namespace limpid
