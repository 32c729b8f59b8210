// TeamAdmission: may this request run, and what did it cost. In this order, the cheap first: the key's scope, the
// tier's models and context, the load (the lowest tier is shed first), quotas in memory, then one durable write that
// reserves the most that the request can cost.
//
// How each accepted request is charged exactly once, also when the process is killed at any moment:
// - It is accepted when its row, open, is durable; only then does it run. A refusal has written nothing.
// - Its end closes the row and books one entry, in one transaction. `entries.request` is unique, closing what is closed
//   does nothing: it can neither be charged twice nor lose its charge.
// - A row that is open at the next start was cut off. It is charged for the tokens that had been delivered: the journal
// of
//   progress knows (progress_journal.h), because settle() writes there first, the same numbers as the charge.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "server/authenticate.h"
#include "server/progress_journal.h"
#include "server/quota.h"

namespace limpid {

struct TeamAdmissionOptions {
  std::string journal;
  WallClock clock = system_wall_clock();
  std::function<double()> load;
  int most_requests = 16384;
};

struct QuotaUse {
  UsageTotals minute, day, month;
  int running = 0;
};

struct AdmissionStatistics {
  std::uint64_t admitted = 0, settled = 0, released = 0;
  std::uint64_t shed = 0, over_quota = 0, no_balance = 0;
  std::uint64_t recovered = 0;  // at the start: requests that an earlier process left open
  int running = 0;
  double load = 0;
};

class TeamAdmission final : public Admission {
 public:
  // Locks the journal and closes what an earlier process left open. Throws Error.
  TeamAdmission(Storage& storage, Authenticator& authenticator,
                std::function<std::shared_ptr<const TeamConfig>()> config, TeamAdmissionOptions options);
  ~TeamAdmission() override;

  Identity identify(const ServedRequest& request) override;
  std::unique_ptr<Charge> admit(const Identity& identity, const Demand& demand) override;

  QuotaUse quota_use(const std::string& account);
  AdmissionStatistics statistics() const;

 private:
  class TeamCharge;
  struct Meter {
    std::mutex mutex;
    bool loaded = false;
    QuotaMeter quota;
  };

  void recover();
  std::shared_ptr<Meter> meter(const std::string& account);
  void load_meter(Meter& meter, const std::string& account, UnixSeconds now);
  void check_demand(const Identity& identity, const Tier& tier, const Demand& demand) const;
  void check_load(const Tier& tier);
  QuotaBooking book_quota(const Tier& tier, const std::string& account, Meter& meter, std::int64_t tokens,
                          UnixSeconds now);

  Storage& storage_;
  Authenticator& authenticator_;
  std::function<std::shared_ptr<const TeamConfig>()> config_;
  TeamAdmissionOptions options_;
  ProgressJournal journal_;
  std::mutex meters_mutex_;
  std::unordered_map<std::string, std::shared_ptr<Meter>> meters_;
  mutable std::mutex statistics_mutex_;
  AdmissionStatistics statistics_;
};

}  // namespace limpid
