#include "server/openapi.h"

#include <nlohmann/json.hpp>

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

Json responses(const Route& route) {
  Json ok{{"description", "The answer"}};
  if (!route.doc.response.empty()) ok["content"][route.doc.media]["schema"] = reference(route.doc.response);
  if (route.doc.streams)
    ok["content"]["text/event-stream"]["schema"] = {
        {"type", "object"}, {"properties", {{"event", {{"type", "string"}}}, {"data", {{"type", "string"}}}}}};
  Json error{{"description", "Refused or failed: the status and the body say why"}};
  error["content"]["application/json"]["schema"] =
      reference(route.error_body == openai_error_body ? "Error" : "AnthropicError");
  return {{"200", std::move(ok)}, {"default", std::move(error)}};
}

Json operation(const Route& route) {
  Json out{{"operationId", route.doc.operation}, {"summary", route.doc.summary}, {"tags", {route.doc.tag}}};
  if (Json list = parameters(route); !list.empty()) out["parameters"] = std::move(list);
  if (!route.doc.request.empty()) {
    out["requestBody"]["required"] = true;
    out["requestBody"]["content"]["application/json"]["schema"] = reference(route.doc.request);
  }
  out["responses"] = responses(route);
  if (route.open) out["security"] = Json::array();
  return out;
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
  document["security"] = Json::array({{{"key", Json::array()}}, Json::object()});
  document["paths"] = Json::object();
  for (std::size_t i = 0; i < router.routes().size(); ++i) {
    const Route& route = router.routes()[i];
    if (router.is_alias(i) || route.doc.operation.empty()) continue;
    document["paths"][document_path(route.pattern)][lower(route.method)] = operation(route);
  }
  document["components"]["securitySchemes"]["key"] = {{"type", "http"}, {"scheme", "bearer"}};
  document["components"]["schemas"] = api_schemas();
  return document.dump(1);
}

}  // namespace limpid
