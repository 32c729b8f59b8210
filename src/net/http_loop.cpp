#include "net/http_loop.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numbers>
#include <utility>

#include "net/http_connection.h"
#include "net/http_wire.h"

namespace limpid {
namespace {

constexpr std::size_t kScratch = 64 * 1024;
constexpr std::size_t kWaitingHandshakes = 1024;

}  // namespace

HttpLoop::HttpLoop(HttpServerOptions given, HttpHandler handles, HttpDoor stands)
    : options(std::move(given)),
      handler(std::move(handles)),
      door(std::move(stands)),
      workers(static_cast<std::size_t>(options.waiting_requests), options.worker_nice),
      deferred(std::max<std::size_t>(1, static_cast<std::size_t>(options.waiting_requests) / 4), options.worker_nice),
      shakers(kWaitingHandshakes),
      scratch(kScratch),
      timer_(context.get_executor()) {}

void HttpLoop::set_deadline(Deadlines::Entry& entry, Deadlines::Time when) {
  if (deadlines.set(entry, when)) arm();
}

void HttpLoop::arm() {
  const Deadlines::Time next = deadlines.next();
  if (next >= armed_) return;  // it wakes early, finds nothing and is armed anew
  armed_ = next;
  timer_.expires_at(next);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;  // armed for an earlier time, or the server has stopped
    armed_ = Deadlines::kNever;
    deadlines.expire(Deadlines::Clock::now());
    arm();
  });
}

bool HttpLoop::may_connect(const std::string& counted_as) {
  const auto found = by_address_.find(counted_as);
  if (found != by_address_.end() && found->second >= options.connections_by_address) return false;
  if (idle_.size() + busy_.size() < static_cast<std::size_t>(options.connections)) return true;
  if (idle_.empty()) return false;
  ++counters.evicted;
  const std::shared_ptr<HttpConnection> longest = idle_.front();
  longest->cut();
  return true;
}

HttpLoop::Place HttpLoop::add(std::shared_ptr<HttpConnection> connection, const std::string& counted_as) {
  busy_.push_back(std::move(connection));
  ++by_address_[counted_as];
  counters.connections = static_cast<int>(idle_.size() + busy_.size());
  return std::prev(busy_.end());
}

void HttpLoop::set_idle(Place place, bool idle) {
  if (idle) {
    idle_.splice(idle_.end(), busy_, place);
  } else {
    busy_.splice(busy_.end(), idle_, place);
  }
}

void HttpLoop::forget(Place place, bool idle, const std::string& counted_as) {
  const auto found = by_address_.find(counted_as);
  if (found != by_address_.end() && --found->second == 0) by_address_.erase(found);
  (idle ? idle_ : busy_).erase(place);
  counters.connections = static_cast<int>(idle_.size() + busy_.size());
  if (!idle_.empty() || !busy_.empty()) return;
  timer_.cancel();  // nobody can be late
  armed_ = Deadlines::kNever;
}

std::vector<std::shared_ptr<HttpConnection>> HttpLoop::connections() const {
  std::vector<std::shared_ptr<HttpConnection>> all(idle_.begin(), idle_.end());
  all.insert(all.end(), busy_.begin(), busy_.end());
  return all;
}

bool HttpLoop::take_body_bytes(std::size_t bytes) {
  if (body_bytes_.fetch_add(bytes) + bytes <= std::max(options.bodies_bytes, options.body_bytes)) return true;
  body_bytes_ -= bytes;
  return false;
}

double HttpLoop::hold_refusal() {
  const Deadlines::Time now = Deadlines::Clock::now();
  if (now - refusals_since_ >= std::chrono::seconds(1)) {
    refusals_since_ = now;
    refusals_ = 0;
  }
  if (++refusals_ <= options.refusals_at_once || held_refusals_ >= options.connections / 2) return 0;
  ++held_refusals_;
  // Those who came in one moment would come back in one: multiples of the golden ratio spread any number of them evenly.
  spread_ += std::numbers::phi - 1;
  spread_ -= std::floor(spread_);
  return options.refusal_hold * (1 + spread_);
}

void HttpLoop::exchange_begins() {
  const std::lock_guard lock(active_mutex_);
  ++active_;
}

void HttpLoop::exchange_ends() {
  {
    const std::lock_guard lock(active_mutex_);
    --active_;
  }
  active_changed_.notify_all();
}

bool HttpLoop::wait_for_exchanges(double seconds) {
  std::unique_lock lock(active_mutex_);
  return active_changed_.wait_for(lock, std::chrono::duration<double>(seconds), [this] { return active_ == 0; });
}

int HttpLoop::active() const {
  const std::lock_guard lock(active_mutex_);
  return active_;
}

const std::string& HttpLoop::date() {
  const std::time_t now = std::time(nullptr);
  if (now != dated_) {
    dated_ = now;
    date_ = http_date(now);
  }
  return date_;
}

}  // namespace limpid
