#include "chat/grammar_schema.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "chat/grammar_dfa.h"
#include "chat/grammar_formats.h"
#include "text/unicode.h"

namespace limpid {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMostSchemaBytes = 1 << 20;
constexpr int kDeepestSchema = 64;
constexpr std::size_t kMostAlternatives = 256;
constexpr std::size_t kMostMembers = 5000;          // of one object or list of the schema
constexpr std::size_t kMostReferences = 64;         // that lead to each other without an object or array in between
constexpr std::size_t kMostSchemaWork = 2'000'000;  // members looked at, for one grammar

constexpr std::array<std::string_view, 7> kTypes{"null", "boolean", "integer", "number", "string", "array", "object"};
constexpr std::array<std::string_view, 4> kCombining{"$ref", "allOf", "anyOf", "oneOf"};
constexpr std::array<std::string_view, 19> kRefused{"not",
                                                    "if",
                                                    "then",
                                                    "else",
                                                    "dependentRequired",
                                                    "dependentSchemas",
                                                    "dependencies",
                                                    "contains",
                                                    "minContains",
                                                    "maxContains",
                                                    "patternProperties",
                                                    "propertyNames",
                                                    "unevaluatedItems",
                                                    "unevaluatedProperties",
                                                    "$dynamicRef",
                                                    "$recursiveRef",
                                                    "contentSchema",
                                                    "extends",
                                                    "disallow"};
constexpr std::array<std::string_view, 3> kSizes{"minItems", "minLength", "minProperties"};

[[noreturn]] void wrong(const std::string& path, std::string_view expected, const Json& found) {
  fail(ErrorKind::input, "{}: expected {}, found {}", path, expected, found.type_name());
}

bool is_schema(const Json& value) { return value.is_object() || value.is_boolean(); }

void check_schema(const Json& value, const std::string& path) {
  if (!is_schema(value)) wrong(path, "a schema (an object or a boolean)", value);
}

bool is_type(std::string_view type, const Json& value) {
  if (type == "integer") {
    return value.is_number_integer() ||
           (value.is_number_float() && std::floor(value.get<double>()) == value.get<double>());
  }
  if (type == "number") return value.is_number();
  if (type == "null") return value.is_null();
  if (type == "boolean") return value.is_boolean();
  if (type == "string") return value.is_string();
  if (type == "array") return value.is_array();
  return value.is_object();
}

void measure(const Json& value, int depth, std::size_t& bytes) {
  if (depth > kDeepestSchema) fail(ErrorKind::input, "#: the schema is nested deeper than {}", kDeepestSchema);
  bytes += 8;
  if (value.is_string()) bytes += value.get_ref<const std::string&>().size();
  if (value.is_object())
    for (const auto& [key, inside] : value.items()) bytes += key.size();
  if (bytes > kMostSchemaBytes) fail(ErrorKind::input, "#: the schema has more than {} bytes", kMostSchemaBytes);
  if (value.is_structured() && value.size() > kMostMembers)
    fail(ErrorKind::input, "#: an object or list of the schema has more than {} members", kMostMembers);
  if (value.is_structured())
    for (const Json& inside : value) measure(inside, depth + 1, bytes);
}

std::int64_t size_of(const Json& value, const std::string& path) {
  const bool whole =
      value.is_number_integer() || (value.is_number_float() && std::floor(value.get<double>()) == value.get<double>());
  if (!whole || value.get<double>() < 0 || value.get<double>() > 9e15)
    fail(ErrorKind::input, "{}: expected a whole number that is not negative, found {}", path, value.dump());
  return static_cast<std::int64_t>(value.get<double>());
}

Json type_list(const Json& type, const std::string& path) {
  const Json list = type.is_array() ? type : Json::array({type});
  for (const Json& name : list)
    if (!name.is_string() || std::ranges::find(kTypes, name.get_ref<const std::string&>()) == kTypes.end())
      fail(ErrorKind::input, "{}: {} is none of null, boolean, integer, number, string, array, object", path,
           name.dump());
  return list;
}

// The form in which merged_schemas() takes one keyword; null where it says nothing.
Json cleaned_keyword(const std::string& key, const Json& value, const std::string& path) {
  if (key == "type") return type_list(value, path);
  if (key == "const") return Json::array({value});
  if (key == "enum") {
    if (!value.is_array() || value.empty()) wrong(path, "a list of values", value);
    return value;
  }
  if (key == "pattern" || key == "format") {
    if (!value.is_string()) wrong(path, "a string", value);
    return Json::array({value});
  }
  if (key.starts_with("min") && std::ranges::find(kSizes, key) != kSizes.end()) return size_of(value, path);
  if (key == "maxItems" || key == "maxLength" || key == "maxProperties") return size_of(value, path);
  if (key == "minimum" || key == "maximum" || key == "exclusiveMinimum" || key == "exclusiveMaximum" ||
      key == "multipleOf") {
    if (!value.is_number()) wrong(path, "a number", value);
    if (!std::isfinite(value.get<double>())) fail(ErrorKind::input, "{}: the number is out of range", path);
    if (key == "multipleOf" && value.get<double>() <= 0)
      fail(ErrorKind::input, "{}: expected a positive number, found {}", path, value.dump());
    return value;
  }
  if (key == "required") {
    if (!value.is_array()) wrong(path, "a list of names", value);
    for (const Json& name : value)
      if (!name.is_string()) wrong(path, "a list of names", name);
    return value;
  }
  if (key == "properties") {
    if (!value.is_object()) wrong(path, "an object of schemas", value);
    for (const auto& [name, inside] : value.items()) check_schema(inside, path_below(path, name));
    return value;
  }
  if (key == "items" && value.is_array()) return nullptr;  // prefixItems of older drafts: see cleaned()
  if (key == "items" || key == "additionalProperties") {
    check_schema(value, path);
    return value;
  }
  if (key == "prefixItems") {
    if (!value.is_array()) wrong(path, "a list of schemas", value);
    for (std::size_t i = 0; i < value.size(); ++i) check_schema(value[i], path_below(path, std::to_string(i)));
    return value;
  }
  if (key == "uniqueItems" && value.is_boolean() && !value.get<bool>()) return nullptr;
  if (std::ranges::find(kRefused, key) != kRefused.end() || key == "uniqueItems")
    fail(ErrorKind::input, "{}: this keyword is not supported", path);
  return nullptr;  // it describes, or is no keyword of JSON schema
}

}  // namespace

SchemaReader::SchemaReader(const Json& document) : document_(document) {
  std::size_t bytes = 0;
  check_schema(document, "#");
  measure(document, 0, bytes);
}

void SchemaReader::work(const std::string& path, std::size_t members) {
  work_ += 1 + members;
  if (work_ > kMostSchemaWork)
    fail(ErrorKind::input, "{}: the schema is too large once its references and combinations are written out", path);
}

const Json& SchemaReader::target(const std::string& reference, const std::string& path) const {
  if (reference == "#") return document_;
  if (!reference.starts_with("#/"))
    fail(ErrorKind::input, "{}: \"{}\" is not in this schema; only references that begin with # are followed", path,
         reference);
  try {
    const Json& found = document_.at(Json::json_pointer(reference.substr(1)));
    if (is_schema(found)) return found;
  } catch (const Json::exception&) {
  }
  fail(ErrorKind::input, "{}: \"{}\" is no schema in this document", path, reference);
}

Json SchemaReader::cleaned(const Json& schema, const std::string& path) const {
  Json out = Json::object();
  for (const auto& [key, value] : schema.items()) {
    if (std::ranges::find(kCombining, key) != kCombining.end()) continue;
    if (key == "const" && schema.contains("enum")) continue;
    Json clean = cleaned_keyword(key, value, path_below(path, key));
    if (clean.is_null()) continue;
    out[key == "const" ? "enum" : key] = std::move(clean);
  }
  if (schema.contains("items") && schema["items"].is_array()) {
    out["prefixItems"] = cleaned_keyword("prefixItems", schema["items"], path_below(path, "items"));
    if (schema.contains("additionalItems")) {
      check_schema(schema["additionalItems"], path_below(path, "additionalItems"));
      out["items"] = schema["additionalItems"];
    }
  }
  if (schema.contains("const") && schema.contains("enum"))
    return merged_schemas(out, Json{{"enum", Json::array({schema["const"]})}}, path);
  return out;
}

std::vector<Json> SchemaReader::alternatives(const Json& schema, const std::string& path) {
  std::vector<std::string> references;
  return resolved(schema, path, references);
}

std::vector<Json> SchemaReader::branches(const Json& list, bool exclusive, const std::string& path,
                                         std::vector<std::string>& references) {
  if (!list.is_array() || list.empty()) wrong(path, "a list of schemas", list);
  std::vector<Json> out;
  std::size_t before = 0;  // of `out`: from the branches before this one
  for (std::size_t i = 0; i < list.size(); ++i) {
    for (Json& one : resolved(list[i], path_below(path, std::to_string(i)), references)) {
      for (std::size_t j = 0; exclusive && j < before; ++j) {
        work(path);
        if (!disjoint_schemas(out[j], one))
          fail(ErrorKind::input,
               "{}: branch {} may hold for a value for which another does, and exactly one must; use anyOf, or tell "
               "the branches apart by type or by a required property with const",
               path, i);
      }
      out.push_back(std::move(one));
    }
    before = out.size();
    if (out.size() > kMostAlternatives)
      fail(ErrorKind::input, "{}: more than {} alternatives", path, kMostAlternatives);
  }
  return out;
}

std::vector<Json> SchemaReader::resolved(const Json& schema, const std::string& path,
                                         std::vector<std::string>& references) {
  work(path, schema.size());
  check_schema(schema, path);
  if (schema.is_boolean()) return schema.get<bool>() ? std::vector<Json>{Json::object()} : std::vector<Json>{};
  std::vector<Json> out{cleaned(schema, path)};
  if (out[0].is_boolean()) return {};
  const auto combine = [&](const std::vector<Json>& others) {
    std::vector<Json> both;
    for (const Json& a : out) {
      for (const Json& b : others) {
        const auto members = [](const Json& one, const char* key) { return one.value(key, Json()).size(); };
        work(path,
             members(a, "properties") * members(b, "properties") / 8 + members(a, "enum") * members(b, "enum") / 8);
        Json joined = merged_schemas(a, b, path);
        if (joined.is_object()) both.push_back(std::move(joined));
        if (both.size() > kMostAlternatives)
          fail(ErrorKind::input, "{}: more than {} alternatives", path, kMostAlternatives);
      }
    }
    out = std::move(both);
  };
  if (schema.contains("$ref")) {
    if (!schema["$ref"].is_string()) wrong(path_below(path, "$ref"), "a string", schema["$ref"]);
    const std::string reference = schema["$ref"];
    if (std::ranges::find(references, reference) != references.end())
      fail(ErrorKind::input, "{}: \"{}\" refers to itself without an object or array in between", path, reference);
    if (references.size() >= kMostReferences)
      fail(ErrorKind::input, "{}: a chain of more than {} references", path, kMostReferences);
    references.push_back(reference);
    combine(resolved(target(reference, path), reference, references));
    references.pop_back();
  }
  if (schema.contains("allOf")) {
    const Json& list = schema["allOf"];
    if (!list.is_array()) wrong(path_below(path, "allOf"), "a list of schemas", list);
    for (std::size_t i = 0; i < list.size(); ++i)
      combine(resolved(list[i], fmt::format("{}/allOf/{}", path, i), references));
  }
  for (const char* key : {"anyOf", "oneOf"})
    if (schema.contains(key))
      combine(branches(schema[key], key == std::string_view("oneOf"), path_below(path, key), references));
  return out;
}

std::vector<std::string> SchemaReader::types(const Json& alternative) {
  std::vector<std::string> out;
  const auto has = [&](std::initializer_list<const char*> keys) {
    return std::ranges::any_of(keys, [&](const char* key) { return alternative.contains(key); });
  };
  if (alternative.contains("type")) return alternative["type"].get<std::vector<std::string>>();
  if (has({"properties", "required", "additionalProperties", "minProperties", "maxProperties"}))
    out.emplace_back("object");
  if (has({"prefixItems", "items", "minItems", "maxItems"})) out.emplace_back("array");
  if (has({"minLength", "maxLength", "pattern", "format"})) out.emplace_back("string");
  if (has({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})) out.emplace_back("number");
  if (!out.empty()) return out;
  for (const std::string_view type : kTypes)
    if (type != "integer") out.emplace_back(type);
  return out;
}

bool SchemaReader::satisfies(const Json& value, const Json& schema, const std::string& path) {
  return std::ranges::any_of(alternatives(schema, path),
                             [&](const Json& alternative) { return fits(value, alternative, path); });
}

bool SchemaReader::fits(const Json& value, const Json& alternative, const std::string& path) {
  const auto has = [&](const char* key) { return alternative.contains(key); };
  const auto size = [&](const char* key) { return alternative[key].get<std::size_t>(); };
  if (has("type") && std::ranges::none_of(alternative["type"], [&](const Json& type) {
        return is_type(type.get_ref<const std::string&>(), value);
      }))
    return false;
  if (has("enum") && std::ranges::find(alternative["enum"], value) == alternative["enum"].end()) return false;
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    std::size_t characters = 0;
    for (const char c : text) characters += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    if ((has("minLength") && characters < size("minLength")) || (has("maxLength") && characters > size("maxLength")))
      return false;
    for (const Json& pattern : alternative.value("pattern", Json::array()))
      if (!strings_matching(pattern.get_ref<const std::string&>(), path).accepts(text)) return false;
    for (const Json& format : alternative.value("format", Json::array())) {
      const auto known = strings_of_format(format.get_ref<const std::string&>(), path);
      if (known && !known->accepts(text)) return false;
    }
  }
  if (value.is_number()) {
    const double x = value.get<double>();
    if ((has("minimum") && x < alternative["minimum"].get<double>()) ||
        (has("maximum") && x > alternative["maximum"].get<double>()) ||
        (has("exclusiveMinimum") && x <= alternative["exclusiveMinimum"].get<double>()) ||
        (has("exclusiveMaximum") && x >= alternative["exclusiveMaximum"].get<double>()) ||
        (has("multipleOf") && std::fmod(x, alternative["multipleOf"].get<double>()) != 0))
      return false;
  }
  if (value.is_array()) {
    if ((has("minItems") && value.size() < size("minItems")) || (has("maxItems") && value.size() > size("maxItems")))
      return false;
    const Json prefix = alternative.value("prefixItems", Json::array());
    for (std::size_t i = 0; i < value.size(); ++i) {
      const Json item = i < prefix.size() ? prefix[i] : alternative.value("items", Json(true));
      if (!satisfies(value[i], item, path_below(path, std::to_string(i)))) return false;
    }
  }
  if (value.is_object()) {
    for (const Json& name : alternative.value("required", Json::array()))
      if (!value.contains(name.get_ref<const std::string&>())) return false;
    if ((has("minProperties") && value.size() < size("minProperties")) ||
        (has("maxProperties") && value.size() > size("maxProperties")))
      return false;
    const Json properties = alternative.value("properties", Json::object());
    const Json others = alternative.value("additionalProperties", Json(true));
    for (const auto& [key, inside] : value.items())
      if (!satisfies(inside, properties.contains(key) ? properties[key] : others, path_below(path, key))) return false;
  }
  return true;
}

}  // namespace limpid
