// Two schemas at once: see grammar_schema.h. Both are objects of SchemaReader's form.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "chat/grammar_schema.h"

namespace limpid {

namespace {

using Json = nlohmann::ordered_json;

Json both(const Json& a, const Json& b) {
  if (a.is_boolean()) return a.get<bool>() ? b : a;
  if (b.is_boolean()) return b.get<bool>() ? a : b;
  if (a == b || b.empty()) return a;
  if (a.empty()) return b;
  return Json{{"allOf", Json::array({a, b})}};
}

Json common_types(const Json& a, const Json& b) {
  Json out = Json::array();
  for (const Json& type : a) {
    const auto has = [&](const Json& list, const char* name) {
      return std::ranges::find(list, Json(name)) != list.end();
    };
    if (std::ranges::find(b, type) != b.end()) {
      out.push_back(type);
    } else if (type == "integer" && has(b, "number")) {
      out.push_back("integer");
    } else if (type == "number" && has(b, "integer")) {
      out.push_back("integer");
    }
  }
  return out;
}

Json common_values(const Json& a, const Json& b) {
  Json out = Json::array();
  for (const Json& value : a)
    if (std::ranges::find(b, value) != b.end()) out.push_back(value);
  return out;
}

Json together(const Json& a, const Json& b) {
  Json out = a;
  for (const Json& value : b)
    if (std::ranges::find(out, value) == out.end()) out.push_back(value);
  return out;
}

// What an object of this schema may have under a name.
Json property(const Json& schema, const std::string& name) {
  const auto properties = schema.find("properties");
  if (properties != schema.end() && properties->contains(name)) return (*properties)[name];
  return schema.value("additionalProperties", Json(true));
}

void merge_properties(const Json& a, const Json& b, Json& out) {
  Json properties = Json::object();
  for (const Json* schema : {&a, &b}) {
    const Json named = schema->value("properties", Json::object());
    for (const auto& [name, inside] : named.items())
      if (!properties.contains(name)) properties[name] = both(property(a, name), property(b, name));
  }
  if (a.contains("properties") || b.contains("properties")) out["properties"] = std::move(properties);
  if (a.contains("additionalProperties") || b.contains("additionalProperties"))
    out["additionalProperties"] =
        both(a.value("additionalProperties", Json(true)), b.value("additionalProperties", Json(true)));
}

void merge_items(const Json& a, const Json& b, Json& out) {
  const Json x = a.value("prefixItems", Json::array()), y = b.value("prefixItems", Json::array());
  const Json x_rest = a.value("items", Json(true)), y_rest = b.value("items", Json(true));
  Json prefix = Json::array();
  for (std::size_t i = 0; i < std::max(x.size(), y.size()); ++i)
    prefix.push_back(both(i < x.size() ? x[i] : x_rest, i < y.size() ? y[i] : y_rest));
  if (!prefix.empty()) out["prefixItems"] = std::move(prefix);
  if (a.contains("items") || b.contains("items")) out["items"] = both(x_rest, y_rest);
}

Json common_multiple(const Json& a, const Json& b, const std::string& path) {
  if (a == b) return a;
  if (!a.is_number_integer() || !b.is_number_integer() || a.get<double>() > 1e9 || b.get<double>() > 1e9)
    fail(ErrorKind::input, "{}/multipleOf: {} and {} at once is not supported", path, a.dump(), b.dump());
  return std::lcm(a.get<std::int64_t>(), b.get<std::int64_t>());
}

}  // namespace

Json merged_schemas(const Json& a, const Json& b, const std::string& path) {
  if (b.empty()) return a;
  if (a.empty()) return b;
  Json out = Json::object();
  // The order of the first, then what only the second has.
  for (const Json* schema : {&a, &b}) {
    for (const auto& [key, value] : schema->items()) {
      if (out.contains(key) || key == "properties" || key == "additionalProperties" || key == "items" ||
          key == "prefixItems")
        continue;
      if (!a.contains(key) || !b.contains(key)) {
        out[key] = value;
        continue;
      }
      const Json &x = a[key], &y = b[key];
      if (key == "type") {
        out[key] = common_types(x, y);
      } else if (key == "enum") {
        out[key] = common_values(x, y);
      } else if (key == "multipleOf") {
        out[key] = common_multiple(x, y, path);
      } else if (key.starts_with("min") || key == "exclusiveMinimum") {
        out[key] = x < y ? y : x;
      } else if (key.starts_with("max") || key == "exclusiveMaximum") {
        out[key] = x < y ? x : y;
      } else {
        out[key] = together(x, y);  // required, pattern, format
      }
      if ((key == "type" || key == "enum") && out[key].empty()) return false;
    }
  }
  merge_properties(a, b, out);
  merge_items(a, b, out);
  return out;
}

bool disjoint_schemas(const Json& a, const Json& b) {
  if (a.contains("enum") && b.contains("enum") && common_values(a["enum"], b["enum"]).empty()) return true;
  if (a.contains("type") && b.contains("type")) {
    const Json common = common_types(a["type"], b["type"]);
    if (common.empty()) return true;
    if (common != Json::array({"object"})) return false;
  } else {
    return false;
  }
  // Both objects: a property that one requires and whose values differ.
  for (const Json* schema : {&a, &b}) {
    for (const Json& name : schema->value("required", Json::array())) {
      const auto& key = name.get_ref<const std::string&>();
      const Json x = property(a, key), y = property(b, key);
      if (x == Json(false) || y == Json(false)) return true;
      const auto values = [](const Json& s) {
        if (s.is_object() && s.contains("const")) return Json::array({s["const"]});
        return s.is_object() ? s.value("enum", Json()) : Json();
      };
      const Json p = values(x), q = values(y);
      if (p.is_array() && q.is_array() && common_values(p, q).empty()) return true;
      if (x.is_object() && y.is_object() && x.contains("type") && y.contains("type") && x["type"].is_string() &&
          y["type"].is_string() && common_types(Json::array({x["type"]}), Json::array({y["type"]})).empty())
        return true;
    }
  }
  return false;
}

}  // namespace limpid
