// TeamAdmission: may this request run, and what did it cost. In this order, the cheap first: the load (the lowest tier is
// shed first) and what is used up of quotas, by the head alone, in memory, before anything of the request is parsed;
// then the key's scope, the tier's models and context, load and quotas by what the request may take, and last one durable
// write that reserves the most that it can cost.
//
// How each accepted request is charged exactly once, also when the process is killed at any moment:
// - It is accepted when its row, open, is durable; only then does it run. A refusal has written nothing.
// - Its end closes the row and books one entry, in one transaction. `entries.request` is unique, closing what is closed
//   does nothing: it can neither be charged twice nor lose its charge.
// - A row that is open at the next start was cut off. It is charged for the tokens that had been delivered: the journal
//   of progress knows (progress_journal.h), because settle() writes there first, the same numbers as the charge.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "server/authenticate.h"
#include "server/progress_journal.h"
#include "server/quota.h"
#include "server/throttle.h"

namespace limpid {

struct TeamAdmissionOptions {
  std::string journal;
  WallClock clock = system_wall_clock();
  // How full the service is, 0: idle, 1: full, where `held` requests are admitted and have not ended, or are about to be. What
  // was admitted may still be on its way to the engine, which cannot know of it yet.
  std::function<double(std::int64_t held)> load;
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
};

class TeamAdmission final : public Admission {
 public:
  // Locks the journal and closes what an earlier process left open. Throws Error.
  TeamAdmission(Storage& storage, Authenticator& authenticator,
                std::function<std::shared_ptr<const TeamConfig>()> config, TeamAdmissionOptions options);
  ~TeamAdmission() override;

  Standing standing(const ServedRequest& request) noexcept override;
  Identity identify(const ServedRequest& request) override;
  void check(const Identity& identity) override;
  void check_model(const Identity& identity, const std::string& model) override;
  std::int64_t most_completion(const Identity& identity, const Demand& demand) override;
  void count_text(const Identity& identity) override;
  std::unique_ptr<Charge> admit(const Identity& identity, const Demand& demand) override;
  void admit(const Identity& identity, const Demand& demand, Admitted admitted) override;

  QuotaUse quota_use(const std::string& account);
  AdmissionStatistics statistics() const;
  double load() const;  // now, as the options tell it; 0 where they do not

 private:
  class TeamCharge;
  struct Meter {
    std::mutex mutex;
    bool loaded = false;
    QuotaMeter quota;
    QuotaMeter texts;  // since the start: count_text()
  };

  // A request between its checks and its row.
  struct Booked {
    std::shared_ptr<Meter> meter;
    QuotaBooking booking;
    int slot = -1;  // of the journal
    OpenRequest request;
    std::string currency;
  };

  void recover();
  Booked book(const Identity& identity, const Demand& demand);
  void give_up(const Booked& booked);
  std::unique_ptr<Charge> conclude(const Booked& booked, const OpenResult& result);
  std::shared_ptr<Meter> meter(const std::string& account);
  void load_meter(Meter& meter, const std::string& account, UnixSeconds now);
  void check_demand(const Identity& identity, const Tier& tier, const Demand& demand) const;
  void check_load(const Tier& tier, std::int64_t held);
  void refuse_quota(const QuotaRefusal& refusal, std::int64_t tokens);
  void check_used(const Tier& tier, const std::string& account, bool may_read);
  QuotaBooking book_quota(const Tier& tier, const std::string& account, Meter& meter, std::int64_t tokens,
                          UnixSeconds now);

  Storage& storage_;
  Authenticator& authenticator_;
  std::function<std::shared_ptr<const TeamConfig>()> config_;
  TeamAdmissionOptions options_;
  ProgressJournal journal_;
  std::atomic<std::int64_t> held_{0};  // from book() until it is given up or closed
  Throttle strangers_;                 // by address: wrong keys
  std::mutex meters_mutex_;
  std::unordered_map<std::string, std::shared_ptr<Meter>> meters_;
  mutable std::mutex statistics_mutex_;
  AdmissionStatistics statistics_;
};

}  // namespace limpid
