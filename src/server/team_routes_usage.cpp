// What was used and what it cost: one's own, and everybody's for admins; the balance in DeepSeek's form.
#include "server/api_error.h"
#include "server/team_route.h"
#include "server/team_routes.h"

namespace limpid {

namespace {

using Json = nlohmann::ordered_json;

// Of one answer in JSON. Never cut silently: sums over them would be wrong. CSV has no limit.
constexpr std::int64_t kMostUsageRows = 100'000;
constexpr std::int64_t kCsvRows = 5000;  // at a time

// The table as CSV, a page at a time: the next one is read when the peer has the last. No thread waits for it, and no
// more than a page is in memory.
class CsvPages : public std::enable_shared_from_this<CsvPages> {
 public:
  CsvPages(Storage& storage, std::shared_ptr<HttpExchange> exchange, UsageFilter filter)
      : storage_(storage), exchange_(std::move(exchange)), filter_(std::move(filter)) {
    filter_.limit = kCsvRows;
  }
  void begin() {
    const std::vector<UsageRow> rows = storage_.usage(filter_);  // what fails here still has its own status
    exchange_->begin(200, {{"Content-Type", "text/csv; charset=utf-8"},
                           {"Content-Disposition", "attachment; filename=\"usage.csv\""},
                           {"Cache-Control", "no-store"}});
    if (exchange_->send(usage_csv_head())) send(rows);
  }

 private:
  void send(const std::vector<UsageRow>& rows) {
    if (!rows.empty() && !exchange_->send(usage_csv(rows))) return;
    if (static_cast<std::int64_t>(rows.size()) < kCsvRows) return exchange_->end();
    const UsageRow& last = rows.back();
    filter_.after = UsagePlace{last.day, last.account, last.key, last.model};
    exchange_->when_sent([self = shared_from_this()] {
      // Without a place there, or where the page cannot be read, the peer is cut: half a table never looks whole.
      self->exchange_->defer([self] {
        try {
          self->send(self->storage_.usage(self->filter_));
        } catch (const std::exception&) {
        }
      });
    });
  }

  Storage& storage_;
  const std::shared_ptr<HttpExchange> exchange_;
  UsageFilter filter_;
};

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
  if (format == "csv") {
    std::make_shared<CsvPages>(call.team.storage(), call.call.exchange, filter)->begin();
    return answered();
  }
  filter.limit = kMostUsageRows + 1;
  const std::vector<UsageRow> rows = call.team.storage().usage(filter);
  if (static_cast<std::int64_t>(rows.size()) > kMostUsageRows)
    throw bad_parameter(
        fmt::format("from, to: more than {} rows; narrow the days, ask for one account, key or model, or for CSV",
                    kMostUsageRows),
        "from");
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
  const auto add = [&](TeamRoute route, const std::vector<std::string>& also = {}) {
    add_team_route(router, team, std::move(route), also);
  };
  const std::vector<std::string> filters = {"from", "to", "key", "model", "format"};
  add({"GET",
       "/api/usage",
       Access::active,
       "usage",
       [](TeamCall& call) { return show_usage(call, call.caller.account.id); },
       {"showUsage", "What the account used, by day, key and model, as JSON or CSV", "", "", "UsageList", false,
        "application/json", filters, 200, "text/csv"}});
  add({"GET",
       "/api/ledger",
       Access::active,
       "usage",
       [](TeamCall& call) { return show_ledger(call, call.caller.account.id); },
       {"showLedger",
        "The account's ledger, the newest entries first",
        "",
        "",
        "Ledger",
        false,
        "application/json",
        {"before", "limit"}}});
  add({"GET",
       "/user/balance",
       Access::active,
       "",
       show_balance,
       {"showBalance", "The balance, in DeepSeek's form", "", "", "Balance"}},
      {"/v1/user/balance", "/beta/user/balance"});
  std::vector<std::string> of_account = filters;
  of_account.push_back("account");
  add({"GET",
       "/api/admin/usage",
       Access::admin,
       "",
       [](TeamCall& call) { return show_usage(call, call.call.query("account")); },
       {"showAllUsage", "What everybody used, as JSON or CSV", "", "", "UsageList", false, "application/json",
        of_account, 200, "text/csv"}});
  add({"GET",
       "/api/admin/users/{id}/ledger",
       Access::admin,
       "",
       [](TeamCall& call) { return show_ledger(call, account_of(call).id); },
       {"showLedgerOf", "An account's ledger", "", "", "Ledger", false, "application/json", {"before", "limit"}}});
}

}  // namespace limpid
