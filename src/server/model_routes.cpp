#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "server/json_text.h"
#include "server/model_name.h"
#include "server/routes.h"

namespace limpid {

namespace {

using Json = nlohmann::ordered_json;

Json model_json(const ServedModelInfo& info) {
  Json json{{"id", info.id}, {"object", "model"}, {"created", info.created}};
  json["owned_by"] = info.owner.empty() ? "local" : info.owner;
  Json& own = json["limpid"];
  own["description"] = info.description;
  own["architecture"] = info.architecture;
  own["parameters"] = info.parameters;
  own["active_parameters"] = info.active_parameters;
  own["bytes"] = info.bytes;
  own["context"] = info.context;
  own["thinks"] = info.thinks;
  own["loaded"] = info.loaded;
  return json;
}

// The models there are, then DeepSeek's names, which all mean the first.
std::vector<Json> all_models(const ServedModels& models) {
  const std::vector<ServedModelInfo> list = models.list();
  std::vector<Json> out;
  for (const ServedModelInfo& info : list) out.push_back(model_json(info));
  if (list.empty()) return out;
  for (const std::string& name : deepseek_names()) {
    if (std::ranges::any_of(list, [&](const ServedModelInfo& info) { return info.id == name; })) continue;
    Json json{{"id", name}, {"object", "model"}, {"created", list[0].created}, {"owned_by", "deepseek"}};
    json["limpid"]["stands_for"] = list[0].id;
    out.push_back(std::move(json));
  }
  return out;
}

void list_models(const Answering& answering, Call& call) {
  Json json{{"object", "list"}};
  json["data"] = all_models(answering.models);
  reply_json(call, json_text(json));
}

void show_model(const Answering& answering, Call& call) {
  const std::string& id = call.parameters.at("id");
  for (const Json& json : all_models(answering.models))
    if (json["id"] == id) return reply_json(call, json_text(json));
  throw not_found("there is no model of this name; /v1/models lists them", "model_not_found");
}

}  // namespace

void add_model_routes(Router& router, Answering& answering) {
  Route list{"GET", "/v1/models", [&answering](Call& call) { list_models(answering, call); }, {}};
  list.doc = {"listModels", "The models there are", "models", "", "ModelList"};
  list.scope = "models";
  router.add(std::move(list), without_version("/v1/models"));
  // Names of models may hold slashes.
  Route show{"GET", "/v1/models/{id...}", [&answering](Call& call) { show_model(answering, call); }, {}};
  show.doc = {"showModel", "One model", "models", "", "Model"};
  show.scope = "models";
  router.add(std::move(show), without_version("/v1/models/{id...}"));
}

void add_free_balance_route(Router& router) {
  Route balance{"GET", "/user/balance"};
  balance.scope = "usage";
  balance.handler = [](Call& call) {
    reply_json(call, R"({"is_available":true,"balance_infos":[{"currency":"USD","total_balance":"0.00",)"
                     R"("granted_balance":"0.00","topped_up_balance":"0.00"}]})");
  };
  balance.doc = {"showBalance", "What is left to spend", "account", "", "Balance"};
  router.add(std::move(balance), {"/v1/user/balance", "/beta/user/balance"});
}

}  // namespace limpid
