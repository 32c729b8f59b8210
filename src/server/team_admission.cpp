#include "server/team_admission.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "server/api_error.h"

namespace limpid {

namespace {

// One program with a wrong key is told so; who tries many has pauses, for what he has not shown rightly before.
constexpr ThrottleOptions kWrongKeys{30, 1, 30, 60, 100'000};
constexpr std::size_t kMostMeters = 10'000;  // in memory; beyond, those at rest are read anew when they come back

void require_model(const Identity& identity, const Tier& tier, const std::string& model) {
  if (!tier.models.empty() && std::find(tier.models.begin(), tier.models.end(), model) == tier.models.end())
    throw forbidden(fmt::format("model: the tier {} may not use '{}'", identity.tier, model.substr(0, 100)));
}

// The most completion tokens, `most` at most, that cost no more than there is; 0: none.
std::int64_t affordable(const ModelPrice& price, Demand demand, std::int64_t most, Micros available) {
  std::int64_t fits = 0;
  for (std::int64_t above = most + 1; fits + 1 < above;) {
    demand.most_completion_tokens = fits + (above - fits) / 2;
    (most_cost(price, demand) <= available ? fits : above) = demand.most_completion_tokens;
  }
  return fits;
}

std::int64_t most_tokens(const Demand& demand) {
  return std::clamp<std::int64_t>(demand.prompt_tokens, 0, kMostTokens) +
         std::clamp<std::int64_t>(demand.most_completion_tokens, 0, kMostTokens);
}

}  // namespace

// Lives as long as the request. The journal's slot is free again when the charge is durable.
class TeamAdmission::TeamCharge final : public Charge {
 public:
  TeamCharge(TeamAdmission& admission, std::shared_ptr<Meter> meter, QuotaBooking booking, int slot,
             std::int64_t request)
      : admission_(admission), meter_(std::move(meter)), booking_(booking), slot_(slot), request_(request) {}

  // Something was delivered, and nobody said that it was the end: charged like what was cut off.
  ~TeamCharge() override {
    if (!settled_) close(delivered_ ? RequestState::interrupted : RequestState::released, last_);
  }

  void progress(const Consumption& consumption) noexcept override {
    if (settled_) return;
    delivered_ = true;
    last_ = consumption;
    admission_.journal_.write(slot_, consumption);
  }

  void settle(const Consumption& consumption) noexcept override {
    if (settled_) return;
    settled_ = true;
    close(RequestState::settled, consumption);
  }

 private:
  void close(RequestState state, const Consumption& consumption) noexcept {
    admission_.journal_.write(slot_, consumption);
    --admission_.held_;
    {
      const std::lock_guard lock(meter_->mutex);
      if (state != RequestState::released)
        meter_->quota.settle(booking_, consumption.prompt_tokens + consumption.completion_tokens);
      else
        meter_->quota.release(booking_);
    }
    {
      const std::lock_guard lock(admission_.statistics_mutex_);
      ++(state != RequestState::released ? admission_.statistics_.settled : admission_.statistics_.released);
      --admission_.statistics_.running;
    }
    try {
      // The meter is held until then: read anew from the database before, it would miss this request.
      admission_.storage_.post_close(
          {request_, state, consumption, admission_.options_.clock()},
          [&journal = admission_.journal_, slot = slot_, meter = meter_] { journal.give_back(slot); });
    } catch (...) {  // no memory: the row stays open and the slot taken, recovery at the next start charges it
    }
  }

  TeamAdmission& admission_;
  std::shared_ptr<Meter> meter_;
  QuotaBooking booking_;
  int slot_;
  std::int64_t request_;
  bool settled_ = false, delivered_ = false;
  Consumption last_;
};

TeamAdmission::TeamAdmission(Storage& storage, Authenticator& authenticator,
                             std::function<std::shared_ptr<const TeamConfig>()> config, TeamAdmissionOptions options)
    : storage_(storage),
      authenticator_(authenticator),
      config_(std::move(config)),
      options_(std::move(options)),
      journal_(options_.journal, storage.setting("database").value_or(""), options_.most_requests),
      strangers_(kWrongKeys) {
  recover();
}

TeamAdmission::~TeamAdmission() = default;

void TeamAdmission::recover() {
  const UnixSeconds now = options_.clock();
  for (const OpenRequest& request : storage_.open_requests()) {
    storage_.post_close(
        {request.id, RequestState::interrupted, journal_.left_over(request.id).value_or(Consumption{}), now}, {});
    ++statistics_.recovered;
  }
  storage_.flush();
  journal_.clear();
}

Standing TeamAdmission::standing(const ServedRequest& request) noexcept {
  Standing out;
  out.rank = Standing::kStranger;
  try {
    const std::optional<KnownCaller> known = authenticator_.known(request);
    if (!known) {
      if (const std::int64_t wait = strangers_.wait(address_group(request.peer), options_.clock()); wait > 0)
        out.refusal = too_many_requests(
            fmt::format("too many wrong keys came from this address; try again in {} s", wait), static_cast<int>(wait));
      return out;
    }
    const std::shared_ptr<const TeamConfig> config = config_();
    const Tier& tier = config->tier(known->tier);
    out.rank = tier.priority;
    out.account = known->account;
    check_used(tier, known->account, false);
  } catch (const ApiError& error) {
    out.refusal = error;
  } catch (...) {  // a tier that is there no more, no memory: whoever handles it will see
  }
  return out;
}

Identity TeamAdmission::identify(const ServedRequest& request) {
  try {
    return authenticator_.authenticate(request).identity;
  } catch (const ApiError& error) {
    if (error.status == 401) strangers_.failed(address_group(request.peer), options_.clock());
    throw;
  }
}

void TeamAdmission::check(const Identity& identity) {
  check_used(config_()->tier(identity.tier), identity.account, true);
}

void TeamAdmission::check_model(const Identity& identity, const std::string& model) {
  require_model(identity, config_()->tier(identity.tier), model);
}

std::int64_t TeamAdmission::most_completion(const Identity& identity, const Demand& demand) {
  const std::shared_ptr<const TeamConfig> config = config_();
  const Tier& tier = config->tier(identity.tier);
  std::int64_t most = demand.most_completion_tokens;
  for (const std::int64_t limit : {tier.tokens.minute, tier.tokens.day, tier.tokens.month})
    if (limit > 0) most = std::min(most, limit - demand.prompt_tokens);
  if (!tier.charged || most <= 0) return most;
  const std::optional<Account> account = storage_.account(identity.account);
  return account ? affordable(config->price(demand.model), demand, most, account->balance - account->reserved) : most;
}

void TeamAdmission::count_text(const Identity& identity) {
  Tier tier;
  tier.requests = config_()->tier(identity.tier).requests;
  const std::shared_ptr<Meter> meter = this->meter(identity.account);
  std::optional<QuotaRefusal> refusal;
  {
    const std::lock_guard lock(meter->mutex);
    QuotaBooking booking;
    refusal = meter->texts.admit(tier, 0, options_.clock(), &booking);
    if (!refusal) meter->texts.settle(booking, 0);
  }
  if (refusal) refuse_quota(*refusal, 0);
}

// Load, and what is used up already. `may_read`: quotas that are not in memory are read from the database.
void TeamAdmission::check_used(const Tier& tier, const std::string& account, bool may_read) {
  check_load(tier, held_);
  const std::shared_ptr<Meter> meter = this->meter(account);
  const UnixSeconds now = options_.clock();
  std::optional<QuotaRefusal> refusal;
  {
    std::unique_lock lock(meter->mutex, std::defer_lock);
    if (may_read)
      lock.lock();
    else if (!lock.try_lock() || !meter->loaded)
      return;  // somebody reads it now
    load_meter(*meter, account, now);
    refusal = meter->quota.refusal(tier, 1, now);
  }
  if (refusal) refuse_quota(*refusal, 1);
}

std::shared_ptr<TeamAdmission::Meter> TeamAdmission::meter(const std::string& account) {
  const std::lock_guard lock(meters_mutex_);
  if (meters_.size() >= kMostMeters && !meters_.contains(account))
    std::erase_if(meters_, [](const auto& entry) { return entry.second.use_count() == 1; });
  std::shared_ptr<Meter>& found = meters_[account];
  if (!found) found = std::make_shared<Meter>();
  return found;
}

// Under the meter's lock: who comes second waits for what the first reads.
void TeamAdmission::load_meter(Meter& meter, const std::string& account, UnixSeconds now) {
  if (meter.loaded) return;
  meter.quota.load(now, storage_.usage_totals(account, start_of_month(now)),
                   storage_.usage_totals(account, start_of_day(now)), storage_.recent_requests(account, now - 60));
  meter.loaded = true;
}

void TeamAdmission::check_demand(const Identity& identity, const Tier& tier, const Demand& demand) const {
  require_scope(identity, "chat");
  require_model(identity, tier, demand.model);
  if (const std::int64_t tokens = most_tokens(demand); tier.context > 0 && tokens > tier.context)
    throw ApiError(400, "invalid_request_error",
                   fmt::format("the tier {} allows {} tokens for a request; the prompt has {} and max_tokens is {}",
                               identity.tier, tier.context, demand.prompt_tokens, demand.most_completion_tokens),
                   demand.prompt_tokens >= tier.context ? "messages" : "max_tokens", "context_length_exceeded");
}

void TeamAdmission::check_load(const Tier& tier, std::int64_t held) {
  if (!options_.load) return;
  const double load = options_.load(held);
  if (load < tier.shed_at) return;
  {
    const std::lock_guard lock(statistics_mutex_);
    ++statistics_.shed;
  }
  // The further over, the later: those who were sent away do not come back all at once.
  const double over = load / std::max(tier.shed_at, 0.01);
  throw overloaded("the service is full; this tier is served again when there is room",
                   static_cast<int>(std::clamp(std::ceil(2 * over), 2.0, 30.0)));
}

QuotaBooking TeamAdmission::book_quota(const Tier& tier, const std::string& account, Meter& meter, std::int64_t tokens,
                                       UnixSeconds now) {
  QuotaBooking booking;
  std::optional<QuotaRefusal> refusal;
  {
    const std::lock_guard lock(meter.mutex);
    load_meter(meter, account, now);
    refusal = meter.quota.admit(tier, tokens, now, &booking);
  }
  if (refusal) refuse_quota(*refusal, tokens);
  return booking;
}

void TeamAdmission::refuse_quota(const QuotaRefusal& refusal, std::int64_t tokens) {
  {
    const std::lock_guard lock(statistics_mutex_);
    ++statistics_.over_quota;
  }
  if (refusal.retry_after == 0)
    throw bad_parameter(
        fmt::format("max_tokens: the tier allows {}; this request may take {} tokens", refusal.what, tokens),
        "max_tokens");
  throw too_many_requests(fmt::format("the tier allows {}; try again in {} s", refusal.what, refusal.retry_after),
                          static_cast<int>(refusal.retry_after));
}

// Everything that needs no disk. Throws; nothing is held then.
TeamAdmission::Booked TeamAdmission::book(const Identity& identity, const Demand& demand) {
  Booked booked;
  const std::shared_ptr<const TeamConfig> config = config_();
  const Tier& tier = config->tier(identity.tier);
  check_demand(identity, tier, demand);
  booked.meter = meter(identity.account);
  // Counted before it is looked: of many that come at once, each sees those in front of it.
  const std::int64_t in_front = held_++;
  try {
    check_load(tier, in_front);
    booked.booking = book_quota(tier, identity.account, *booked.meter, most_tokens(demand), options_.clock());
  } catch (...) {
    --held_;
    throw;
  }
  booked.slot = journal_.take();
  if (booked.slot < 0) {
    give_up(booked);
    throw overloaded("too many requests run at the same time", 2);
  }
  OpenRequest& request = booked.request;
  request.account = identity.account;
  request.key = identity.key;
  request.model = demand.model.substr(0, 200);
  request.opened = booked.booking.time;
  request.demand = demand;
  if (tier.charged) request.price = config->price(demand.model);
  request.reserved = most_cost(request.price, demand);
  booked.currency = config->currency;
  return booked;
}

void TeamAdmission::give_up(const Booked& booked) {
  --held_;
  if (booked.slot >= 0) journal_.give_back(booked.slot);
  const std::lock_guard lock(booked.meter->mutex);
  booked.meter->quota.release(booked.booking);
}

// What the storage said. Throws; nothing is held then.
std::unique_ptr<Charge> TeamAdmission::conclude(const Booked& booked, const OpenResult& result) {
  if (result.outcome != OpenOutcome::opened) give_up(booked);
  if (result.outcome == OpenOutcome::no_account) throw forbidden("this account is not active any more");
  if (result.outcome == OpenOutcome::no_balance) {
    {
      const std::lock_guard lock(statistics_mutex_);
      ++statistics_.no_balance;
    }
    throw no_balance(fmt::format("this request may cost {} {}, and {} {} are left; top up, or lower max_tokens",
                                 format_money(booked.request.reserved), booked.currency, format_money(result.available),
                                 booked.currency));
  }
  journal_.begin(booked.slot, result.request);
  {
    const std::lock_guard lock(statistics_mutex_);
    ++statistics_.admitted;
    ++statistics_.running;
  }
  return std::make_unique<TeamCharge>(*this, booked.meter, booked.booking, booked.slot, result.request);
}

std::unique_ptr<Charge> TeamAdmission::admit(const Identity& identity, const Demand& demand) {
  const Booked booked = book(identity, demand);
  OpenResult result;
  try {
    result = storage_.open_request(booked.request);
  } catch (...) {
    give_up(booked);
    throw;
  }
  return conclude(booked, result);
}

void TeamAdmission::admit(const Identity& identity, const Demand& demand, Admitted admitted) {
  const auto booked = std::make_shared<const Booked>(book(identity, demand));
  try {
    storage_.ask_open(booked->request, [this, booked, admitted = std::move(admitted)](const OpenResult& result,
                                                                                      std::exception_ptr error) {
      std::unique_ptr<Charge> charge;
      try {
        if (error) give_up(*booked);
        if (!error) charge = conclude(*booked, result);
      } catch (...) {
        error = std::current_exception();
      }
      admitted(std::move(charge), error);
    });
  } catch (...) {  // no memory: it was not asked
    give_up(*booked);
    throw;
  }
}

QuotaUse TeamAdmission::quota_use(const std::string& account) {
  const std::shared_ptr<Meter> at = meter(account);
  const UnixSeconds now = options_.clock();
  const std::lock_guard lock(at->mutex);
  load_meter(*at, account, now);
  return {at->quota.minute(now), at->quota.day(now), at->quota.month(now), at->quota.running()};
}

double TeamAdmission::load() const { return options_.load ? options_.load(held_) : 0; }

AdmissionStatistics TeamAdmission::statistics() const {
  const std::lock_guard lock(statistics_mutex_);
  return statistics_;
}

}  // namespace limpid
