#include "server/openapi.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "server/authenticate.h"

namespace limpid {

extern const char kSchemasJson[];  // schemas_data.cpp, from schemas.json

namespace {

using Json = nlohmann::ordered_json;

Json reference(const std::string& schema) { return {{"$ref", "#/components/schemas/" + schema}}; }

// "{id...}" is "{id}" there.
std::string document_path(std::string pattern) {
  if (const std::size_t dots = pattern.find("...}"); dots != std::string::npos) pattern.erase(dots, 3);
  return pattern;
}

Json parameters(const Route& route) {
  Json out = Json::array();
  const std::string path = document_path(route.pattern);
  for (std::size_t at = path.find('{'); at != std::string::npos; at = path.find('{', at + 1))
    out.push_back({{"name", path.substr(at + 1, path.find('}', at) - at - 1)},
                   {"in", "path"},
                   {"required", true},
                   {"schema", {{"type", "string"}}}});
  for (const std::string& name : route.doc.query)
    out.push_back({{"name", name}, {"in", "query"}, {"required", false}, {"schema", {{"type", "string"}}}});
  return out;
}

// What is shown: one of these schemes is enough; "": nothing.
Json one_of(const std::vector<std::string>& schemes) {
  Json list = Json::array();
  for (const std::string& scheme : schemes) {
    Json shown = Json::object();
    if (!scheme.empty()) shown[scheme] = Json::array();
    list.push_back(std::move(shown));
  }
  return list;
}

Json responses(const Route& route) {
  Json ok{{"description", "The answer"}};
  if (!route.doc.other_media.empty()) ok["content"][route.doc.other_media]["schema"] = {{"type", "string"}};
  if (!route.doc.response.empty()) ok["content"][route.doc.media]["schema"] = reference(route.doc.response);
  if (route.doc.streams) {
    const bool only = route.doc.media == "text/event-stream";
    const std::string chunk = only ? route.doc.response : route.doc.response + "Chunk";
    Json data{{"type", "string"}};
    if (api_schemas().contains(chunk)) {
      data["contentMediaType"] = "application/json";
      data["contentSchema"] = reference(chunk);
    }
    ok["content"]["text/event-stream"]["schema"] = {
        {"type", "object"}, {"properties", {{"event", {{"type", "string"}}}, {"data", std::move(data)}}}};
  }
  Json error{{"description", "Refused or failed: the status and the body say why"}};
  error["content"]["application/json"]["schema"] =
      reference(route.error_body == openai_error_body ? "Error" : "AnthropicError");
  return {{std::to_string(route.doc.status), std::move(ok)}, {"default", std::move(error)}};
}

Json operation(const Route& route) {
  Json out{{"operationId", route.doc.operation}, {"summary", route.doc.summary}, {"tags", {route.doc.tag}}};
  if (Json list = parameters(route); !list.empty()) out["parameters"] = std::move(list);
  if (!route.doc.request.empty()) {
    out["requestBody"]["required"] = true;
    out["requestBody"]["content"]["application/json"]["schema"] = reference(route.doc.request);
  }
  out["responses"] = responses(route);
  if (route.open && !route.asks) out["security"] = Json::array();
  if (route.session) out["security"] = one_of({"session"});
  return out;
}

// Names of the schemas that are referred to, with those that they refer to.
void collect(const Json& json, std::set<std::string>& names) {
  if (json.is_object() && json.contains("$ref")) {
    const std::string name = json["$ref"].get<std::string>().substr(std::string_view("#/components/schemas/").size());
    if (names.insert(name).second) collect(api_schemas().at(name), names);
  }
  if (json.is_structured())
    for (const Json& inner : json) collect(inner, names);
}

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(c | 0x20);
  return text;
}

}  // namespace

const Json& api_schemas() {
  static const Json schemas = Json::parse(kSchemasJson);
  return schemas;
}

std::string openapi_document(const Router& router, const std::string& version) {
  Json document{{"openapi", "3.1.0"}};
  document["info"] = {{"title", "limpid"},
                      {"version", version},
                      {"description",
                       "OpenAI's and DeepSeek's API on your own machine. Errors: 400 a body of a wrong "
                       "form, 401 no or a wrong key, 402 no balance, 422 a wrong parameter, 429 too "
                       "many requests, 500 the server failed, 503 overloaded."},
                      {"license", {{"name", "MIT"}, {"identifier", "MIT"}}}};
  document["servers"] = Json::array({{{"url", "/"}}});
  // Without a team there may be no key to show, and there are no sessions.
  const bool team = std::ranges::any_of(router.routes(), &Route::asks);
  document["security"] = one_of({"key", team ? "session" : ""});
  document["paths"] = Json::object();
  for (std::size_t i = 0; i < router.routes().size(); ++i) {
    const Route& route = router.routes()[i];
    if (router.is_alias(i) || route.doc.operation.empty()) continue;
    document["paths"][document_path(route.pattern)][lower(route.method)] = operation(route);
  }
  document["components"]["securitySchemes"]["key"] = {{"type", "http"}, {"scheme", "bearer"}};
  if (team)
    document["components"]["securitySchemes"]["session"] = {
        {"type", "apiKey"}, {"in", "cookie"}, {"name", kSessionCookie}};
  std::set<std::string> used;
  collect(document["paths"], used);
  document["components"]["schemas"] = Json::object();
  for (const auto& [name, schema] : api_schemas().items())
    if (used.contains(name)) document["components"]["schemas"][name] = schema;
  return document.dump(1);
}

}  // namespace limpid
