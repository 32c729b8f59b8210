#include "engine/thinking.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace limpid {

void check_thinking(const ThinkingRule& rule, int vocabulary) {
  for (const auto* ids : {&rule.open, &rule.close, &rule.closing})
    for (std::int32_t id : *ids)
      if (id < 0 || id >= vocabulary)
        fail(ErrorKind::input, "thinking: token {} is not in the vocabulary of {}", id, vocabulary);
  if (rule.budget && *rule.budget < 0) fail(ErrorKind::input, "thinking budget: {} is negative", *rule.budget);
  if (rule.seconds && !(*rule.seconds >= 0 && std::isfinite(*rule.seconds)))
    fail(ErrorKind::input, "thinking budget: {} seconds; it must be a number that is not negative", *rule.seconds);
  if (!rule.closing.empty() && std::ranges::search(rule.closing, rule.close).empty())
    fail(ErrorKind::input, "thinking: the forced ids do not contain the ids that close the thinking");
}

ThinkingTracker::ThinkingTracker(ThinkingRule rule) : rule_(std::move(rule)) {
  if (rule_.close.empty()) return;
  if (rule_.closing.empty()) rule_.closing = rule_.close;
  keep_ = std::max(rule_.open.size(), rule_.close.size());
  inside_ = rule_.inside;
  if (rule_.seconds == 0.0) rule_.budget = 0;
  forcing_ = inside_ && rule_.budget && *rule_.budget == 0;
}

std::optional<std::int32_t> ThinkingTracker::forced() const {
  return forcing_ ? std::optional(rule_.closing[forced_]) : std::nullopt;
}

bool ThinkingTracker::ends_with(std::span<const std::int32_t> marker) const {
  return !marker.empty() && recent_.size() >= marker.size() &&
         std::equal(marker.begin(), marker.end(), recent_.end() - static_cast<std::ptrdiff_t>(marker.size()));
}

void ThinkingTracker::accept(std::int32_t id, Time now) {
  if (rule_.close.empty()) return;
  if (inside_ && !since_) since_ = now;
  move(id);
  if (inside_ && !since_) since_ = now;
  if (used_up(now)) stop();
}

// Of the budget in seconds.
bool ThinkingTracker::used_up(Time now) {
  if (!rule_.seconds || !since_) return false;
  const double spent = seconds_ + std::chrono::duration<double>(now - *since_).count();
  if (!inside_) {
    seconds_ = spent;
    since_.reset();
  }
  return spent >= *rule_.seconds;
}

void ThinkingTracker::move(std::int32_t id) {
  recent_.push_back(id);
  if (recent_.size() > keep_) recent_.erase(recent_.begin());
  if (forcing_) {
    if (++forced_ == rule_.closing.size()) {
      forcing_ = inside_ = false;
      forced_ = 0;
    }
    return;
  }
  if (inside_) {
    ++tokens_;
    if (ends_with(rule_.close)) inside_ = false;
  } else if (ends_with(rule_.open)) {
    inside_ = true;
  }
  forcing_ = inside_ && rule_.budget && tokens_ >= *rule_.budget;
}

void ThinkingTracker::stop() {
  if (rule_.close.empty()) return;
  rule_.budget = std::min(rule_.budget.value_or(tokens_), tokens_);
  forcing_ = forcing_ || inside_;
}

}  // namespace limpid
