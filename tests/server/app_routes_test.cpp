// The routes of the browser app over a whole service: features that are off have no routes, files of the machine are
// for its owner, and what the host says comes out as the app reads it.
#include "server/app_routes.h"

#include <filesystem>
#include <fstream>

#include "server/static_files.h"
#include "service_fixture.h"

namespace limpid {
namespace {

namespace fs = std::filesystem;

struct FakeHost : AppHost {
  MachineMemory memory() const override { return {5, 7}; }
  std::vector<PlannedModel> plan() override {
    PlannedModel fits{"a:Q4", "A", "sums", 100, true, false, 12.5, ""},
        large{"b:Q8", "B", "", 900, false, false, 0, "needs more memory"};
    return {fits, large};
  }
  std::vector<PullState> pulls() const override { return {{"a:Q4", PullState::State::running, 5, 10, 2.5, ""}}; }
  PullState pull(const std::string& name) override {
    if (name != "a:Q4") fail(ErrorKind::not_found, "model '{}': the catalogue has no such name", name);
    return {name, PullState::State::running, 0, 0, 0, ""};
  }
  void cancel_pull(const std::string& name) override { cancelled = name; }
  nlohmann::json runs() const override { return {{"runs", nlohmann::json::array()}}; }
  nlohmann::json curves(const std::string& run, const std::string& stage) const override {
    return {{"name", run}, {"stage", stage}};
  }
  std::string cancelled;
};

class AppRoutes : public ServiceFixture {
 protected:
  void SetUp() override {
    ServiceFixture::SetUp();
    root_ = fs::path(testing::TempDir()) /
            (std::string("app-routes-") + testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(root_);
    fs::create_directories(root_ / "notes");
    history_.emplace((root_ / "conversations.db").string());
    documents_.emplace((root_ / "documents.db").string());
  }
  void TearDown() override {
    ServiceFixture::TearDown();
    documents_.reset();
    history_.reset();
    fs::remove_all(root_);
  }
  void add(const AppRouteOptions& options) {
    add_app_routes(service_->routes(), options, {&host_, &*history_, &*documents_});
  }
  Json get(const std::string& path, int status = 200) { return result(call("GET", path), status); }
  Json send(const std::string& method, const std::string& path, const Json& body = nullptr, int status = 200) {
    return result(call(method, path, body.is_null() ? "" : body.dump(), {{"Content-Type", "application/json"}}),
                  status);
  }
  static Json result(const std::shared_ptr<FakeExchange>& exchange, int status) {
    EXPECT_TRUE(exchange->wait());
    EXPECT_EQ(exchange->status(), status) << exchange->body();
    return Json::parse(exchange->body());
  }

  fs::path root_;
  FakeHost host_;
  std::optional<History> history_;
  std::optional<DocumentIndex> documents_;
};

TEST_F(AppRoutes, SayWhatTheServerOffers) {
  add({.version = "9", .default_model = "script", .offline = true, .team = false, .user = {}});
  const Json info = get("/api/app");
  EXPECT_EQ(info["version"], "9");
  EXPECT_EQ(info["default_model"], "script");
  EXPECT_EQ(info["features"]["pull"], false);
  EXPECT_EQ(info["features"]["folders"], true);
  EXPECT_FALSE(info.contains("user"));
}

TEST_F(AppRoutes, WithAccountsFilesOfTheMachineAreForAdmins) {
  add({.version = "9", .default_model = "script", .offline = false, .team = true, .user = [](const ServedRequest&) {
         return AppUser{"ann", "user", "free", "token", 0, 0};
       }});
  admission_->admin = false;
  const Json info = get("/api/app");
  EXPECT_EQ(info["user"]["csrf"], "token");
  for (const char* feature : {"folders", "runs", "plan", "pull"})
    EXPECT_EQ(info["features"][feature], false) << feature;
  for (const char* path : {"/api/folders", "/api/search?q=x", "/api/runs", "/api/plan", "/api/pulls", "/api/machine"})
    get(path, 403);
  send("POST", "/api/folders", {{"path", root_.string()}}, 403);
  EXPECT_TRUE(documents_->folders().empty());
}

TEST_F(AppRoutes, WhoWaitsSeesThePlaceAndNothingElse) {
  add({.version = "9", .default_model = "script", .offline = false, .team = true, .user = [](const ServedRequest&) {
         return AppUser{"carl", "admin", "free", "token", 2, 7};
       }});
  const Json info = get("/api/app");
  EXPECT_FALSE(info.contains("user"));
  EXPECT_EQ(info["waiting"]["name"], "carl");
  EXPECT_EQ(info["waiting"]["place"], 2);
  EXPECT_EQ(info["waiting"]["waiting"], 7);
  EXPECT_EQ(info["waiting"]["csrf"], "token");
  for (const char* feature : {"folders", "runs", "plan", "pull"})
    EXPECT_EQ(info["features"][feature], false) << feature;
}

TEST_F(AppRoutes, PlanAndFetchModels) {
  add({});
  EXPECT_EQ(get("/api/machine")["process_bytes"], 5);
  EXPECT_EQ(get("/api/machine")["available_bytes"], 7);
  const Json plan = get("/api/plan")["models"];
  EXPECT_EQ(plan[0]["tokens_per_second"], 12.5);
  EXPECT_EQ(plan[1]["reason"], "needs more memory");
  EXPECT_EQ(get("/api/pulls")["pulls"][0]["state"], "running");
  EXPECT_EQ(send("POST", "/api/pulls", {{"name", "a:Q4"}})["name"], "a:Q4");
  send("POST", "/api/pulls", {{"name", "x"}}, 404);
  send("POST", "/api/pulls", {{"names", "x"}}, 400);
  send("DELETE", "/api/pulls/a:Q4");
  EXPECT_EQ(host_.cancelled, "a:Q4");
  EXPECT_EQ(get("/api/runs/one/two")["stage"], "two");
}

TEST_F(AppRoutes, KeepConversations) {
  add({});
  const Json body = {{"updated", 5}, {"body", {{"title", "käse \" ]}"}, {"messages", Json::object()}}}};
  send("PUT", "/api/conversations/one", body);
  send("PUT", "/api/conversations/two", body);
  const Json all = get("/api/conversations")["conversations"];
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0]["updated"], 5);
  EXPECT_EQ(all[0]["title"], body["body"]["title"]);
  EXPECT_FALSE(all[0].contains("body")) << "one at a time";
  const Json one = get("/api/conversations/one");
  EXPECT_EQ(one["id"], "one");
  EXPECT_EQ(one["updated"], 5);
  EXPECT_EQ(one["body"], body["body"]);
  get("/api/conversations/three", 404);
  Json replacing = body;
  replacing["updated"] = 6;
  replacing["replaces"] = 4;
  EXPECT_EQ(send("PUT", "/api/conversations/one", replacing, 409)["error"]["code"], "conversation_changed");
  replacing["replaces"] = 5;
  send("PUT", "/api/conversations/one", replacing);
  send("DELETE", "/api/conversations/one");
  get("/api/conversations/one", 404);
  EXPECT_EQ(get("/api/conversations")["conversations"].size(), 1U);
  send("PUT", "/api/conversations/bad%20id", body, 400);
  send("PUT", "/api/conversations/one", {{"updated", 5}, {"body", "text"}}, 400);
}

TEST_F(AppRoutes, NobodyReadsHisConversationsAgainAndAgain) {
  AppRouteOptions options;
  options.history_rate = {1000, 30'000};
  add(options);
  const Json body = {{"updated", 5}, {"body", {{"text", std::string(8000, 'x')}}}};
  send("PUT", "/api/conversations/one", body);  // 12 kB, as every time it is read
  get("/api/conversations/one");
  get("/api/conversations/one");
  for (const char* path : {"/api/conversations", "/api/conversations/one"}) {
    const auto refused = call("GET", path);
    EXPECT_EQ(refused->status(), 429);
    EXPECT_GT(std::stoi(refused->header("Retry-After")), 0);
  }
  send("PUT", "/api/conversations/one", body, 429);
}

// Every route that wants to know who asks, with a key of every scope: what is not the route's is refused, and what is a
// person's no key opens.
TEST_F(AppRoutes, AKeyDoesWhatItsScopeSays) {
  AppRouteOptions options;
  options.team = true;
  add(options);
  int checked = 0, sessions = 0;
  for (const Route& route : service_->routes().routes()) {
    if (route.open) continue;
    std::string path = route.pattern;
    for (std::size_t at = path.find('{'); at != std::string::npos; at = path.find('{'))
      path.replace(at, path.find('}') - at + 1, "x");
    sessions += route.session;
    for (const char* scope : {"chat", "models", "usage", "admin"}) {
      admission_->scopes = {scope};
      const auto exchange = call(route.method, path, "{}", {{"Content-Type", "application/json"}});
      EXPECT_TRUE(exchange->wait());
      const bool may = !route.session && route.scope == scope;
      EXPECT_EQ(exchange->status() == 403, !may)
          << route.method << " " << route.pattern << " with " << scope << ": " << exchange->status();
      ++checked;
    }
    admission_->scopes.clear();  // all but what is a person's
    if (route.session) {
      EXPECT_EQ(call(route.method, path, "{}")->status(), 403) << route.pattern;
    }
  }
  EXPECT_GT(checked, 100);
  EXPECT_EQ(sessions, 4);
}

TEST_F(AppRoutes, IndexAndSearchDocuments) {
  add({});
  std::ofstream(root_ / "notes/a.md") << "# Cats\n\n量子 cats sleep all day\n";
  const Json folder = send("POST", "/api/folders", {{"path", (root_ / "notes").string()}});
  documents_->wait();
  EXPECT_EQ(get("/api/folders")["folders"][0]["state"], "ready");
  const Json found = get("/api/search?q=%E9%87%8F%E5%AD%90&limit=3")["passages"];
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0]["number"], 1);
  EXPECT_EQ(found[0]["file"], "a.md");
  EXPECT_EQ(found[0]["title"], "Cats");
  get("/api/search?q=x&limit=many", 404);
  send("POST", "/api/folders", {{"path", "relative"}}, 400);
  send("DELETE", "/api/folders/" + folder["id"].get<std::string>());
  EXPECT_TRUE(get("/api/folders")["folders"].empty());
  send("DELETE", "/api/folders/x", nullptr, 404);
}

class StaticRoutes : public ServiceFixture {
 protected:
  void SetUp() override {
    ServiceFixture::SetUp();
    files_["index.html"] = {"<p>page</p>", {}, "text/html", "\"1\""};
    files_["diagram.html"] = {"<p>frame</p>", {}, "text/html", "\"2\""};
    files_["assets/a.js"] = {"code", "small", "text/javascript", "\"3\""};
    add_static_routes(service_->routes(), files_, "9");
  }
  StaticFiles files_;
};

TEST_F(StaticRoutes, SendFilesWithStrictPolicies) {
  const auto page = call("GET", "/");
  EXPECT_EQ(page->body(), "<p>page</p>");
  const std::string policy = page->header("Content-Security-Policy");
  EXPECT_NE(policy.find("default-src 'none'"), std::string::npos);
  EXPECT_EQ(policy.find("unsafe"), std::string::npos);
  EXPECT_EQ(page->header("Cache-Control"), "no-cache");
  const std::string frame = call("GET", "/diagram.html")->header("Content-Security-Policy");
  EXPECT_TRUE(frame.starts_with("sandbox allow-scripts; default-src 'none'"));
}

TEST_F(StaticRoutes, CompressAndCacheWhereTheRequestAllows) {
  EXPECT_EQ(call("GET", "/assets/a.js")->body(), "code");
  const auto small = call("GET", "/assets/a.js", "", {{"Accept-Encoding", "br, gzip;q=0.8"}});
  EXPECT_EQ(small->body(), "small");
  EXPECT_EQ(small->header("Content-Encoding"), "gzip");
  EXPECT_NE(small->header("Cache-Control").find("immutable"), std::string::npos);
  EXPECT_EQ(call("GET", "/assets/a.js", "", {{"Accept-Encoding", "gzip;q=0"}})->body(), "code");
  const auto known = call("GET", "/assets/a.js", "", {{"If-None-Match", "\"3\""}});
  EXPECT_EQ(known->status(), 304);
  EXPECT_EQ(known->body(), "");
  EXPECT_EQ(call("GET", "/assets/b.js")->status(), 404);
}

TEST_F(ServiceFixture, WithoutTheAppAPlainPageSaysHowToCall) {
  const StaticFiles none;
  add_static_routes(service_->routes(), none, "9");
  const auto page = call("GET", "/", "", {{"Host", "x\"><script>"}});
  EXPECT_NE(page->body().find("/v1/chat/completions"), std::string::npos);
  EXPECT_EQ(page->body().find("<script>"), std::string::npos);
}

}  // namespace
}  // namespace limpid
