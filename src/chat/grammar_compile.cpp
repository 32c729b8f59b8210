#include "chat/grammar_compile.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "base/error.h"
#include "chat/grammar_dfa.h"
#include "chat/grammar_formats.h"
#include "chat/grammar_numbers.h"
#include "chat/grammar_schema.h"
#include "chat/grammar_strings.h"

namespace limpid {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMostRules = 20'000;

std::int64_t size(const Json& alternative, const char* key, std::int64_t otherwise) {
  return alternative.contains(key) ? alternative[key].get<std::int64_t>() : otherwise;
}

}  // namespace

NetRule SchemaRules::compile(const Json& schema, const std::string& path) {
  const NetRule root = rule(schema, path);
  while (!tasks_.empty()) {
    const Task task = std::move(tasks_.front());
    tasks_.pop_front();
    make(task);
  }
  return root;
}

NetRule SchemaRules::rule(const Json& schema, const std::string& path) {
  if (schema == Json(true) || (schema.is_object() && schema.empty())) return json_.value();
  // Equal schemas are one rule: so references that lead back to themselves end.
  const auto [at, added] = rules_.try_emplace(schema.dump(), -1);
  if (!added) return at->second;
  if (rules_.size() > kMostRules)
    fail(ErrorKind::input, "{}: the schema is too large: more than {} different schemas in it", path, kMostRules);
  at->second = net_.declare(path);
  tasks_.push_back({schema, path, at->second});
  return at->second;
}

void SchemaRules::make(const Task& task) {
  const NetState start = net_.state(), end = net_.state();
  net_.define(task.rule, start);
  net_.final(end);
  for (const Json& alternative : reader_.alternatives(task.schema, task.path)) add(alternative, task.path, start, end);
}

void SchemaRules::add(const Json& alternative, const std::string& path, NetState start, NetState end) {
  if (alternative.empty()) return net_.call(start, json_.value(), end);
  if (alternative.contains("enum")) return add_values(alternative, path, start, end);
  const std::vector<std::string> types = SchemaReader::types(alternative);
  const bool number = std::ranges::find(types, "number") != types.end();
  for (const std::string& type : types)
    if (type != "integer" || !number) add_type(type, alternative, path, start, end);
}

void SchemaRules::add_values(const Json& alternative, const std::string& path, NetState start, NetState end) {
  std::vector<std::string> strings;
  for (const Json& one : alternative["enum"]) {
    if (!reader_.fits(one, alternative, path)) continue;
    if (one.is_string()) {
      strings.push_back(one.get<std::string>());
    } else {
      net_.skip(value(one, start), end);
    }
  }
  if (!strings.empty()) net_.skip(literal_strings(net_, start, strings), end);
}

// Exactly this value, with white space of any kind.
NetState SchemaRules::value(const Json& one, NetState from) {
  if (one.is_string()) return literal_strings(net_, from, std::vector{one.get<std::string>()});
  if (!one.is_structured()) return net_.text(from, one.dump());
  from = net_.text(from, one.is_object() ? "{" : "[");
  bool first = true;
  for (const auto& [key, inside] : one.items()) {
    if (!std::exchange(first, false)) from = net_.text(from, ",");
    from = net_.call(from, json_.space());
    if (one.is_object()) from = net_.call(net_.text(literal_strings(net_, from, std::vector{key}), ":"), json_.space());
    from = value(inside, from);
  }
  if (!one.empty()) from = net_.call(from, json_.space());
  return net_.text(from, one.is_object() ? "}" : "]");
}

void SchemaRules::add_type(const std::string& type, const Json& alternative, const std::string& path, NetState start,
                           NetState end) {
  if (type == "null") {
    net_.skip(net_.text(start, "null"), end);
  } else if (type == "boolean") {
    net_.call(start, json_.boolean(), end);
  } else if (type == "integer" || type == "number") {
    net_.skip(pattern_text(net_, start, numbers_of(alternative, type == "integer", path)), end);
  } else if (type == "string") {
    net_.skip(string(alternative, path, start), end);
  } else if (type == "array") {
    net_.call(start, array(alternative, path), end);
  } else {
    net_.call(start, object(alternative, path), end);
  }
}

NetState SchemaRules::string(const Json& alternative, const std::string& path, NetState from) {
  const std::int64_t least = size(alternative, "minLength", 0), most = size(alternative, "maxLength", -1);
  if (most >= 0 && most < least) return net_.state();
  std::optional<Dfa> dfa;
  const auto also = [&](const Dfa& other, const std::string& where) {
    dfa = dfa ? intersect(*dfa, other, where) : other;
  };
  for (const Json& pattern : alternative.value("pattern", Json::array()))
    also(strings_matching(pattern.get_ref<const std::string&>(), path_below(path, "pattern")),
         path_below(path, "pattern"));
  for (const Json& format : alternative.value("format", Json::array())) {
    const std::string where = path_below(path, "format");
    if (const std::optional<Dfa> known = strings_of_format(format.get_ref<const std::string&>(), where))
      also(*known, where);
  }
  if (!dfa) return net_.call(from, json_.string(least, most));
  if (least > 0 || most >= 0) also(strings_of_length(least, most, path), path);
  return pattern_string(net_, from, *dfa, path);
}

NetRule SchemaRules::array(const Json& alternative, const std::string& path) {
  const std::int64_t least = size(alternative, "minItems", 0), most = size(alternative, "maxItems", -1);
  std::vector<NetRule> prefix;
  for (const Json& schema : alternative.value("prefixItems", Json::array()))
    prefix.push_back(rule(schema, fmt::format("{}/prefixItems/{}", path, prefix.size())));
  // Behind a prefix nothing follows unless something says what.
  const bool more = alternative.contains("items") || prefix.empty() || least > static_cast<std::int64_t>(prefix.size());
  std::optional<NetRule> items;
  if (more) items = rule(alternative.value("items", Json(true)), path_below(path, "items"));
  return json_.array_of(prefix, items, least, most, path);
}

NetRule SchemaRules::object(const Json& alternative, const std::string& path) {
  const Json properties = alternative.value("properties", Json::object());
  std::vector<std::string> required = alternative.value("required", Json::array()).get<std::vector<std::string>>();
  std::ranges::sort(required);
  // Other names only where the schema says so, or says nothing at all about names.
  const Json others =
      alternative.value("additionalProperties", Json(properties.empty() && required.empty() ? true : false));
  std::vector<JsonRules::Property> list;
  std::vector<std::string> named;
  for (const auto& [name, schema] : properties.items()) {
    list.push_back(
        {name, rule(schema, fmt::format("{}/properties/{}", path, name)), std::ranges::binary_search(required, name)});
    named.push_back(name);
  }
  std::ranges::sort(named);
  required.erase(std::unique(required.begin(), required.end()), required.end());
  for (const std::string& name : required)
    if (!std::ranges::binary_search(named, name))
      list.push_back(
          {name, rule(alternative.value("additionalProperties", Json(true)), path_below(path, "required")), true});
  const auto needed = static_cast<std::int64_t>(required.size());
  const bool open = others != Json(false);
  if (size(alternative, "minProperties", 0) > needed)
    fail(ErrorKind::input, "{}/minProperties: more than are required is not supported", path);
  const std::int64_t most = size(alternative, "maxProperties", -1);
  if (most >= 0 && (open || most < static_cast<std::int64_t>(list.size())))
    fail(ErrorKind::input, "{}/maxProperties: fewer than are named, or beside additionalProperties, is not supported",
         path);
  return json_.object_of(
      list, open ? std::optional(rule(others, path_below(path, "additionalProperties"))) : std::nullopt, path);
}

}  // namespace limpid
