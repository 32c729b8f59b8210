#include "server/app_routes.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>

#include "formats/json.h"
#include "server/api_error.h"
#include "server/json_text.h"
#include "server/request_fields.h"
#include "server/routes.h"

namespace limpid {

namespace {

const char* name_of(PullState::State state) {
  switch (state) {
    case PullState::State::running:
      return "running";
    case PullState::State::done:
      return "done";
    case PullState::State::failed:
      return "failed";
    case PullState::State::cancelled:
      return "cancelled";
  }
  return "";
}

nlohmann::json pull_json(const PullState& pull) {
  nlohmann::json json{{"name", pull.name},
                      {"state", name_of(pull.state)},
                      {"done", pull.done},
                      {"total", pull.total},
                      {"bytes_per_second", pull.bytes_per_second}};
  if (!pull.error.empty()) json["error"] = pull.error;
  return json;
}

nlohmann::json plan_json(const PlannedModel& model) {
  nlohmann::json json{{"name", model.name},   {"title", model.title}, {"description", model.description},
                      {"bytes", model.bytes}, {"fits", model.fits},   {"here", model.here}};
  if (model.tokens_per_second > 0) json["tokens_per_second"] = model.tokens_per_second;
  if (!model.reason.empty()) json["reason"] = model.reason;
  return json;
}

nlohmann::json folder_json(const IndexedFolder& folder) {
  nlohmann::json json{{"id", std::to_string(folder.id)},
                      {"path", folder.path},
                      {"files", folder.files},
                      {"passages", folder.passages},
                      {"state", name(folder.state)}};
  if (folder.unread_pdfs > 0) json["unread_pdfs"] = folder.unread_pdfs;
  if (!folder.error.empty()) json["error"] = folder.error;
  return json;
}

std::int64_t number_of(const std::string& words, const char* what) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(words.data(), words.data() + words.size(), number);
  if (error != std::errc() || end != words.data() + words.size())
    throw not_found(std::string("there is no such ") + what);
  return number;
}

Route route(const char* method, const char* pattern, const char* operation, const char* summary, RouteHandler handler,
            const char* scope = "admin") {
  Route out{method, pattern, std::move(handler), {}};
  out.scope = scope;
  out.doc.operation = operation;
  out.doc.summary = summary;
  out.doc.tag = "app";
  return out;
}

// Files of this machine are for the person whose machine it is.
RouteHandler for_owner(bool team, RouteHandler handler) {
  return [team, handler = std::move(handler)](Call& call) {
    if (team && !call.identity.admin) throw forbidden("this is for admins");
    handler(call);
  };
}

void add_info(Router& router, const AppRouteOptions& options, const AppParts& parts) {
  Route info =
      route("GET", "/api/app", "appInfo", "What this server is and offers to its app", [options, parts](Call& call) {
        const std::optional<AppUser> user = options.user ? options.user(call.request()) : std::nullopt;
        const bool in = user && user->place == 0;
        const bool owner = !options.team || (in && user->role == "admin");
        nlohmann::json json{{"version", options.version},
                            {"team", options.team},
                            {"default_model", options.default_model},
                            {"offline", options.offline}};
        json["features"] = {{"history", parts.history != nullptr},
                            {"folders", parts.documents != nullptr && owner},
                            {"runs", parts.host != nullptr && owner},
                            {"plan", parts.host != nullptr && owner},
                            {"pull", parts.host != nullptr && owner && !options.offline}};
        if (in)
          json["user"] = {{"name", user->name}, {"role", user->role}, {"tier", user->tier}, {"csrf", user->csrf}};
        else if (user)
          json["waiting"] = {
              {"name", user->name}, {"place", user->place}, {"waiting", user->waiting}, {"csrf", user->csrf}};
        reply_json(call, json_text(json));
      });
  info.open = true;  // it says nothing but whether to sign in
  router.add(std::move(info));
}

void add_models(Router& router, AppHost& host, bool team) {
  router.add(route("GET", "/api/plan", "plan", "Models of the catalogue: size, whether they fit, expected speed",
                   for_owner(team, [&host](Call& call) {
                     nlohmann::json models = nlohmann::json::array();
                     for (const PlannedModel& model : host.plan()) models.push_back(plan_json(model));
                     reply_json(call, json_text({{"models", models}}));
                   })));
  router.add(
      route("GET", "/api/machine", "machine", "Memory of this machine that the server takes, and what is free",
            for_owner(team, [&host](Call& call) {
              const MachineMemory memory = host.memory();
              reply_json(call, json_text({{"process_bytes", memory.process}, {"available_bytes", memory.available}}));
            })));
  router.add(route("GET", "/api/pulls", "pulls", "Models that are being fetched, or were",
                   for_owner(team, [&host](Call& call) {
                     nlohmann::json pulls = nlohmann::json::array();
                     for (const PullState& pull : host.pulls()) pulls.push_back(pull_json(pull));
                     reply_json(call, json_text({{"pulls", pulls}}));
                   })));
  router.add(route("POST", "/api/pulls", "pull", "Fetch a model of the catalogue", for_owner(team, [&host](Call& call) {
                     const nlohmann::ordered_json body = parse_body(call.request().body);
                     RequestFields fields(body, "");
                     reply_json(call, json_text(pull_json(host.pull(fields.required_text("name")))));
                   })));
  router.add(route("DELETE", "/api/pulls/{name}", "cancelPull", "Stop fetching; what arrived is kept",
                   for_owner(team, [&host](Call& call) {
                     host.cancel_pull(call.parameters.at("name"));
                     reply_json(call, "{}");
                   })));
  router.add(route("GET", "/api/runs", "runs", "Runs of training on this machine",
                   for_owner(team, [&host](Call& call) { reply_json(call, json_text(host.runs())); })));
  router.add(route("GET", "/api/runs/{run}/{stage}", "curves", "The curves and samples of a stage",
                   for_owner(team, [&host](Call& call) {
                     reply_json(call, json_text(host.curves(call.parameters.at("run"), call.parameters.at("stage"))));
                   })));
}

// Who asks has so many bytes a second: a copy of everything that one keeps, again and again, is no use of an app.
class HistoryRoutes {
 public:
  HistoryRoutes(History& history, const RateLimitOptions& rate) : history_(history), rate_(rate) {}

  void list(const Call& call) {
    check_rate(call);
    nlohmann::json list = nlohmann::json::array();
    for (const ListedConversation& kept : history_.list(call.identity.account))
      list.push_back({{"id", kept.id}, {"updated", kept.updated}, {"title", kept.title}, {"bytes", kept.bytes}});
    send(call, json_text({{"conversations", std::move(list)}}));
  }

  void show(const Call& call) {
    check_rate(call);
    const std::optional<KeptConversation> kept = history_.find(call.identity.account, call.parameters.at("id"));
    if (!kept) throw not_found("there is no such conversation", "conversation_not_found");
    // The body is JSON already.
    send(call,
         "{\"id\":\"" + kept->id + "\",\"updated\":" + std::to_string(kept->updated) + ",\"body\":" + kept->body + "}");
  }

  void save(const Call& call) {
    check_rate(call);
    take(call, call.request().body.size());
    const nlohmann::ordered_json body = parse_body(call.request().body);
    RequestFields fields(body, "");
    const auto updated = fields.integer("updated", 0, std::int64_t{1} << 53);
    const auto replaces = fields.integer("replaces", 0, std::int64_t{1} << 53);
    const nlohmann::ordered_json& kept = fields.required("body");
    if (!kept.is_object()) fields.wrong_type("body", "an object", kept);
    const auto title = kept.find("title");
    history_.put(call.identity.account,
                 {call.parameters.at("id"), updated.value_or(0), json_text(kept),
                  title != kept.end() && title->is_string() ? title->get<std::string>() : std::string()},
                 replaces);
    reply_json(call, "{}");
  }

  void remove(const Call& call) {
    check_rate(call);
    take(call, 0);
    history_.remove(call.identity.account, call.parameters.at("id"));
    reply_json(call, "{}");
  }

 private:
  static constexpr double kRequestBytes = 4096;  // what a request costs at least

  static double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  }
  void check_rate(const Call& call) const {
    if (const std::int64_t wait = rate_.wait(call.identity.account, now()); wait > 0)
      throw too_many_requests(fmt::format("too much of the conversations was read or written; try again in {} s", wait),
                              static_cast<int>(wait));
  }
  void take(const Call& call, std::size_t bytes) {
    rate_.take(call.identity.account, kRequestBytes + static_cast<double>(bytes), now());
  }
  void send(const Call& call, std::string json) {
    take(call, json.size());
    reply_json(call, std::move(json));
  }

  History& history_;
  RateLimit rate_;
};

// They are a person's: with accounts a key of a program, whatever its scopes, neither reads nor changes them.
void add_history(Router& router, History& history, const AppRouteOptions& options) {
  const auto routes = std::make_shared<HistoryRoutes>(history, options.history_rate);
  const auto add = [&](const char* method, const char* pattern, const char* operation, const char* summary,
                       void (HistoryRoutes::*handler)(const Call&)) {
    Route added = route(
        method, pattern, operation, summary, [routes, handler](Call& call) { ((*routes).*handler)(call); }, "chat");
    added.session = options.team;
    router.add(std::move(added));
  };
  add("GET", "/api/conversations", "conversations", "The account's conversations: ids, times, titles",
      &HistoryRoutes::list);
  add("GET", "/api/conversations/{id}", "conversation", "A conversation", &HistoryRoutes::show);
  add("PUT", "/api/conversations/{id}", "saveConversation",
      "Keep a conversation; the newer of two wins, with `replaces` only over what was read", &HistoryRoutes::save);
  add("DELETE", "/api/conversations/{id}", "deleteConversation", "Forget a conversation", &HistoryRoutes::remove);
}

void add_documents(Router& router, DocumentIndex& documents, bool team) {
  router.add(
      route("GET", "/api/folders", "folders", "Folders that are indexed", for_owner(team, [&documents](Call& call) {
              nlohmann::json folders = nlohmann::json::array();
              for (const IndexedFolder& folder : documents.folders()) folders.push_back(folder_json(folder));
              reply_json(call, json_text({{"folders", folders}}));
            })));
  router.add(route("POST", "/api/folders", "addFolder", "Index a folder of this machine",
                   for_owner(team, [&documents](Call& call) {
                     const nlohmann::ordered_json body = parse_body(call.request().body);
                     RequestFields fields(body, "");
                     reply_json(call, json_text(folder_json(documents.add(fields.required_text("path")))));
                   })));
  router.add(route("DELETE", "/api/folders/{id}", "removeFolder", "Take a folder out of the index",
                   for_owner(team, [&documents](Call& call) {
                     documents.remove(number_of(call.parameters.at("id"), "folder"));
                     reply_json(call, "{}");
                   })));
  Route search =
      route("GET", "/api/search", "searchDocuments", "Passages that match a question",
            for_owner(team, [&documents](Call& call) {
              const std::string limit = call.query("limit");
              const int most =
                  limit.empty() ? 8 : static_cast<int>(std::clamp<std::int64_t>(number_of(limit, "limit"), 1, 50));
              nlohmann::json passages = nlohmann::json::array();
              int number = 0;
              for (const FoundPassage& found : documents.search(call.query("q").substr(0, 2000), most))
                passages.push_back({{"number", ++number},
                                    {"id", std::to_string(found.id)},
                                    {"file", found.file},
                                    {"folder", found.folder},
                                    {"title", found.title},
                                    {"text", found.text},
                                    {"score", found.score}});
              reply_json(call, json_text({{"passages", passages}}));
            }));
  search.doc.query = {"q", "limit"};
  router.add(std::move(search));
}

}  // namespace

void add_app_routes(Router& router, const AppRouteOptions& options, const AppParts& parts) {
  add_info(router, options, parts);
  if (parts.host != nullptr) add_models(router, *parts.host, options.team);
  if (parts.history != nullptr) add_history(router, *parts.history, options);
  if (parts.documents != nullptr) add_documents(router, *parts.documents, options.team);
}

}  // namespace limpid
