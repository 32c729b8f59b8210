// What the tests of the team share: a folder of its own, a clock that stands until it is set, cheap passwords, a
// configuration with small limits.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "server/api_error.h"
#include "server/team.h"
#include "server/team_admission.h"

namespace limpid {

class ScratchFolder {
 public:
  ScratchFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "limpid_team_XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no scratch folder");
    path_ = name;
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

inline constexpr UnixSeconds kNoon = 1'737'374'400;  // 2025-01-20 12:00:00 UTC

class SetClock {
 public:
  UnixSeconds now() const { return *time_; }
  void set(UnixSeconds time) { *time_ = time; }
  void advance(std::int64_t seconds) { *time_ += seconds; }
  WallClock clock() const {
    return [time = time_] { return time->load(); };
  }

 private:
  std::shared_ptr<std::atomic<UnixSeconds>> time_ = std::make_shared<std::atomic<UnixSeconds>>(kNoon);
};

inline AccountsOptions cheap_accounts() {
  AccountsOptions options;
  options.password = {64, 1, 1, 4};
  options.by_address.free_failures = 1000;
  return options;
}

inline constexpr const char* kTestConfig = R"({
  "currency": "USD", "default_tier": "free", "capacity": 2,
  "prices": {"*": {"cached": "0.1", "prompt": "1", "completion": "2"}, "dear": {"cached": "10", "prompt": "100", "completion": "200"}},
  "tiers": {
    "free": {"concurrency": 2, "context": 1000, "models": ["small"], "shed_at": 0.5,
             "requests": {"minute": 3, "day": 5, "month": 8}, "tokens": {"minute": 2000, "day": 5000, "month": 20000}},
    "paid": {"priority": 10, "charged": true, "shed_at": 0.9},
    "unlimited": {"priority": 20}
  }
})";

// A team on a file that outlives it, so that a test can close and open it again.
struct TeamWorld {
  ScratchFolder folder;
  SetClock time;
  std::atomic<double> load{0};
  std::atomic<double> places{1e9};  // so many requests at once are a load of 1
  std::unique_ptr<Team> team;
  std::string config_text = kTestConfig;

  TeamWorld() { open(); }
  void open() {
    std::ofstream(folder / "team.json") << config_text;
    TeamOptions options;
    options.database = folder / "team.db";
    options.config_file = folder / "team.json";
    options.clock = time.clock();
    options.load = [this](std::int64_t held) { return std::max(load.load(), static_cast<double>(held) / places); };
    options.accounts = cheap_accounts();
    options.most_requests = 256;
    team = std::make_unique<Team>(options);
  }
  void reopen() {
    team.reset();
    open();
  }

  Account account(const std::string& name, const std::string& tier = "paid", Micros balance = 0,
                  Role role = Role::user) {
    Account made = team->accounts().create(name, "password of " + name, tier, role);
    if (balance > 0) team->storage().add_entry(made.id, EntryKind::top_up, balance, "test", "", time.now());
    return *team->storage().account(made.id);
  }
  Account read(const Account& account) { return *team->storage().account(account.id); }
  Identity identity(const Account& account, const std::string& key = "key") {
    Identity identity;
    identity.account = account.id;
    identity.key = key;
    identity.tier = account.tier;
    return identity;
  }
};

// The ApiError that `work` throws; status 0 where it throws none.
template <typename Work>
ApiError refusal(Work work) {
  try {
    work();
  } catch (const ApiError& error) {
    return error;
  }
  return {0, "", "nothing was thrown"};
}

}  // namespace limpid
