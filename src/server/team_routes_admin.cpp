// What admins do with people: accounts, their keys, their money, codes and the waiting list.
#include "base/error.h"
#include "server/api_error.h"
#include "server/team_route.h"
#include "server/team_routes.h"

namespace limpid {

namespace {

using Json = nlohmann::ordered_json;

Json list_users(TeamCall& call) {
  std::optional<AccountStatus> status;
  if (const std::string text = call.call.query("status"); !text.empty()) status = parse_account_status(text);
  Json list = Json::array();
  for (const Account& account :
       call.team.storage().accounts(status, call.call.query("after"), call.number("limit", 100, 1, 1000)))
    list.push_back(json_of(account));
  return {{"users", std::move(list)}};
}

Json create_user(TeamCall& call) {
  RequestFields fields(call.body, "");
  const Account account =
      call.team.accounts().create(fields.required_text("name"), fields.required_text("password"),
                                  fields.text("tier").value_or(""), parse_role(fields.text("role").value_or("user")));
  return json_of(account);
}

// Nobody shuts himself out: there is always an admin left.
void not_oneself(const TeamCall& call, const Account& account, std::string_view what) {
  if (account.id == call.caller.account.id) throw forbidden(fmt::format("nobody can {} himself", what));
}

Json change_user(TeamCall& call) {
  const Account account = account_of(call);
  RequestFields fields(call.body, "");
  Storage& storage = call.team.storage();
  const std::optional<std::string> tier = fields.text("tier"), role = fields.text("role"),
                                   status = fields.text("status"), password = fields.text("password");
  // Everything is checked before anything is changed.
  if (tier) call.team.config()->tier(*tier);
  if (role) not_oneself(call, account, "change the role of");
  if (status) not_oneself(call, account, "ban");
  const Role new_role = role ? parse_role(*role) : account.role;
  const AccountStatus new_status = status ? parse_account_status(*status) : account.status;
  if (password) call.team.accounts().set_password(account.id, *password);
  if (tier) storage.set_tier(account.id, *tier);
  if (role) storage.set_role(account.id, new_role);
  if (status) {
    storage.set_status(account.id, new_status, fields.text("ban_reason").value_or("").substr(0, 500));
    if (new_status != AccountStatus::active) {
      call.team.stopped(account.id, false);
      call.team.accounts().let_in_by_capacity();
    }
  }
  return json_of(*storage.account(account.id));
}

Json delete_user(TeamCall& call) {
  const Account account = account_of(call);
  not_oneself(call, account, "delete");
  call.team.storage().delete_account(account.id, call.now(), call.caller.account.id);
  call.team.stopped(account.id, true);
  call.team.accounts().let_in_by_capacity();
  return nullptr;
}

// {"amount": "12.50"}: a top-up; below zero: an adjustment.
Json change_balance(TeamCall& call) {
  const Account account = account_of(call);
  RequestFields fields(call.body, "");
  const Micros amount = parse_money(fields.required_text("amount"), "amount");
  if (amount == 0) throw bad_parameter("amount: expected other than 0", "amount");
  const EntryKind kind = amount > 0 ? EntryKind::top_up : EntryKind::adjustment;
  if (!call.team.storage().add_entry(account.id, kind, amount, call.caller.account.id,
                                     fields.text("note").value_or("").substr(0, 500), call.now()))
    throw bad_parameter(fmt::format("amount: expected no more than is there ({}, of it {} reserved), and 1e9 at most",
                                    format_money(account.balance), format_money(account.reserved)),
                        "amount");
  return json_of(*call.team.storage().account(account.id));
}

Json list_keys_of(TeamCall& call) {
  Json keys = Json::array();
  for (const ApiKey& key : call.team.storage().keys(account_of(call).id)) keys.push_back(json_of(key));
  return {{"keys", std::move(keys)}};
}

Json create_key_of(TeamCall& call) {
  RequestFields fields(call.body, "");
  const std::int64_t days = fields.integer("expires_days", 0, 36'500).value_or(0);
  const NewKey made =
      call.team.accounts().create_key(account_of(call), fields.text("name").value_or(""), fields.texts("scopes", 8),
                                      days == 0 ? 0 : call.now() + days * 86'400);
  Json json = json_of(made.key);
  json["key"] = made.text;
  return json;
}

Json revoke_key_of(TeamCall& call) {
  if (!call.team.storage().revoke_key(account_of(call).id, call.parameter("key"), call.now()))
    throw not_found("there is no such key that is not revoked", "key_not_found");
  return nullptr;
}

Json list_codes(TeamCall& call) {
  Json list = Json::array();
  for (const AccessCode& code : call.team.storage().codes()) list.push_back(json_of(code));
  return {{"codes", std::move(list)}};
}

Json create_code(TeamCall& call) {
  RequestFields fields(call.body, "");
  AccessCode code;
  code.tier = fields.text("tier").value_or(call.team.config()->default_tier);
  code.uses_left = fields.integer("uses", 1, 1'000'000).value_or(1);
  code.credit = parse_money(fields.text("credit").value_or("0"), "credit");
  const std::int64_t days = fields.integer("expires_days", 0, 36'500).value_or(0);
  if (days > 0) code.expires = call.now() + days * 86'400;
  code.note = fields.text("note").value_or("").substr(0, 500);
  return {{"code", call.team.accounts().create_code(code)}, {"tier", code.tier}, {"uses_left", code.uses_left}};
}

}  // namespace

void add_admin_user_routes(Router& router, const std::shared_ptr<Team>& team) {
  const auto add = [&](std::string method, std::string pattern, Json (*handler)(TeamCall&), RouteDoc doc,
                       int status = 200) {
    add_team_route(router, team,
                   {std::move(method), std::move(pattern), Access::admin, "", handler, std::move(doc), status});
  };
  add("GET", "/api/admin/users", list_users,
      {"listUsers",
       "Accounts by name",
       "",
       "",
       "AccountList",
       false,
       "application/json",
       {"status", "after", "limit"}});
  add("POST", "/api/admin/users", create_user, {"createUser", "A new account", "", "NewAccount", "Account"}, 201);
  add("GET", "/api/admin/users/{id}", [](TeamCall& call) { return json_of(account_of(call)); },
      {"showUser", "An account, by id or name", "", "", "Account"});
  add("PATCH", "/api/admin/users/{id}", change_user,
      {"changeUser", "Tier, role, status (ban), password", "", "AccountChange", "Account"});
  add("DELETE", "/api/admin/users/{id}", delete_user,
      {"deleteUser", "Deletes an account and its data", "", "", "", false, "application/json", {}, 204});
  add("POST", "/api/admin/users/{id}/balance", change_balance,
      {"topUp", "Adds to the balance, or takes from it", "", "TopUp", "Account"});
  add("GET", "/api/admin/users/{id}/keys", list_keys_of, {"listKeysOf", "An account's API keys", "", "", "ApiKeyList"});
  add("POST", "/api/admin/users/{id}/keys", create_key_of,
      {"createKeyOf", "A new API key for an account", "", "KeyRequest", "NewApiKey"}, 201);
  add("DELETE", "/api/admin/users/{id}/keys/{key}", revoke_key_of,
      {"revokeKeyOf", "Revokes an account's API key", "", "", "", false, "application/json", {}, 204});
  add("POST", "/api/admin/users/{id}/logout",
      [](TeamCall& call) {
        return Json{{"ended", call.team.storage().delete_sessions(account_of(call).id)}};
      },
      {"logOutUser", "Ends all sessions of an account", "", "", "Ended"});
  add("GET", "/api/admin/codes", list_codes,
      {"listCodes", "Access codes, without the codes themselves", "", "", "AccessCodeList"});
  add("POST", "/api/admin/codes", create_code,
      {"createCode", "A new access code, shown this once", "", "CodeRequest", "NewAccessCode"}, 201);
  add("DELETE", "/api/admin/codes/{code}",
      [](TeamCall& call) -> Json {
        if (!call.team.storage().delete_code(call.parameter("code")))
          throw not_found("there is no such code", "code_not_found");
        return nullptr;
      },
      {"deleteCode", "Withdraws an access code", "", "", "", false, "application/json", {}, 204});
}

}  // namespace limpid
