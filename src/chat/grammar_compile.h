// SchemaRules: from JSON schemas to rules of a net.
#pragma once

#include <deque>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "chat/grammar_json.h"
#include "chat/grammar_schema.h"

namespace limpid {

class SchemaRules {
 public:
  using Json = nlohmann::ordered_json;

  // The document must outlive the object; references are looked up in it.
  SchemaRules(JsonRules& json, const Json& document) : json_(json), net_(json.net()), reader_(document) {}

  // The rule of a schema and of all that it refers to. Throws Error(input) naming the place.
  NetRule compile(const Json& schema, const std::string& path);

 private:
  struct Task {
    Json schema;
    std::string path;
    NetRule rule;
  };
  NetRule rule(const Json& schema, const std::string& path);  // made later where it is not there yet
  void make(const Task& task);
  void add(const Json& alternative, const std::string& path, NetState start, NetState end);
  void add_values(const Json& alternative, const std::string& path, NetState start, NetState end);
  void add_type(const std::string& type, const Json& alternative, const std::string& path, NetState start,
                NetState end);
  NetState value(const Json& value, NetState from);
  NetState string(const Json& alternative, const std::string& path, NetState from);
  NetRule array(const Json& alternative, const std::string& path);
  NetRule object(const Json& alternative, const std::string& path);

  JsonRules& json_;
  NetBuilder& net_;
  SchemaReader reader_;
  std::map<std::string, NetRule> rules_;  // by the text of the schema
  std::deque<Task> tasks_;
};

}  // namespace limpid
