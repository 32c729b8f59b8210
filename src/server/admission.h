// Admission: who asks, may they, and is there room; and what it cost. Everything that computes goes through it, before
// any work. Two kinds: open (one person on this machine: everybody is `local`, nothing is counted against a limit but
// the load) and the team's (accounts, keys, tiers, quotas, an exact ledger; server/team_admission.h).
//
// Called from worker threads, any number at a time, unless a function says otherwise; may block for the database. Throws
// ApiError.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/http_server.h"
#include "server/api_error.h"

namespace limpid {

// Who asks. `account` is also the scope of the prefix cache: nobody learns from timing what others asked.
struct Identity {
  std::string account;  // stable id; "local" where there are no accounts
  std::string key;      // id of the API key (not the key), or of the browser session; empty: neither
  std::string user;     // the request's user_id, where given: a scope within the account
  int priority = 0;     // of the tier, as Request::priority: larger goes first, the lowest is shed first
  bool admin = false;
  bool session = false;             // by cookie: state-changing requests need the CSRF header
  std::vector<std::string> scopes;  // of the key: "chat", "models", "usage", "admin"; empty: all that the account may
  std::string tier;                 // its name; empty where there are no tiers
  std::int64_t context = 0;         // most tokens of a request, prompt and completion, by tier; 0: the model's
};

// What a request's head tells from memory alone: where it waits for a worker, and whether it needs to. A hint: identify()
// and admit() decide.
struct Standing {
  static constexpr int kStranger = std::numeric_limits<int>::min();
  int rank = 1;         // larger is served first; kStranger: shows no key, or one that nobody has shown lately
  std::string account;  // empty: not known
  std::optional<ApiError> refusal;  // of whatever computes, of a stranger whatever needs a key; said at once
};

// What a request will take, known before it runs.
struct Demand {
  std::string model;
  std::int64_t prompt_tokens = 0;
  std::int64_t most_completion_tokens = 0;  // max_tokens times n
  int choices = 1;
};

// What it took.
struct Consumption {
  std::int64_t cached_tokens = 0;  // of the prompt, found in the cache
  std::int64_t prompt_tokens = 0;  // cached ones included
  std::int64_t completion_tokens = 0;
};

// One accepted request: holds a place among the account's concurrent ones and a reservation of its balance. Charged
// exactly once: by settle(), or, where it never comes (the process was killed), by the ledger's recovery at the next
// start, for what progress() told last. Destroyed without settle(): charged likewise, or, where progress() told
// nothing, the reservation is given back whole. Does not outlive its Admission.
class Charge {
 public:
  virtual ~Charge() = default;
  // What has been delivered so far; for each token, from the thread that delivers it. A few stores to memory that
  // outlives the process: cheap enough for the engine's thread.
  virtual void progress(const Consumption& consumption) noexcept { (void)consumption; }
  // The end. At most once; neither throws nor waits for the disk, so that the engine's thread may call it.
  virtual void settle(const Consumption& consumption) noexcept = 0;
};

class Admission {
 public:
  virtual ~Admission() = default;
  // By the thread of input and output too: quick, waits for nothing, throws nothing.
  virtual Standing standing(const ServedRequest& request) noexcept { return (void)request, Standing{}; }
  // From the Authorization header (Bearer), x-api-key or the session's cookie. Throws 401; 403 where the account is
  // banned or waits, or where a cookie comes with a state-changing method and without the CSRF header.
  virtual Identity identify(const ServedRequest& request) = 0;
  // Before anything of a request is parsed: throws 429 or 503 where a limit is reached already, or the load is too high.
  // Books nothing.
  virtual void check(const Identity& identity) { (void)identity; }
  // May it use this model (an id of ServedModels)? Asked before it is loaded. Throws 403.
  virtual void check_model(const Identity& identity, const std::string& model) { (void)identity, (void)model; }
  // For a request that does not say how much it may write: as many of the demand's completion tokens as the windows of
  // the tier and the balance allow a request at all. Fewer than its choices: none. A hint: admit() decides.
  virtual std::int64_t most_completion(const Identity& identity, const Demand& demand) {
    return (void)identity, demand.most_completion_tokens;
  }
  // Counts one request that only tokenizes or renders: nothing is charged for it, but there are no more of them in a
  // minute, day or month than answers may be. Throws 429.
  virtual void count_text(const Identity& identity) { (void)identity; }
  // Throws 402, 403 (scope, model), 429, 503.
  virtual std::unique_ptr<Charge> admit(const Identity& identity, const Demand& demand) = 0;
  // The same for who does not wait for the disk. What can be refused at once is thrown; else `admitted` is called once:
  // with the charge, or with what admit() would throw. On any thread, perhaps before this returns; quick, and without
  // throwing.
  using Admitted = std::function<void(std::unique_ptr<Charge>, std::exception_ptr)>;
  virtual void admit(const Identity& identity, const Demand& demand, Admitted admitted) {
    admitted(admit(identity, demand), nullptr);
  }
};

}  // namespace limpid
