// Team: everything that `limpid serve --team` adds, in one object: the database, accounts, who-is-it, admission with
// tiers and quotas, the ledger with its recovery. `limpid admin` opens the same without serving.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "server/accounts.h"
#include "server/authenticate.h"
#include "server/storage.h"
#include "server/team_config.h"

namespace limpid {

class TeamAdmission;

// Who waits and who runs in the engine of a model.
struct QueueFacts {
  std::string model;
  int waiting = 0, running = 0, most_waiting = 0, most_running = 0;
  std::map<std::string, std::pair<int, int>> accounts;  // waiting, running
};

struct TeamOptions {
  std::string database;  // its path; made where it is not there. The journal of progress lies beside it: PATH-progress
  std::string config_file;  // empty: default_team_config()
  WallClock clock = system_wall_clock();
  // How full the service is (TeamAdmissionOptions::load). Quick, from any thread. Empty: 0.
  std::function<double(std::int64_t held)> load;
  std::function<std::vector<QueueFacts>()> queue;  // for admins; empty: none is shown
  AccountsOptions accounts;
  int most_requests = 16384;             // that run at the same time, of all accounts
  std::int64_t keep_requests_days = 90;  // closed requests, in full; their ledger entries and usage stay
  bool serving = true;                   // takes the journal's lock and closes what an earlier process left open
};

struct Balance {
  std::string currency;
  Micros total = 0, granted = 0, topped_up = 0;  // total = granted + topped_up
  Micros reserved = 0;                           // of total, by requests that run
  bool available = true;                         // may it ask for something? Always where its tier is not charged
};

class Team {
 public:
  // Opens the database (checked in full when serving), migrates it, recovers. Throws Error: see storage.h,
  // progress_journal.h, team_config.h; input where an account has a tier that the configuration has not.
  explicit Team(TeamOptions options);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  Storage& storage() { return *storage_; }
  Accounts& accounts() { return *accounts_; }
  Authenticator& authenticator() { return *authenticator_; }
  TeamAdmission& admission() { return *admission_; }  // only when serving
  std::shared_ptr<const TeamConfig> config() const;
  const TeamOptions& options() const { return options_; }

  // Told by the routes when an account is banned, sent to the waiting list or deleted: what it runs is to end.
  using Stopped = std::function<void(const std::string& account, bool deleted)>;
  void when_stopped(Stopped stopped);
  void stopped(const std::string& account, bool deleted);
  // May it run requests? From any thread; may wait for the disk.
  bool active(const std::string& account);
  std::vector<std::string> account_ids();  // all there are

  // Reads the configuration again; the old one stays where the new one has a fault (thrown).
  void reload_config();
  // Once in a while (ten minutes): forgets what has expired, lets in who fits by now.
  void clean();
  Balance balance(const Account& account);

 private:
  void check_tiers(const TeamConfig& config);

  TeamOptions options_;
  mutable std::mutex config_mutex_;  // and of stopped_
  std::shared_ptr<const TeamConfig> config_;
  Stopped stopped_;
  std::unique_ptr<Storage> storage_;
  std::unique_ptr<Accounts> accounts_;
  std::unique_ptr<Authenticator> authenticator_;
  std::unique_ptr<TeamAdmission> admission_;
};

// It and its charges keep the team alive.
std::unique_ptr<Admission> make_team_admission(std::shared_ptr<Team> team);

}  // namespace limpid
