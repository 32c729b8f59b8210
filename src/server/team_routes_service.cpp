// What admins see and set of the service itself: waiting list and capacity, tiers, load, queue, the books.
#include "server/api_error.h"
#include "server/team_admission.h"
#include "server/team_route.h"
#include "server/team_routes.h"

namespace limpid {

namespace {

using Json = nlohmann::ordered_json;

Json waiting_list(TeamCall& call) {
  Team& team = call.team;
  return {{"capacity", team.accounts().capacity()},
          {"active", team.storage().active_accounts()},
          {"waiting", team.storage().waiting_place("").waiting}};
}

// {"capacity": 50} and/or {"let_in": 3}
Json change_waiting_list(TeamCall& call) {
  RequestFields fields(call.body, "");
  const std::optional<std::int64_t> capacity = fields.integer("capacity", -1, 1'000'000'000),
                                    let_in = fields.integer("let_in", 1, 1'000'000);
  if (!capacity && !let_in) throw bad_request("capacity or let_in: expected at least one of them");
  if (capacity) call.team.accounts().set_capacity(*capacity);
  Json ids = Json::array();
  if (let_in) ids = call.team.accounts().let_in(*let_in);
  Json json = waiting_list(call);
  json["let_in"] = std::move(ids);
  return json;
}

Json show_tiers(TeamCall& call) {
  const std::shared_ptr<const TeamConfig> config = call.team.config();
  Json tiers = Json::object(), prices = Json::object();
  for (const auto& [name, tier] : config->tiers) tiers[name] = json_of(tier);
  for (const auto& [model, price] : config->prices)
    prices[model] = {{"cached", format_money(price.cached)},
                     {"prompt", format_money(price.prompt)},
                     {"completion", format_money(price.completion)}};
  return {{"currency", config->currency},
          {"default_tier", config->default_tier},
          {"tiers", std::move(tiers)},
          {"prices", std::move(prices)}};
}

Json show_load(TeamCall& call) {
  const AdmissionStatistics admission = call.team.admission().statistics();
  const StorageStatistics storage = call.team.storage().statistics();
  return {
      {"load", call.team.admission().load()},
      {"running", admission.running},
      {"admitted", admission.admitted},
      {"settled", admission.settled},
      {"released", admission.released},
      {"refused", {{"overload", admission.shed}, {"quota", admission.over_quota}, {"balance", admission.no_balance}}},
      {"recovered_at_start", admission.recovered},
      {"database",
       {{"commits", storage.commits},
        {"writes", storage.writes},
        {"failures", storage.failures},
        {"waiting", storage.waiting},
        {"fault", storage.fault}}}};
}

Json show_queue(TeamCall& call) {
  Json models = Json::array();
  if (call.team.options().queue) {
    for (const QueueFacts& model : call.team.options().queue()) {
      Json accounts = Json::object();
      for (const auto& [account, count] : model.accounts)
        accounts[account] = {{"waiting", count.first}, {"running", count.second}};
      models.push_back({{"model", model.model},
                        {"waiting", model.waiting},
                        {"running", model.running},
                        {"most_waiting", model.most_waiting},
                        {"most_running", model.most_running},
                        {"accounts", std::move(accounts)}});
    }
  }
  return {{"models", std::move(models)}};
}

Json show_audit(TeamCall& call) {
  const Audit audit = call.team.storage().audit();
  return {{"balanced", audit.faults.empty()}, {"faults", audit.faults},     {"accounts", audit.accounts},
          {"entries", audit.entries},         {"requests", audit.requests}, {"open", audit.open}};
}

}  // namespace

void add_admin_service_routes(Router& router, const std::shared_ptr<Team>& team) {
  const auto add = [&](std::string method, std::string pattern, Json (*handler)(TeamCall&), RouteDoc doc) {
    add_team_route(router, team, {std::move(method), std::move(pattern), Access::admin, "", handler, std::move(doc)});
  };
  add("GET", "/api/admin/waitlist", waiting_list,
      {"showWaitingList", "Capacity, who is in, who waits", "", "", "WaitingList"});
  add("POST", "/api/admin/waitlist", change_waiting_list,
      {"changeWaitingList", "Sets the capacity, lets people in", "", "WaitingListChange", "WaitingList"});
  add("GET", "/api/admin/tiers", show_tiers, {"showTiers", "Tiers and prices as they are configured", "", "", "Tiers"});
  add("POST", "/api/admin/tiers/reload",
      [](TeamCall& call) {
        call.team.reload_config();
        return show_tiers(call);
      },
      {"reloadTiers", "Reads the team's configuration again", "", "", "Tiers"});
  add("GET", "/api/admin/load", show_load,
      {"showLoad", "What was admitted and refused, how full the engine is", "", "", "Load"});
  add("GET", "/api/admin/queue", show_queue, {"showQueue", "Who waits and who runs, by model", "", "", "Queue"});
  add("GET", "/api/admin/audit", show_audit, {"showAudit", "Adds the books up anew", "", "", "Audit"});
}

}  // namespace limpid
