// The routes of a team through router and dispatcher, as a browser and a program would use them.
#include "server/team_routes.h"

#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "base/error.h"
#include "server/app_routes.h"
#include "server/dispatcher.h"
#include "server/openapi.h"
#include "server/sqlite.h"
#include "tests/server/fake_exchange.h"
#include "tests/server/team_world.h"

namespace limpid {
namespace {

struct Answer {
  int status = 0;
  std::string text, cookie, type, retry_after;
  nlohmann::json body;
};

// Who sends: nobody, a browser with its cookie and CSRF token, or a program with a key.
struct Sender {
  std::string cookie, csrf, key;
};

struct Site : TeamWorld {
  Router router;
  Metrics metrics;
  std::unique_ptr<Admission> admission;
  std::unique_ptr<Dispatcher> dispatcher;
  std::shared_ptr<Team> shared;

  Site() {
    shared = std::move(team);
    register_team_routes(router, shared);
    admission = make_team_admission(shared);
    DispatcherSinks sinks{
        [](const AccessRecord&) {},
        [](const std::string&, const std::string& what) { ADD_FAILURE() << "an internal error: " << what; }};
    dispatcher = std::make_unique<Dispatcher>(DispatcherOptions{}, router, *admission, metrics, sinks);
  }

  Answer send(const std::string& method, const std::string& target, const Sender& from, const std::string& text = "",
              const HttpFields& more = {}) {
    ServedRequest request;
    request.method = method;
    request.path = target.substr(0, target.find('?'));
    if (const auto at = target.find('?'); at != std::string::npos) request.query = target.substr(at + 1);
    request.peer = "192.0.2.1";
    request.body = text;
    request.headers = more;
    request.headers.emplace_back("Host", "limpid.example");
    if (!text.empty()) request.headers.emplace_back("Content-Type", "application/json");
    if (!from.cookie.empty()) request.headers.emplace_back("Cookie", from.cookie);
    if (!from.csrf.empty()) request.headers.emplace_back("X-CSRF-Token", from.csrf);
    if (!from.key.empty()) request.headers.emplace_back("Authorization", "Bearer " + from.key);
    const auto exchange = std::make_shared<FakeExchange>(std::move(request));
    (*dispatcher)(exchange);
    EXPECT_TRUE(exchange->ended()) << method << " " << target;
    Answer answer{exchange->status(),
                  exchange->body(),
                  exchange->header("Set-Cookie"),
                  exchange->header("Content-Type"),
                  exchange->header("Retry-After"),
                  {}};
    answer.body = nlohmann::json::parse(answer.text, nullptr, false);
    return answer;
  }

  Sender log_in(const std::string& name, const std::string& password) {
    const Answer in = send("POST", "/api/login", {}, nlohmann::json{{"name", name}, {"password", password}}.dump());
    EXPECT_EQ(in.status, 200) << in.text;
    return {in.cookie.substr(0, in.cookie.find(';')), in.body.value("csrf_token", ""), {}};
  }
  Sender browser(const std::string& name, Role role = Role::user, const std::string& tier = "paid") {
    shared->accounts().create(name, "password of " + name, tier, role);
    return log_in(name, "password of " + name);
  }
};

TEST(TeamRoutes, FromAnAccessCodeToAKeyThatWorks) {
  Site site;
  const Sender root = site.browser("root", Role::admin);
  Answer answer = site.send("POST", "/api/admin/codes", root, R"({"tier": "paid", "uses": 2, "credit": "5.00"})");
  ASSERT_EQ(answer.status, 201) << answer.text;
  const std::string code = answer.body["code"];
  answer = site.send("POST", "/api/signup", {},
                     nlohmann::json{{"name", "Ada"}, {"password", "long enough"}, {"code", code}}.dump());
  ASSERT_EQ(answer.status, 201) << answer.text;
  EXPECT_EQ(answer.body["account"]["tier"], "paid");
  EXPECT_EQ(answer.body["account"]["balance"], "5.00");
  EXPECT_TRUE(answer.body["waiting"].is_null());
  const Sender ada = site.log_in("ada", "long enough");
  answer = site.send("POST", "/api/keys", ada, R"({"name": "laptop", "scopes": ["chat", "usage"]})");
  ASSERT_EQ(answer.status, 201) << answer.text;
  const Sender program{{}, {}, answer.body["key"]};
  EXPECT_EQ(answer.text.find(sha256_hex(program.key)), std::string::npos);
  answer = site.send("GET", "/api/keys", ada);
  EXPECT_EQ(answer.body["keys"].size(), 1u);
  EXPECT_EQ(answer.text.find(program.key), std::string::npos);
  const std::string id = answer.body["keys"][0]["id"];

  answer = site.send("GET", "/user/balance", program);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body["is_available"], true);
  EXPECT_EQ(
      answer.body["balance_infos"][0],
      (nlohmann::json{
          {"currency", "USD"}, {"total_balance", "5.00"}, {"granted_balance", "5.00"}, {"topped_up_balance", "0.00"}}));
  for (const char* path : {"/v1/user/balance", "/beta/user/balance"})
    EXPECT_EQ(site.send("GET", path, program).body, answer.body) << path;
  EXPECT_EQ(site.send("GET", "/api/usage", program).status, 200);
  // A key makes no keys, whatever it may do else.
  EXPECT_EQ(site.send("POST", "/api/keys", program, "{}").status, 403);
  EXPECT_EQ(site.send("DELETE", "/api/keys/" + id, ada).status, 204);
  EXPECT_EQ(site.send("DELETE", "/api/keys/" + id, ada).status, 404);
  EXPECT_EQ(site.send("GET", "/user/balance", program).status, 401);
}

TEST(TeamRoutes, TheCookieIsWhatTheSecurityPageSays) {
  Site site;
  site.shared->accounts().create("ada", "password of ada", "paid", Role::user);
  const Answer in = site.send("POST", "/api/login", {}, R"({"name": "ada", "password": "password of ada"})");
  EXPECT_NE(in.cookie.find("; HttpOnly"), std::string::npos);
  EXPECT_NE(in.cookie.find("; SameSite=Lax"), std::string::npos);
  const Sender ada{in.cookie.substr(0, in.cookie.find(';')), in.body["csrf_token"], {}};
  EXPECT_EQ(in.text.find(ada.cookie.substr(15)), std::string::npos);
  EXPECT_EQ(site.send("GET", "/api/me", ada).body["csrf_token"], ada.csrf);
  const Answer out = site.send("POST", "/api/logout", ada);
  EXPECT_EQ(out.status, 200);
  EXPECT_NE(out.cookie.find("Max-Age=0"), std::string::npos);
  EXPECT_EQ(site.send("GET", "/api/me", ada).status, 401);
}

TEST(TeamRoutes, NothingChangesWithoutTheCsrfToken) {
  Site site;
  const Sender root = site.browser("root", Role::admin);
  const Sender forged{root.cookie, "", ""}, wrong{root.cookie, std::string(64, 'a'), ""};
  int changing = 0;
  for (const Route& route : site.router.routes()) {
    if (route.method == "GET" || route.pattern == "/api/signup" || route.pattern == "/api/login") continue;
    ++changing;
    std::string path = route.pattern;
    for (std::size_t at; (at = path.find('{')) != std::string::npos;) path.replace(at, path.find('}') - at + 1, "x");
    for (const Sender& sender : {forged, wrong}) {
      const Answer answer = site.send(route.method, path, sender, "{}");
      EXPECT_EQ(answer.status, 403) << route.method << " " << path;
      EXPECT_EQ(answer.body["error"]["code"], "invalid_csrf_token") << path;
    }
  }
  EXPECT_GE(changing, 15);
}

TEST(TeamRoutes, EveryAdminRouteRefusesEverybodyElse) {
  Site site;
  site.browser("root", Role::admin);
  const Sender ada = site.browser("ada");
  const Account root = *site.shared->storage().account_by_name("root"),
                her = *site.shared->storage().account_by_name("ada");
  Accounts& accounts = site.shared->accounts();
  const std::vector<std::pair<Sender, int>> senders = {
      {{}, 401},
      {ada, 403},
      {{{}, {}, accounts.create_key(her, "", {}, 0).text}, 403},
      {{{}, {}, accounts.create_key(root, "", {"chat", "usage"}, 0).text}, 403},
      {{{}, {}, "sk-wrong"}, 401}};
  int routes = 0;
  for (const Route& route : site.router.routes()) {
    if (!route.pattern.starts_with("/api/admin")) continue;
    ++routes;
    std::string path = route.pattern;
    for (std::size_t at; (at = path.find('{')) != std::string::npos;) path.replace(at, path.find('}') - at + 1, "root");
    for (const auto& [sender, status] : senders)
      EXPECT_EQ(site.send(route.method, path, sender, route.method == "GET" ? "" : "{}").status, status)
          << route.method << " " << path;
  }
  EXPECT_GE(routes, 20);
  EXPECT_EQ(site.shared->storage().account_by_name("root")->role, Role::admin);
}

TEST(TeamRoutes, WithoutAnAccountOnlySignUpAndLogInAreOpen) {
  Site site;
  for (const Route& route : site.router.routes()) {
    if (route.pattern == "/api/signup" || route.pattern == "/api/login") continue;
    EXPECT_EQ(site.send(route.method, route.pattern, {}).status, 401) << route.pattern;
  }
}

TEST(TeamRoutes, WhoWaitsSeesHisPlaceAndNothingElse) {
  Site site;  // capacity 2
  for (const char* name : {"ann", "ben", "cas", "dot"}) {
    const Answer answer =
        site.send("POST", "/api/signup", {}, nlohmann::json{{"name", name}, {"password", "long enough"}}.dump());
    ASSERT_EQ(answer.status, 201);
    if (std::string(name) == "dot") {
      EXPECT_EQ(answer.body["waiting"], (nlohmann::json{{"place", 2}, {"waiting", 2}}));
    }
  }
  const Sender dot = site.log_in("dot", "long enough");
  EXPECT_EQ(site.send("GET", "/api/waitlist", dot).body,
            (nlohmann::json{{"status", "waiting"}, {"place", 2}, {"waiting", 2}}));
  EXPECT_EQ(site.send("GET", "/api/me", dot).status, 200);
  EXPECT_EQ(site.send("POST", "/api/keys", dot, "{}").status, 403);
  EXPECT_EQ(site.send("GET", "/api/usage", dot).status, 403);
  const Sender root = site.browser("root", Role::admin);  // an admin's accounts do not wait
  Answer answer = site.send("POST", "/api/admin/waitlist", root, R"({"let_in": 1})");
  EXPECT_EQ(answer.body["let_in"].size(), 1u);
  EXPECT_EQ(site.send("GET", "/api/waitlist", dot).body["place"], 1);
  answer = site.send("POST", "/api/admin/waitlist", root, R"({"capacity": 10})");
  EXPECT_EQ(answer.body["waiting"], 0);
  EXPECT_EQ(answer.body["capacity"], 10);
  EXPECT_EQ(site.send("GET", "/api/waitlist", dot).body["status"], "active");
  EXPECT_EQ(site.send("POST", "/api/keys", dot, "{}").status, 201);
}

TEST(TeamRoutes, LogInIsThrottledWithRetryAfter) {
  Site site;
  site.shared->accounts().create("ada", "password of ada", "paid", Role::user);
  const std::string wrong = R"({"name": "ada", "password": "wrong password"})";
  for (int i = 0; i < 6; ++i) EXPECT_EQ(site.send("POST", "/api/login", {}, wrong).status, 401);
  const Answer answer = site.send("POST", "/api/login", {}, wrong);
  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(answer.retry_after, "1");
  EXPECT_EQ(answer.body["error"]["type"], "rate_limit_error");
}

TEST(TeamRoutes, BodiesAreChecked) {
  Site site;
  const Sender root = site.browser("root", Role::admin);
  const auto status = [&](const std::string& body) { return site.send("POST", "/api/admin/users", root, body).status; };
  EXPECT_EQ(status("{"), 400);
  EXPECT_EQ(status("[]"), 400);
  EXPECT_EQ(status("{}"), 400);
  EXPECT_EQ(status(R"({"name": 5, "password": "long enough"})"), 400);
  EXPECT_EQ(status(R"({"name": "x", "password": "long enough"})"), 422);
  EXPECT_EQ(status(R"({"name": "bob", "password": "long enough", "role": "king"})"), 400);
  EXPECT_EQ(status(R"({"name": "bob", "password": "long enough", "tier": "gold"})"), 404);
  EXPECT_EQ(status(std::string(100'000, ' ') + "{}"), 413);
  EXPECT_EQ(status(std::string(30'000, '[') + std::string(30'000, ']')), 400);
  EXPECT_EQ(site.shared->storage().accounts(std::nullopt, "", 10).size(), 1u);
  // What a form of another site can send without asking first.
  ServedRequest request;
  request.method = "POST";
  request.path = "/api/signup";
  request.body = R"({"name": "bob", "password": "long enough"})";
  request.headers = {{"Content-Type", "text/plain"}};
  const auto exchange = std::make_shared<FakeExchange>(request);
  (*site.dispatcher)(exchange);
  EXPECT_EQ(exchange->status(), 415);
}

TEST(TeamRoutes, AnAdminChangesPeopleButNotHimself) {
  Site site;
  const Sender root = site.browser("root", Role::admin), ada = site.browser("ada");
  Answer answer = site.send("PATCH", "/api/admin/users/ada", root, R"({"tier": "unlimited", "role": "admin"})");
  EXPECT_EQ(answer.status, 200) << answer.text;
  EXPECT_EQ(answer.body["tier"], "unlimited");
  EXPECT_EQ(site.send("GET", "/api/admin/users", ada).body["users"].size(), 2u);
  // All of it or nothing: the tier is wrong, the role stays.
  EXPECT_EQ(site.send("PATCH", "/api/admin/users/ada", root, R"({"tier": "gold", "role": "user"})").status, 404);
  EXPECT_EQ(site.send("GET", "/api/admin/users/ada", root).body["role"], "admin");
  EXPECT_EQ(site.send("PATCH", "/api/admin/users/root", root, R"({"role": "user"})").status, 403);
  EXPECT_EQ(site.send("PATCH", "/api/admin/users/root", root, R"({"status": "banned"})").status, 403);
  EXPECT_EQ(site.send("DELETE", "/api/admin/users/root", root).status, 403);
  answer = site.send("PATCH", "/api/admin/users/ada", root, R"({"status": "banned", "ban_reason": "spam"})");
  EXPECT_EQ(answer.body["status"], "banned");
  EXPECT_EQ(site.send("GET", "/api/me", ada).status, 401);
  EXPECT_EQ(site.send("GET", "/api/admin/users?status=banned", root).body["users"].size(), 1u);
  EXPECT_EQ(site.send("GET", "/api/admin/users?status=odd", root).status, 400);
  EXPECT_EQ(site.send("GET", "/api/admin/users?limit=0", root).status, 422);
  EXPECT_EQ(site.send("DELETE", "/api/admin/users/ada", root).status, 204);
  EXPECT_EQ(site.send("GET", "/api/admin/users/ada", root).status, 404);
}

TEST(TeamRoutes, MoneyIsExactAndBounded) {
  Site site;
  const Sender root = site.browser("root", Role::admin), ada = site.browser("ada");
  const auto pay = [&](const std::string& amount) {
    return site.send("POST", "/api/admin/users/ada/balance", root,
                     nlohmann::json{{"amount", amount}, {"note", "cash"}}.dump());
  };
  EXPECT_EQ(pay("12.345678").body["balance"], "12.345678");
  EXPECT_EQ(pay("-0.000001").body["balance"], "12.345677");
  EXPECT_EQ(pay("-12.345678").status, 422);
  EXPECT_EQ(pay("0").status, 422);
  EXPECT_EQ(pay("1e9").status, 400);
  EXPECT_EQ(pay("999999999.999999").status, 422);
  EXPECT_EQ(site.send("POST", "/api/admin/users/ada/balance", root, R"({"amount": 5})").status, 400);
  const Answer ledger = site.send("GET", "/api/ledger", ada);
  ASSERT_EQ(ledger.body["entries"].size(), 2u);
  EXPECT_EQ(ledger.body["entries"][0]["kind"], "adjustment");
  EXPECT_EQ(ledger.body["entries"][1]["amount"], "12.345678");
  EXPECT_EQ(ledger.body["entries"][1]["actor"], site.shared->storage().account_by_name("root")->id);
  EXPECT_EQ(site.send("GET", "/api/admin/audit", root).body["balanced"], true);
}

TEST(TeamRoutes, UsageAsJsonAndCsvIsOnesOwn) {
  Site site;
  const Sender root = site.browser("root", Role::admin), ada = site.browser("ada"), bob = site.browser("bob");
  for (const char* name : {"ada", "bob"}) {
    const Account account = *site.shared->storage().account_by_name(name);
    site.shared->storage().add_entry(account.id, EntryKind::top_up, 10'000, "root", "", kNoon);
    site.shared->admission().admit(site.identity(account), {"=cmd\"x", 10, 10, 1})->settle({4, 10, 5});
  }
  site.shared->storage().flush();
  const Answer json = site.send("GET", "/api/usage?from=2025-01-20&to=2025-01-20", ada);
  ASSERT_EQ(json.body["usage"].size(), 1u) << json.text;
  EXPECT_EQ(json.body["usage"][0]["day"], "2025-01-20");
  EXPECT_EQ(json.body["usage"][0]["prompt_cache_hit_tokens"], 4);
  EXPECT_EQ(json.body["usage"][0]["prompt_cache_miss_tokens"], 6);
  EXPECT_EQ(json.body["usage"][0]["completion_tokens"], 5);
  EXPECT_EQ(json.body["usage"][0]["cost"], "0.000017");
  const std::string id = site.shared->storage().account_by_name("ada")->id;
  const Answer csv = site.send("GET", "/api/usage?format=csv", ada);
  EXPECT_EQ(csv.type, "text/csv; charset=utf-8");
  EXPECT_EQ(csv.text,
            "day,account,key,model,requests,prompt_cache_hit_tokens,prompt_cache_miss_tokens,completion_tokens,cost\r\n"
            "2025-01-20,\"" +
                id + "\",\"key\",\"'=cmd\"\"x\",1,4,6,5,0.000017\r\n");
  // Asking for another's changes nothing.
  EXPECT_EQ(site.send("GET", "/api/usage?account=" + id, bob).body["usage"][0]["account"],
            site.shared->storage().account_by_name("bob")->id);
  EXPECT_EQ(site.send("GET", "/api/admin/usage", root).body["usage"].size(), 2u);
  EXPECT_EQ(site.send("GET", "/api/admin/usage?account=" + id, root).body["usage"].size(), 1u);
  EXPECT_EQ(site.send("GET", "/api/usage?from=yesterday", ada).status, 400);
  EXPECT_EQ(site.send("GET", "/api/usage?format=xml", ada).status, 422);
}

// Sums over a part would be wrong, and nobody would see it.
TEST(TeamRoutes, UsageIsNeverCutSilently) {
  Site site;
  const Sender root = site.browser("root", Role::admin);
  const std::string id = site.shared->storage().account_by_name("root")->id;
  const std::string insert =
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100001) "
      "INSERT INTO usage (account, day, key, model, requests, cached_tokens, prompt_tokens, "
      "completion_tokens, cost) SELECT '" +
      id +
      "', 86400 * (1 + i / 50000), 'k' || i, 'm', 1, "
      "0, 1, 1, 0 FROM n";
  SqliteConnection(site.folder / "team.db").script(insert);
  for (const char* path : {"/api/usage", "/api/admin/usage"}) {
    const Answer answer = site.send("GET", path, root);
    EXPECT_EQ(answer.status, 422) << path;
    EXPECT_NE(answer.text.find("narrow the days"), std::string::npos) << answer.text.substr(0, 300);
  }
  const Answer fewer = site.send("GET", "/api/usage?from=1970-01-03", root);
  EXPECT_EQ(fewer.status, 200);
  EXPECT_EQ(fewer.body["usage"].size(), 50'002U);
  // CSV comes in pages, without a limit, each row once and in order.
  for (const char* path : {"/api/usage?format=csv", "/api/admin/usage?format=csv"}) {
    const Answer all = site.send("GET", path, root);
    EXPECT_EQ(all.status, 200);
    EXPECT_EQ(std::count(all.text.begin(), all.text.end(), '\n'), 1 + 100'001);
    std::set<std::string> lines;
    std::string line;
    for (std::istringstream in(all.text); std::getline(in, line);) lines.insert(line);
    EXPECT_EQ(lines.size(), 1U + 100'001);
  }
}

nlohmann::json document_of(const Router& router) { return nlohmann::json::parse(openapi_document(router, "test")); }

TEST(TeamRoutes, TheDocumentSaysWhoMayAndWhatIsSaid) {
  Site site;
  const nlohmann::json document = document_of(site.router);
  const nlohmann::json& paths = document["paths"];
  const nlohmann::json none = nlohmann::json::array(),
                       key = nlohmann::json::array({{{"key", none}}, {{"session", none}}});
  EXPECT_EQ(document["security"], key) << "a team lets nobody in without one of the two";
  for (const char* path : {"/api/signup", "/api/login"}) EXPECT_EQ(paths[path]["post"]["security"], none) << path;
  EXPECT_EQ(paths["/api/keys"]["post"]["security"], nlohmann::json::array({{{"session", none}}}));
  int open = 0;
  for (const auto& [path, methods] : paths.items())
    for (const auto& [method, operation] : methods.items()) {
      open += operation.contains("security") && operation["security"].empty();
      const bool bare = path == "/api/admin/users/{id}/logout" || path == "/api/admin/tiers/reload";
      const bool changes = method == "post" || method == "patch" || (method == "delete" && path == "/api/me");
      EXPECT_EQ(operation.contains("requestBody"), changes && !bare) << method << " " << path;
      const nlohmann::json& responses = operation["responses"];
      const std::string status = responses.contains("200") ? "200" : responses.contains("201") ? "201" : "204";
      EXPECT_EQ(responses[status].contains("content"), status != "204") << method << " " << path;
    }
  EXPECT_EQ(open, 2);
  EXPECT_TRUE(paths["/api/usage"]["get"]["responses"]["200"]["content"].contains("text/csv"));
  EXPECT_EQ(document["components"]["securitySchemes"]["session"]["name"], "limpid_session");
}

TEST(TeamRoutes, WhoIsBannedOrDeletedIsStopped) {
  Site site;
  std::vector<std::string> told;
  site.shared->when_stopped(
      [&](const std::string& account, bool deleted) { told.push_back(account + (deleted ? " deleted" : " stopped")); });
  const Sender root = site.browser("root", Role::admin), ada = site.browser("ada");
  site.browser("bob");
  const std::string a = site.shared->storage().account_by_name("ada")->id,
                    b = site.shared->storage().account_by_name("bob")->id;
  EXPECT_TRUE(site.shared->active(b));
  EXPECT_EQ(site.send("PATCH", "/api/admin/users/bob", root, R"({"tier": "free"})").status, 200);
  EXPECT_TRUE(told.empty());
  EXPECT_EQ(site.send("PATCH", "/api/admin/users/bob", root, R"({"status": "banned"})").status, 200);
  EXPECT_EQ(told, std::vector{b + " stopped"});
  EXPECT_FALSE(site.shared->active(b));
  EXPECT_EQ(site.send("DELETE", "/api/admin/users/bob", root).status, 204);
  EXPECT_EQ(site.send("DELETE", "/api/me", ada, R"({"password": "password of ada"})").status, 200);
  EXPECT_EQ(told, (std::vector{b + " stopped", b + " deleted", a + " deleted"}));
  EXPECT_FALSE(site.shared->active(a));
  EXPECT_EQ(site.shared->account_ids().size(), 1U);
}

// A key is given to programs: what a person wrote is not theirs.
TEST(TeamRoutes, ConversationsAreForTheBrowserOnly) {
  Site site;
  History history(site.folder / "conversations.db");
  AppRouteOptions options;
  options.team = true;
  add_app_routes(site.router, options, {nullptr, &history, nullptr});
  const Sender ada = site.browser("ada");
  const std::string body = R"({"updated": 1, "body": {"title": "mine"}})";
  EXPECT_EQ(site.send("PUT", "/api/conversations/one", ada, body).status, 200);
  const Account account = *site.shared->storage().account_by_name("ada");
  for (const std::vector<std::string>& scopes :
       {std::vector<std::string>{}, {"chat"}, {"models"}, {"usage"}, {"chat", "models", "usage"}}) {
    const Sender key{{}, {}, site.shared->accounts().create_key(account, "k", scopes, 0).text};
    for (const char* method : {"GET", "PUT", "DELETE"})
      EXPECT_EQ(site.send(method, "/api/conversations/one", key, method == std::string("PUT") ? body : "").status, 403);
    EXPECT_EQ(site.send("GET", "/api/conversations", key).status, 403);
  }
  EXPECT_EQ(site.send("GET", "/api/conversations/one", ada).body["body"]["title"], "mine");
}

TEST(TeamRoutes, PasswordAndFarewell) {
  Site site;
  const Sender ada = site.browser("ada");
  EXPECT_EQ(
      site.send("POST", "/api/password", ada, R"({"old_password": "wrong one", "new_password": "another one"})").status,
      401);
  EXPECT_EQ(
      site.send("POST", "/api/password", ada, R"({"old_password": "password of ada", "new_password": "short"})").status,
      422);
  EXPECT_EQ(
      site.send("POST", "/api/password", ada, R"({"old_password": "password of ada", "new_password": "another one"})")
          .status,
      200);
  EXPECT_EQ(site.send("GET", "/api/me", ada).status, 401);
  const Sender here = site.log_in("ada", "another one"), there = site.log_in("ada", "another one");
  EXPECT_EQ(site.send("POST", "/api/logout", here, R"({"everywhere": true})").body["ended"], 2);
  EXPECT_EQ(site.send("GET", "/api/me", there).status, 401);
  const Sender again = site.log_in("ada", "another one");
  EXPECT_EQ(site.send("DELETE", "/api/me", again, R"({"password": "wrong one"})").status, 401);
  EXPECT_EQ(site.send("DELETE", "/api/me", again, R"({"password": "another one"})").status, 200);
  EXPECT_EQ(site.send("GET", "/api/me", again).status, 401);
  EXPECT_EQ(site.send("POST", "/api/login", {}, R"({"name": "ada", "password": "another one"})").status, 401);
}

TEST(TeamRoutes, LoadQueueAndTiersAreThereForAdmins) {
  Site site;
  const Sender root = site.browser("root", Role::admin);
  site.load = 0.25;
  const Answer load = site.send("GET", "/api/admin/load", root);
  EXPECT_EQ(load.body["load"], 0.25);
  EXPECT_EQ(load.body["database"]["fault"], "");
  EXPECT_EQ(site.send("GET", "/api/admin/queue", root).body["models"], nlohmann::json::array());
  const Answer tiers = site.send("GET", "/api/admin/tiers", root);
  EXPECT_EQ(tiers.body["tiers"]["free"]["requests"]["minute"], 3);
  EXPECT_EQ(tiers.body["prices"]["dear"]["completion"], "200.00");
  std::ofstream(site.folder / "team.json") << R"({"tiers": {"free": {}, "paid": {"concurrency": 7}}})";
  EXPECT_EQ(site.send("POST", "/api/admin/tiers/reload", root).body["tiers"]["paid"]["concurrency"], 7);
  std::ofstream(site.folder / "team.json") << "{";
  EXPECT_EQ(site.send("POST", "/api/admin/tiers/reload", root).status, 400);
  EXPECT_EQ(site.send("GET", "/api/admin/tiers", root).body["tiers"]["paid"]["concurrency"], 7);
}

}  // namespace
}  // namespace limpid
