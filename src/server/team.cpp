#include "server/team.h"

#include <algorithm>

#include "base/error.h"
#include "server/storage_sqlite.h"
#include "server/team_admission.h"

namespace limpid {

namespace {

std::shared_ptr<const TeamConfig> load_config(const std::string& path) {
  return std::make_shared<const TeamConfig>(
      path.empty() ? parse_team_config(default_team_config(), "the built-in team configuration")
                   : read_team_config(path));
}

// A request may end after the server has: its charge keeps the team. The charge goes first.
class ChargeOfTeam final : public Charge {
 public:
  ChargeOfTeam(std::shared_ptr<Team> team, std::unique_ptr<Charge> charge)
      : team_(std::move(team)), charge_(std::move(charge)) {}
  void progress(const Consumption& consumption) noexcept override { charge_->progress(consumption); }
  void settle(const Consumption& consumption) noexcept override { charge_->settle(consumption); }

 private:
  std::shared_ptr<Team> team_;
  std::unique_ptr<Charge> charge_;
};

class AdmissionOfTeam final : public Admission {
 public:
  explicit AdmissionOfTeam(std::shared_ptr<Team> team) : team_(std::move(team)) {}
  Standing standing(const ServedRequest& request) noexcept override { return team_->admission().standing(request); }
  Identity identify(const ServedRequest& request) override { return team_->admission().identify(request); }
  void check(const Identity& identity) override { team_->admission().check(identity); }
  void check_model(const Identity& identity, const std::string& model) override {
    team_->admission().check_model(identity, model);
  }
  std::int64_t most_completion(const Identity& identity, const Demand& demand) override {
    return team_->admission().most_completion(identity, demand);
  }
  void count_text(const Identity& identity) override { team_->admission().count_text(identity); }
  std::unique_ptr<Charge> admit(const Identity& identity, const Demand& demand) override {
    return std::make_unique<ChargeOfTeam>(team_, team_->admission().admit(identity, demand));
  }
  // Not the team but this is kept meanwhile: the storage's thread must not be the last to hold a team.
  void admit(const Identity& identity, const Demand& demand, Admitted admitted) override {
    team_->admission().admit(
        identity, demand,
        [this, admitted = std::move(admitted)](std::unique_ptr<Charge> charge, std::exception_ptr error) {
          if (charge != nullptr) charge = std::make_unique<ChargeOfTeam>(team_, std::move(charge));
          admitted(std::move(charge), std::move(error));
        });
  }

 private:
  std::shared_ptr<Team> team_;
};

}  // namespace

Team::Team(TeamOptions options) : options_(std::move(options)), config_(load_config(options_.config_file)) {
  StorageOptions storage;
  storage.path = options_.database;
  storage.check = options_.serving;
  storage_ = open_sqlite_storage(storage);
  check_tiers(*config_);
  const auto config = [this] { return this->config(); };
  accounts_ = std::make_unique<Accounts>(*storage_, config, options_.clock, options_.accounts);
  authenticator_ = std::make_unique<Authenticator>(*storage_, *accounts_, config, options_.clock);
  if (!options_.serving) return;
  admission_ = std::make_unique<TeamAdmission>(
      *storage_, *authenticator_, config,
      TeamAdmissionOptions{options_.database + "-progress", options_.clock, options_.load, options_.most_requests});
  clean();
}

Team::~Team() {
  // What is posted writes through the storage into the journal that admission owns.
  storage_.reset();
}

std::shared_ptr<const TeamConfig> Team::config() const {
  const std::lock_guard lock(config_mutex_);
  return config_;
}

void Team::when_stopped(Stopped stopped) {
  const std::lock_guard lock(config_mutex_);
  stopped_ = std::move(stopped);
}

void Team::stopped(const std::string& account, bool deleted) {
  Stopped tell;
  {
    const std::lock_guard lock(config_mutex_);
    tell = stopped_;
  }
  if (tell) tell(account, deleted);
}

bool Team::active(const std::string& account) {
  const std::optional<Account> found = storage_->account(account);
  return found && found->status == AccountStatus::active;
}

std::vector<std::string> Team::account_ids() {
  constexpr std::int64_t kAtOnce = 1000;
  std::vector<std::string> ids;
  std::string last;
  for (;;) {
    const std::vector<Account> some = storage_->accounts(std::nullopt, last, kAtOnce);
    for (const Account& account : some) ids.push_back(account.id);
    if (static_cast<std::int64_t>(some.size()) < kAtOnce) return ids;
    last = some.back().name;
  }
}

void Team::check_tiers(const TeamConfig& config) {
  for (const std::string& tier : storage_->tiers_in_use())
    if (!config.tiers.contains(tier))
      fail(ErrorKind::input, "{}: accounts or codes have the tier '{}', which the configuration has not",
           options_.config_file.empty() ? "the built-in team configuration" : options_.config_file, tier);
}

void Team::reload_config() {
  const std::shared_ptr<const TeamConfig> fresh = load_config(options_.config_file);
  check_tiers(*fresh);
  {
    const std::lock_guard lock(config_mutex_);
    config_ = fresh;
  }
  accounts_->let_in_by_capacity();
}

void Team::clean() {
  const UnixSeconds now = options_.clock();
  storage_->clean(now, now - options_.keep_requests_days * 86'400);
  accounts_->let_in_by_capacity();
}

Balance Team::balance(const Account& account) {
  const std::shared_ptr<const TeamConfig> now = config();
  Balance balance;
  balance.currency = now->currency;
  balance.total = account.balance;
  balance.reserved = account.reserved;
  balance.granted = std::min(account.balance, storage_->granted_left(account.id));
  balance.topped_up = account.balance - balance.granted;
  const auto tier = now->tiers.find(account.tier);
  const bool charged = tier != now->tiers.end() && tier->second.charged;
  balance.available = !charged || account.balance > account.reserved;
  return balance;
}

std::unique_ptr<Admission> make_team_admission(std::shared_ptr<Team> team) {
  return std::make_unique<AdmissionOfTeam>(std::move(team));
}

}  // namespace limpid
