// What the team's routes have in common: who may call one, how its body is read, how things look in JSON. For
// team_routes_*.cpp only.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "server/request_fields.h"
#include "server/router.h"
#include "server/team.h"

namespace limpid {

enum class Access {
  anyone,   // no account
  member,   // an account, also one that waits
  active,   // an account that is let in
  browser,  // likewise, by cookie only
  admin,    // an admin's cookie, or a key with the scope admin
};

// One call of a team's route.
struct TeamCall {
  Call& call;
  Team& team;
  Caller caller;  // not filled in for Access::anyone
  nlohmann::ordered_json body = nlohmann::ordered_json::object();

  UnixSeconds now() const { return team.options().clock(); }
  const std::string& parameter(const std::string& name) const { return call.parameters.at(name); }
  // A whole number of the query. Throws 422 naming it.
  std::int64_t number(const std::string& name, std::int64_t otherwise, std::int64_t least, std::int64_t most) const;
};

struct TeamRoute {
  std::string method, pattern;
  Access access = Access::active;
  std::string scope;  // of a key
  // Returns what is answered, with 200; 204 where it is null; or answers itself (`answered`).
  std::function<nlohmann::ordered_json(TeamCall&)> handler;
  RouteDoc doc;
  int status = 200;
};

// also: other patterns of the same route.
void add_team_route(Router& router, const std::shared_ptr<Team>& team, TeamRoute route,
                    const std::vector<std::string>& also = {});

// Returned by a handler that has answered by itself.
nlohmann::ordered_json answered();

// The account that {id} names. Throws 404.
Account account_of(TeamCall& call);

nlohmann::ordered_json json_of(const Account& account);
nlohmann::ordered_json json_of(const ApiKey& key);
nlohmann::ordered_json json_of(const AccessCode& code);
nlohmann::ordered_json json_of(const LedgerEntry& entry);
nlohmann::ordered_json json_of(const Tier& tier);
nlohmann::ordered_json json_of(const UsageRow& row);
nlohmann::ordered_json json_of(const UsageTotals& totals);
// "2025-01-20T12:00:00Z"; null for 0.
nlohmann::ordered_json json_time(UnixSeconds time);

std::string usage_csv_head();
std::string usage_csv(const std::vector<UsageRow>& rows);  // without the head

}  // namespace limpid
