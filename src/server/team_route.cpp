#include "server/team_route.h"

#include <charconv>

#include "base/error.h"
#include "server/api_error.h"
#include "server/json_text.h"

namespace limpid {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kBodyBytes = 64 * 1024;

// A form of another site can send text/plain, but not this type without asking first.
Json read_body(const ServedRequest& request) {
  if (request.body.empty()) return Json::object();
  const std::string_view type = request.header("Content-Type");
  if (!type.starts_with("application/json"))
    throw ApiError(415, "invalid_request_error", "the header Content-Type: expected application/json", {},
                   "unsupported_media_type");
  if (request.body.size() > kBodyBytes)
    throw ApiError(413, "invalid_request_error",
                   fmt::format("the body has {} bytes; {} are allowed here", request.body.size(), kBodyBytes), {},
                   "body_too_large");
  return parse_body(request.body);
}

Caller check_caller(Team& team, const ServedRequest& request, Access access, const std::string& scope) {
  if (access == Access::anyone) return {};
  Caller caller = team.authenticator().authenticate(request, access == Access::member);
  if (access == Access::browser && !caller.identity.session)
    throw forbidden("this is done in the browser, logged in; an API key cannot");
  if (access == Access::admin && !caller.identity.admin) throw forbidden("this is for admins");
  if (!scope.empty()) require_scope(caller.identity, scope);
  return caller;
}

void answer(TeamRoute& route, Team& team, Call& call) {
  TeamCall context{call, team, check_caller(team, call.request(), route.access, route.scope)};
  call.identity = context.caller.identity;  // for the log
  if (call.request().method != "GET") context.body = read_body(call.request());
  const Json result = route.handler(context);
  if (result.is_discarded()) return;
  HttpFields headers{{"Cache-Control", "no-store"}};
  if (result.is_null()) return call.exchange->respond({204, std::move(headers), {}});
  headers.emplace_back("Content-Type", "application/json");
  call.exchange->respond({route.status, std::move(headers), json_text(result)});
}

}  // namespace

Json answered() { return Json(Json::value_t::discarded); }

void add_team_route(Router& router, const std::shared_ptr<Team>& team, TeamRoute route,
                    const std::vector<std::string>& also) {
  Route added;
  added.method = route.method;
  added.pattern = route.pattern;
  added.doc = route.doc;
  if (added.doc.tag.empty()) added.doc.tag = route.access == Access::admin ? "admin" : "account";
  if (route.status != 200) added.doc.status = route.status;
  added.open = true;  // checked here: an account that waits may see its place
  added.asks = route.access != Access::anyone;
  added.session = route.access == Access::browser;
  auto shared = std::make_shared<TeamRoute>(std::move(route));
  added.handler = [team, shared](Call& call) { answer(*shared, *team, call); };
  router.add(std::move(added), also);
}

std::int64_t TeamCall::number(const std::string& name, std::int64_t otherwise, std::int64_t least,
                              std::int64_t most) const {
  const std::string text = call.query(name);
  if (text.empty()) return otherwise;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least || value > most)
    throw bad_parameter(
        fmt::format("{}: expected a whole number from {} to {}, found '{}'", name, least, most, text.substr(0, 40)),
        name);
  return value;
}

Account account_of(TeamCall& call) {
  const std::string& id = call.parameter("id");
  std::optional<Account> found = call.team.storage().account(id);
  if (!found) found = call.team.storage().account_by_name(id);
  if (!found) throw not_found(fmt::format("there is no account '{}'", id.substr(0, 80)), "account_not_found");
  return *found;
}

Json json_time(UnixSeconds time) {
  if (time == 0) return nullptr;
  const UnixSeconds rest = time - start_of_day(time);
  return fmt::format("{}T{:02}:{:02}:{:02}Z", date_of(time), rest / 3600, rest / 60 % 60, rest % 60);
}

Json json_of(const Account& account) {
  Json json{{"id", account.id},
            {"name", account.name},
            {"role", name(account.role)},
            {"status", name(account.status)},
            {"tier", account.tier},
            {"created", json_time(account.created)},
            {"balance", format_money(account.balance)},
            {"reserved", format_money(account.reserved)}};
  if (!account.ban_reason.empty()) json["ban_reason"] = account.ban_reason;
  return json;
}

Json json_of(const ApiKey& key) {
  return {{"id", key.id},
          {"prefix", "sk-" + key.id},
          {"name", key.name},
          {"scopes", key.scopes},
          {"created", json_time(key.created)},
          {"expires", json_time(key.expires)},
          {"revoked", json_time(key.revoked)},
          {"used", json_time(key.used)}};
}

Json json_of(const AccessCode& code) {
  return {{"id", code.id},
          {"tier", code.tier},
          {"uses_left", code.uses_left},
          {"credit", format_money(code.credit)},
          {"created", json_time(code.created)},
          {"expires", json_time(code.expires)},
          {"note", code.note}};
}

Json json_of(const LedgerEntry& entry) {
  Json json{{"id", entry.id},
            {"time", json_time(entry.time)},
            {"kind", name(entry.kind)},
            {"amount", format_money(entry.amount)},
            {"balance", format_money(entry.balance)},
            {"request", nullptr},
            {"actor", entry.actor},
            {"note", entry.note}};
  if (entry.kind == EntryKind::charge) json["request"] = entry.request;
  return json;
}

Json json_of(const Tier& tier) {
  const auto windows = [](const WindowLimits& limits) {
    return Json{{"minute", limits.minute}, {"day", limits.day}, {"month", limits.month}};
  };
  return {{"priority", tier.priority},      {"charged", tier.charged},         {"requests", windows(tier.requests)},
          {"tokens", windows(tier.tokens)}, {"concurrency", tier.concurrency}, {"context", tier.context},
          {"models", tier.models},          {"shed_at", tier.shed_at}};
}

Json json_of(const UsageRow& row) {
  return {{"day", date_of(row.day)},
          {"account", row.account},
          {"key", row.key},
          {"model", row.model},
          {"requests", row.requests},
          {"prompt_cache_hit_tokens", row.tokens.cached_tokens},
          {"prompt_cache_miss_tokens", row.tokens.prompt_tokens - row.tokens.cached_tokens},
          {"completion_tokens", row.tokens.completion_tokens},
          {"cost", format_money(row.cost)}};
}

Json json_of(const UsageTotals& totals) { return {{"requests", totals.requests}, {"tokens", totals.tokens}}; }

std::string usage_csv_head() {
  return "day,account,key,model,requests,prompt_cache_hit_tokens,prompt_cache_miss_tokens,completion_tokens,cost\r\n";
}

std::string usage_csv(const std::vector<UsageRow>& rows) {
  // RFC 4180. A first character that a spreadsheet takes for a formula is defused.
  const auto field = [](const std::string& text) {
    std::string out = text.find_first_of("=+-@\t\r") == 0 ? "\"'" : "\"";
    for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
    return out + "\"";
  };
  std::string csv;
  for (const UsageRow& row : rows)
    csv += fmt::format("{},{},{},{},{},{},{},{},{}\r\n", date_of(row.day), field(row.account), field(row.key),
                       field(row.model), row.requests, row.tokens.cached_tokens,
                       row.tokens.prompt_tokens - row.tokens.cached_tokens, row.tokens.completion_tokens,
                       format_money(row.cost));
  return csv;
}

}  // namespace limpid
