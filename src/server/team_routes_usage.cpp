// What was used and what it cost: one's own, and everybody's for admins; the balance in DeepSeek's form.
#include "server/api_error.h"
#include "server/team_route.h"
#include "server/team_routes.h"

namespace limpid {

namespace {

using Json = nlohmann::ordered_json;

// Of one answer. Never cut silently: sums over them would be wrong. `limpid admin usage` has no limit.
constexpr std::int64_t kMostUsageRows = 100'000;

// ?from=2025-01-01&to=2025-01-31 (both included)&key=&model=&format=csv
Json show_usage(TeamCall& call, const std::string& account) {
  UsageFilter filter;
  filter.account = account;
  filter.key = call.call.query("key");
  filter.model = call.call.query("model");
  const std::string from = call.call.query("from"), to = call.call.query("to"), format = call.call.query("format");
  if (!from.empty()) filter.from = parse_date(from);
  if (!to.empty()) filter.to = parse_date(to) + 86'400;
  if (!format.empty() && format != "json" && format != "csv")
    throw bad_parameter("format: expected json or csv, found '" + format.substr(0, 40) + "'", "format");
  filter.limit = kMostUsageRows + 1;
  const std::vector<UsageRow> rows = call.team.storage().usage(filter);
  if (static_cast<std::int64_t>(rows.size()) > kMostUsageRows)
    throw bad_parameter(
        fmt::format("from, to: more than {} rows; narrow the days, or ask for one account, key or model", kMostUsageRows),
        "from");
  if (format == "csv") {
    call.call.exchange->respond({200,
                                 {{"Content-Type", "text/csv; charset=utf-8"},
                                  {"Content-Disposition", "attachment; filename=\"usage.csv\""},
                                  {"Cache-Control", "no-store"}},
                                 usage_csv_head() + usage_csv(rows)});
    return answered();
  }
  Json list = Json::array();
  for (const UsageRow& row : rows) list.push_back(json_of(row));
  return {{"currency", call.team.config()->currency}, {"usage", std::move(list)}};
}

Json show_ledger(TeamCall& call, const std::string& account) {
  Json list = Json::array();
  for (const LedgerEntry& entry : call.team.storage().entries(account, call.number("before", INT64_MAX, 1, INT64_MAX),
                                                              call.number("limit", 100, 1, 1000)))
    list.push_back(json_of(entry));
  return {{"currency", call.team.config()->currency}, {"entries", std::move(list)}};
}

// As https://api-docs.deepseek.com documents GET /user/balance.
Json show_balance(TeamCall& call) {
  const Balance balance = call.team.balance(call.caller.account);
  return {{"is_available", balance.available},
          {"balance_infos", Json::array({{{"currency", balance.currency},
                                          {"total_balance", format_money(balance.total)},
                                          {"granted_balance", format_money(balance.granted)},
                                          {"topped_up_balance", format_money(balance.topped_up)}}})}};
}

}  // namespace

void add_usage_routes(Router& router, const std::shared_ptr<Team>& team) {
  const auto add = [&](TeamRoute route) { add_team_route(router, team, std::move(route)); };
  const std::vector<std::string> filters = {"from", "to", "key", "model", "format"};
  add({"GET",
       "/api/usage",
       Access::active,
       "usage",
       [](TeamCall& call) { return show_usage(call, call.caller.account.id); },
       {"showUsage", "What the account used, by day, key and model, as JSON or CSV", "", "", "", false,
        "application/json", filters}});
  add({"GET",
       "/api/ledger",
       Access::active,
       "usage",
       [](TeamCall& call) { return show_ledger(call, call.caller.account.id); },
       {"showLedger",
        "The account's ledger, the newest entries first",
        "",
        "",
        "",
        false,
        "application/json",
        {"before", "limit"}}});
  add({"GET",
       "/user/balance",
       Access::active,
       "",
       show_balance,
       {"showBalance", "The balance, in DeepSeek's form", ""}});
  std::vector<std::string> of_account = filters;
  of_account.push_back("account");
  add({"GET",
       "/api/admin/usage",
       Access::admin,
       "",
       [](TeamCall& call) { return show_usage(call, call.call.query("account")); },
       {"showAllUsage", "What everybody used, as JSON or CSV", "", "", "", false, "application/json", of_account}});
  add({"GET",
       "/api/admin/users/{id}/ledger",
       Access::admin,
       "",
       [](TeamCall& call) { return show_ledger(call, account_of(call).id); },
       {"showLedgerOf", "An account's ledger", "", "", "", false, "application/json", {"before", "limit"}}});
}

}  // namespace limpid
