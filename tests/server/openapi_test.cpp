// The OpenAPI document against the code: every route is described, every schema is there, and the fields of a request's
// schema are those that its parser looks for.
#include "server/openapi.h"

#include <set>

#include "server/anthropic_request.h"
#include "server/completion_request.h"
#include "server/team_routes.h"
#include "service_fixture.h"
#include "team_world.h"

namespace limpid {
namespace {

using OpenApi = ServiceFixture;

// Paths of the properties of an object schema, those inside objects too: "thinking.type".
void properties(const Json& schema, const std::string& before, std::set<std::string>& out) {
  if (!schema.contains("properties")) return;
  for (const auto& [name, inner] : schema["properties"].items()) {
    out.insert(before + name);
    properties(inner, before + name + ".", out);
  }
}

std::set<std::string> schema_fields(const std::string& name) {
  std::set<std::string> out;
  properties(api_schemas().at(name), "", out);
  return out;
}

void references(const Json& json, std::set<std::string>& out) {
  if (json.is_object() && json.contains("$ref")) out.insert(json["$ref"].get<std::string>());
  if (json.is_structured())
    for (const auto& inner : json) references(inner, out);
}

// A body with every object that has fields of its own, so that the parser looks into it.
const char* const kFullChat = R"({"messages": [{"role": "user", "content": "Hi"}], "stream": true, "logprobs": true,
  "stream_options": {}, "thinking": {}, "chat_template_kwargs": {}, "limpid": {},
  "response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "string"}}}})";

TEST_F(OpenApi, ChatFieldsAreThoseThatAreRead) {
  std::set<std::string> read;
  parse_openai_chat(kFullChat, {}, &read);
  std::set<std::string> described = schema_fields("ChatRequest");
  // Part of the form, of no consequence for the answer.
  for (const char* name : {"response_format.json_schema.name", "response_format.json_schema.description",
                           "response_format.json_schema.strict"})
    EXPECT_EQ(described.erase(name), 1U) << name;
  EXPECT_EQ(read, described);
}

TEST_F(OpenApi, CompletionFieldsAreThoseThatAreRead) {
  std::set<std::string> read;
  parse_completion(R"({"prompt": "x", "stream_options": {}})", {}, &read);
  EXPECT_EQ(read, schema_fields("CompletionRequest"));
}

TEST_F(OpenApi, AnthropicFieldsAreThoseThatAreRead) {
  const std::string body = R"({"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}],
    "thinking": {"type": "enabled", "budget_tokens": 5}, "metadata": {}, )";
  std::set<std::string> read;
  parse_anthropic(body + R"("output_config": {"format": {"type": "json_schema", "schema": true}}})", false, {}, &read);
  const std::string tools =
      R"("tools": [{"name": "f", "input_schema": {}}], "tool_choice": {"type": "tool", "name": "f"}})";
  parse_anthropic(body + tools, false, {}, &read);
  EXPECT_EQ(read, schema_fields("AnthropicRequest"));
  std::set<std::string> counted;
  parse_anthropic(body + R"("output_config": {"format": {"type": "json_schema", "schema": true}}})", true, {},
                  &counted);
  parse_anthropic(body + tools, true, {}, &counted);
  EXPECT_EQ(counted, schema_fields("AnthropicCountRequest"));
}

TEST_F(OpenApi, EveryRouteIsDescribedOnce) {
  const Json document = Json::parse(call("GET", "/openapi.json")->body());
  EXPECT_EQ(document["openapi"], "3.1.0");
  std::set<std::string> operations;
  int routes = 0;
  for (std::size_t i = 0; i < service_->routes().routes().size(); ++i) {
    if (service_->routes().is_alias(i)) continue;
    const Route& route = service_->routes().routes()[i];
    if (route.doc.operation.empty()) {  // a file of the app
      EXPECT_TRUE(route.open && route.method == "GET") << route.pattern;
      continue;
    }
    ++routes;
    EXPECT_FALSE(route.doc.operation.empty() || route.doc.summary.empty() || route.doc.tag.empty()) << route.pattern;
    EXPECT_TRUE(operations.insert(route.doc.operation).second) << route.doc.operation;
  }
  int described = 0;
  for (const auto& path : document["paths"]) described += static_cast<int>(path.size());
  EXPECT_EQ(described, routes);
  EXPECT_TRUE(document["paths"].contains("/v1/chat/completions/{id}/control"));
  EXPECT_TRUE(document["paths"].contains("/v1/models/{id}"));
}

TEST_F(OpenApi, EveryReferenceLeadsToASchemaAndEverySchemaIsUsed) {
  TeamWorld world;
  const std::shared_ptr<Team> team = std::move(world.team);
  Router routes;
  register_team_routes(routes, team);
  std::set<std::string> used;
  for (const std::string& text : {call("GET", "/openapi.json")->body(), openapi_document(routes, "test")}) {
    const Json document = Json::parse(text);
    std::set<std::string> referred, there;
    references(document, referred);
    for (const auto& [name, schema] : document["components"]["schemas"].items())
      there.insert("#/components/schemas/" + name);
    EXPECT_EQ(referred, there) << "what is referred to, and nothing else";
    used.merge(there);
  }
  for (const auto& [name, schema] : api_schemas().items())
    EXPECT_TRUE(used.contains("#/components/schemas/" + name)) << name;
}

TEST_F(OpenApi, EveryMetricHasAHelpText) {
  const Json body = asks("Hi");
  say(body, "x</think>y");
  answer("/v1/chat/completions", body);
  wait_until_over();
  const std::string text = call("GET", "/metrics")->body();
  std::size_t metrics = 0;
  for (std::size_t at = text.find("# HELP "); at != std::string::npos; at = text.find("# HELP ", at + 1)) {
    const std::string line = text.substr(at + 7, text.find('\n', at) - at - 7);
    EXPECT_GT(line.size(), line.find(' ') + 5) << line;
    ++metrics;
  }
  EXPECT_GT(metrics, 10U);
  const std::string model = "{model=\"script\"}";
  EXPECT_NE(text.find("limpid_prompt_tokens_total" + model + " " + std::to_string(model_.prompt)), std::string::npos);
  EXPECT_NE(text.find("limpid_completion_tokens_total" + model + " " + std::to_string(model_.script.size())),
            std::string::npos);
  EXPECT_NE(text.find("limpid_time_to_first_token_seconds_count" + model + " 1"), std::string::npos);
  EXPECT_NE(text.find(R"(limpid_requests_total{route="/v1/chat/completions",method="POST",status="200"} 1)"),
            std::string::npos)
      << text;
}

}  // namespace
}  // namespace limpid
