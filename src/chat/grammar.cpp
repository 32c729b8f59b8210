#include "chat/grammar.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "chat/grammar_compile.h"
#include "chat/grammar_json.h"
#include "chat/grammar_net.h"

namespace limpid {

Grammar::Grammar(GrammarNet net, GrammarWrites writes)
    : net_(std::make_unique<const GrammarNet>(std::move(net))), writes_(writes) {}
Grammar::~Grammar() = default;

std::shared_ptr<const Grammar> json_object_grammar() {
  NetBuilder net;
  JsonRules json(net);
  const NetRule root = json.object();
  return std::make_shared<const Grammar>(net.finish(root), GrammarWrites::value);
}

std::shared_ptr<const Grammar> json_schema_grammar(const nlohmann::ordered_json& schema) {
  try {
    NetBuilder net;
    JsonRules json(net);
    SchemaRules rules(json, schema);
    const NetRule root = rules.compile(schema, "#");
    return std::make_shared<const Grammar>(net.finish(root), GrammarWrites::value);
  } catch (const nlohmann::json::exception& error) {  // text that is no UTF-8
    fail(ErrorKind::input, "#: the schema is no JSON: {}", error.what());
  }
}

}  // namespace limpid
