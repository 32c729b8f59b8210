#include "server/quota.h"

#include <algorithm>
#include <vector>

#include "base/error.h"

namespace limpid {

void QuotaMeter::load(UnixSeconds now, const UsageTotals& month, const UsageTotals& day,
                      const std::vector<RecentRequest>& recent) {
  turn(now);
  month_ = month;
  day_ = day;
  for (const RecentRequest& request : recent) {
    if (request.opened <= now - kMinute || request.opened > now) continue;
    Second& at = second(request.opened);
    if (at.time != request.opened) at = {request.opened, {}};
    ++at.totals.requests;
    at.totals.tokens += request.tokens;
  }
}

void QuotaMeter::turn(UnixSeconds now) {
  if (const UnixSeconds begin = start_of_day(now); begin > day_begin_) {
    day_begin_ = begin;
    day_ = {};
  }
  if (const UnixSeconds begin = start_of_month(now); begin > month_begin_) {
    month_begin_ = begin;
    month_ = {};
  }
}

void QuotaMeter::add(UnixSeconds time, std::int64_t requests, std::int64_t tokens) {
  const auto count = [&](UsageTotals& totals) {
    totals.requests += requests;
    totals.tokens += tokens;
  };
  if (Second& at = second(time); at.time == time) count(at.totals);
  if (time >= day_begin_) count(day_);
  if (time >= month_begin_) count(month_);
}

UsageTotals QuotaMeter::minute(UnixSeconds now) {
  UsageTotals sum;
  for (const Second& at : seconds_) {
    if (at.time <= now - kMinute) continue;  // a clock that was set back does not free what was used
    sum.requests += at.totals.requests;
    sum.tokens += at.totals.tokens;
  }
  return sum;
}

UsageTotals QuotaMeter::day(UnixSeconds now) {
  turn(now);
  return day_;
}

UsageTotals QuotaMeter::month(UnixSeconds now) {
  turn(now);
  return month_;
}

// Seconds until enough of the last minute has gone by for `wanted` to fit under `limit`.
std::int64_t QuotaMeter::minute_wait(std::int64_t UsageTotals::*part, std::int64_t limit, std::int64_t wanted,
                                     UnixSeconds now) {
  std::vector<const Second*> used;
  for (const Second& at : seconds_)
    if (at.time > now - kMinute && at.totals.*part > 0) used.push_back(&at);
  std::sort(used.begin(), used.end(), [](const Second* a, const Second* b) { return a->time < b->time; });
  std::int64_t sum = wanted;
  for (const Second* at : used) sum += at->totals.*part;
  for (const Second* at : used) {
    if (sum <= limit) break;
    sum -= at->totals.*part;
    if (sum <= limit) return at->time + kMinute - now;
  }
  return 0;
}

std::optional<QuotaRefusal> QuotaMeter::refusal(const Tier& tier, std::int64_t tokens, UnixSeconds now) {
  turn(now);
  std::optional<QuotaRefusal> refusal;
  const auto refuse = [&](std::string what, std::int64_t retry_after) {
    if (!refusal || (refusal->retry_after != 0 && (retry_after == 0 || retry_after > refusal->retry_after)))
      refusal = QuotaRefusal{std::move(what), retry_after};
  };
  const UsageTotals last_minute = minute(now);
  const std::int64_t to_day = start_of_day(now) + 86'400 - now, to_month = start_of_next_month(now) - now;
  const auto check = [&](const WindowLimits& limits, std::int64_t UsageTotals::*part, std::int64_t wanted,
                         std::string_view noun) {
    const auto over = [&](std::int64_t limit, std::int64_t used) { return limit > 0 && used + wanted > limit; };
    const auto wait = [&](std::int64_t limit, std::int64_t seconds) { return wanted > limit ? 0 : seconds; };
    if (over(limits.minute, last_minute.*part))
      refuse(fmt::format("{} {} per minute", limits.minute, noun),
             wait(limits.minute, minute_wait(part, limits.minute, wanted, now)));
    if (over(limits.day, day_.*part)) refuse(fmt::format("{} {} per day", limits.day, noun), wait(limits.day, to_day));
    if (over(limits.month, month_.*part))
      refuse(fmt::format("{} {} per month", limits.month, noun), wait(limits.month, to_month));
  };
  check(tier.requests, &UsageTotals::requests, 1, "requests");
  check(tier.tokens, &UsageTotals::tokens, tokens, "tokens");
  if (!refusal && tier.concurrency > 0 && running_ >= tier.concurrency)
    refuse(fmt::format("{} requests at the same time", tier.concurrency), 1);
  return refusal;
}

std::optional<QuotaRefusal> QuotaMeter::admit(const Tier& tier, std::int64_t tokens, UnixSeconds now,
                                              QuotaBooking* booking) {
  if (std::optional<QuotaRefusal> refused = refusal(tier, tokens, now)) return refused;
  if (Second& at = second(now); at.time < now) at = {now, {}};
  // The second of a clock that was set back: what is there is newer and stays.
  const UnixSeconds time = second(now).time;
  add(time, 1, tokens);
  ++running_;
  *booking = {time, tokens};
  return std::nullopt;
}

void QuotaMeter::settle(const QuotaBooking& booking, std::int64_t tokens) {
  add(booking.time, 0, tokens - booking.tokens);
  --running_;
}

void QuotaMeter::release(const QuotaBooking& booking) {
  add(booking.time, -1, -booking.tokens);
  --running_;
}

}  // namespace limpid
