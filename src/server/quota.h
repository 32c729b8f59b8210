// QuotaMeter: what an account has used of its tier's limits, in memory: a refusal costs no database. Requests and
// tokens of the last 60 seconds (a sliding window by the second), of this day and this month (UTC), and the requests
// that run.
//
// A request is booked with the most tokens it may take and corrected when it ends, so that no limit is ever exceeded.
// One thread at a time (its owner holds a lock).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "server/storage.h"
#include "server/team_config.h"

namespace limpid {

struct QuotaBooking {
  UnixSeconds time = 0;
  std::int64_t tokens = 0;
};

struct QuotaRefusal {
  std::string what;              // "10 requests per minute"
  std::int64_t retry_after = 0;  // seconds; 0: never, the request asks for more than the limit itself
};

class QuotaMeter {
 public:
  // What the database knows: of this month, this day and the last minute.
  void load(UnixSeconds now, const UsageTotals& month, const UsageTotals& day,
            const std::vector<RecentRequest>& recent);

  // Books, or says why not and nothing is changed. Retry-After is the first second at which the same request would be
  // accepted if nothing else happened until then; for `concurrency`, where nobody knows, it is 1.
  std::optional<QuotaRefusal> admit(const Tier& tier, std::int64_t tokens, UnixSeconds now, QuotaBooking* booking);
  // What admit() would say; books nothing.
  std::optional<QuotaRefusal> refusal(const Tier& tier, std::int64_t tokens, UnixSeconds now);
  void settle(const QuotaBooking& booking, std::int64_t tokens);  // it took these, and runs no more
  void release(const QuotaBooking& booking);                      // it never ran

  int running() const { return running_; }
  UsageTotals minute(UnixSeconds now);
  UsageTotals day(UnixSeconds now);
  UsageTotals month(UnixSeconds now);

 private:
  static constexpr int kMinute = 60;
  struct Second {
    UnixSeconds time = -1;
    UsageTotals totals;
  };

  void turn(UnixSeconds now);  // forgets what is of another day or month
  Second& second(UnixSeconds time) { return seconds_[static_cast<std::size_t>(time % kMinute)]; }
  void add(UnixSeconds time, std::int64_t requests, std::int64_t tokens);
  std::int64_t minute_wait(std::int64_t UsageTotals::*part, std::int64_t limit, std::int64_t wanted, UnixSeconds now);

  std::array<Second, kMinute> seconds_;
  UnixSeconds day_begin_ = 0, month_begin_ = 0;
  UsageTotals day_, month_;
  int running_ = 0;
};

}  // namespace limpid
