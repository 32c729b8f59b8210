// Signing up, logging in and out, one's own account and keys.
#include "base/error.h"
#include "server/api_error.h"
#include "server/team_admission.h"
#include "server/team_route.h"
#include "server/team_routes.h"

namespace limpid {

namespace {

using Json = nlohmann::ordered_json;

Json waiting_json(Team& team, const Account& account) {
  if (account.status != AccountStatus::waiting) return nullptr;
  const WaitingPlace place = team.storage().waiting_place(account.id);
  return {{"place", place.place}, {"waiting", place.waiting}};
}

Json post_sign_up(TeamCall& call) {
  RequestFields fields(call.body, "");
  const Account account = call.team.accounts().sign_up(fields.required_text("name"), fields.required_text("password"),
                                                       fields.text("code").value_or(""), call.call.request().peer);
  return {{"account", json_of(account)}, {"waiting", waiting_json(call.team, account)}};
}

void send_with_cookie(TeamCall& call, const Json& json, const std::string& cookie) {
  call.call.exchange->respond(
      {200,
       {{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}, {"Set-Cookie", cookie}},
       json.dump()});
}

Json log_in(TeamCall& call) {
  RequestFields fields(call.body, "");
  const ServedRequest& request = call.call.request();
  const LoggedIn in =
      call.team.accounts().log_in(fields.required_text("name"), fields.required_text("password"), request.peer);
  send_with_cookie(call,
                   {{"account", json_of(in.account)},
                    {"csrf_token", in.csrf},
                    {"expires", json_time(in.expires)},
                    {"waiting", waiting_json(call.team, in.account)}},
                   session_cookie(in.token, in.expires - call.now(), request.tls));
  return answered();
}

Json log_out(TeamCall& call) {
  if (!call.caller.identity.session) throw forbidden("only a browser's session can log out; revoke the key instead");
  RequestFields fields(call.body, "");
  std::int64_t ended = 1;
  if (fields.boolean("everywhere").value_or(false))
    ended = call.team.storage().delete_sessions(call.caller.account.id);
  else
    call.team.storage().delete_session(call.caller.identity.key);
  send_with_cookie(call, {{"ended", ended}}, session_cookie("", 0, call.call.request().tls));
  return answered();
}

Json balance_json(Team& team, const Account& account) {
  const Balance balance = team.balance(account);
  return {{"currency", balance.currency},
          {"total", format_money(balance.total)},
          {"granted", format_money(balance.granted)},
          {"topped_up", format_money(balance.topped_up)},
          {"reserved", format_money(balance.reserved)}};
}

Json show_me(TeamCall& call) {
  const Account& account = call.caller.account;
  Json json{{"account", json_of(account)}, {"balance", balance_json(call.team, account)}};
  json["waiting"] = waiting_json(call.team, account);
  const std::shared_ptr<const TeamConfig> config = call.team.config();
  if (const auto tier = config->tiers.find(account.tier); tier != config->tiers.end())
    json["tier"] = json_of(tier->second);
  const QuotaUse use = call.team.admission().quota_use(account.id);
  json["used"] = {{"minute", json_of(use.minute)},
                  {"day", json_of(use.day)},
                  {"month", json_of(use.month)},
                  {"running", use.running}};
  if (call.caller.identity.session) json["csrf_token"] = csrf_token(session_token(call.call.request()));
  return json;
}

Json change_password(TeamCall& call) {
  RequestFields fields(call.body, "");
  call.team.accounts().change_password(call.caller.account, fields.required_text("old_password"),
                                       fields.required_text("new_password"), call.call.request().peer);
  send_with_cookie(call, {{"changed", true}}, session_cookie("", 0, call.call.request().tls));
  return answered();
}

Json delete_me(TeamCall& call) {
  if (!call.caller.identity.session) throw forbidden("this is done in the browser, logged in; an API key cannot");
  RequestFields fields(call.body, "");
  call.team.accounts().delete_own(call.caller.account, fields.required_text("password"), call.call.request().peer);
  call.team.stopped(call.caller.account.id, true);
  send_with_cookie(call, {{"deleted", true}}, session_cookie("", 0, call.call.request().tls));
  return answered();
}

Json list_keys(TeamCall& call) {
  Json keys = Json::array();
  for (const ApiKey& key : call.team.storage().keys(call.caller.account.id)) keys.push_back(json_of(key));
  return {{"keys", std::move(keys)}};
}

Json create_key(TeamCall& call) {
  RequestFields fields(call.body, "");
  const std::int64_t days = fields.integer("expires_days", 0, 36'500).value_or(0);
  const NewKey made =
      call.team.accounts().create_key(call.caller.account, fields.text("name").value_or(""), fields.texts("scopes", 8),
                                      days == 0 ? 0 : call.now() + days * 86'400);
  Json json = json_of(made.key);
  json["key"] = made.text;
  return json;
}

Json revoke_key(TeamCall& call) {
  if (!call.team.storage().revoke_key(call.caller.account.id, call.parameter("key"), call.now()))
    throw not_found("there is no such key that is not revoked", "key_not_found");
  return nullptr;
}

}  // namespace

void add_account_routes(Router& router, const std::shared_ptr<Team>& team) {
  const auto add = [&](TeamRoute route) { add_team_route(router, team, std::move(route)); };
  add({"POST",
       "/api/signup",
       Access::anyone,
       "",
       post_sign_up,
       {"signUp", "A new account, by access code or onto the waiting list", "", "SignUp", "SignedUp"},
       201});
  add({"POST",
       "/api/login",
       Access::anyone,
       "",
       log_in,
       {"logIn", "A session: its cookie, and the CSRF token", "", "LogIn", "LoggedIn"}});
  add({"POST",
       "/api/logout",
       Access::member,
       "",
       log_out,
       {"logOut", "Ends the session, or all of the account's", "", "LogOut", "Ended"}});
  add({"GET",
       "/api/me",
       Access::member,
       "",
       show_me,
       {"showMe", "The account, its tier, what it has used", "", "", "Me"}});
  add({"DELETE",
       "/api/me",
       Access::member,
       "",
       delete_me,
       {"deleteMe", "Deletes the account and its data", "", "OwnPassword", "Deleted"}});
  add({"POST",
       "/api/password",
       Access::browser,
       "",
       change_password,
       {"changePassword", "Changes the password, ends all sessions", "", "PasswordChange", "Changed"}});
  add({"GET",
       "/api/waitlist",
       Access::member,
       "",
       [](TeamCall& call) {
         const WaitingPlace place = call.team.storage().waiting_place(call.caller.account.id);
         return Json{{"status", name(call.caller.account.status)}, {"place", place.place}, {"waiting", place.waiting}};
       },
       {"showWaitlist", "One's place on the waiting list; 0: let in", "", "", "WaitlistPlace"}});
}

void add_key_routes(Router& router, const std::shared_ptr<Team>& team) {
  const auto add = [&](TeamRoute route) { add_team_route(router, team, std::move(route)); };
  add({"GET",
       "/api/keys",
       Access::browser,
       "",
       list_keys,
       {"listKeys", "The account's API keys, without their secrets", "", "", "ApiKeyList"}});
  add({"POST",
       "/api/keys",
       Access::browser,
       "",
       create_key,
       {"createKey", "A new API key, shown this once", "", "KeyRequest", "NewApiKey"},
       201});
  add({"DELETE",
       "/api/keys/{key}",
       Access::browser,
       "",
       revoke_key,
       {"revokeKey", "Revokes an API key at once", "", "", "", false, "application/json", {}, 204}});
}

void register_team_routes(Router& router, const std::shared_ptr<Team>& team) {
  add_account_routes(router, team);
  add_key_routes(router, team);
  add_usage_routes(router, team);
  add_admin_user_routes(router, team);
  add_admin_service_routes(router, team);
}

}  // namespace limpid
