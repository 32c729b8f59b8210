// SchemaReader: JSON schemas brought to one form. $ref, allOf, anyOf, oneOf and lists of types are resolved into a list
// of alternatives, each an object with these keywords only:
//   type (a list, integer and number apart), enum (a list), properties, required, additionalProperties, prefixItems,
//   items, minItems, maxItems, minLength, maxLength, pattern (a list), format (a list), minimum, maximum,
//   exclusiveMinimum, exclusiveMaximum, multipleOf.
// Keywords that only describe are dropped. One that restricts and is not supported is Error(input) naming its place.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace limpid {

class SchemaReader {
 public:
  using Json = nlohmann::ordered_json;

  // The document must outlive the reader. Throws Error(input) where it is too large or too deep.
  explicit SchemaReader(const Json& document);

  // Any of them is enough; none: nothing satisfies the schema. `path` is its place, for messages.
  std::vector<Json> alternatives(const Json& schema, const std::string& path);
  // Whether the value satisfies the schema.
  bool satisfies(const Json& value, const Json& schema, const std::string& path);
  // The same for one of alternatives().
  bool fits(const Json& value, const Json& alternative, const std::string& path);

  // Types that an alternative allows: those it names, else those its keywords are about, else all.
  static std::vector<std::string> types(const Json& alternative);

 private:
  std::vector<Json> resolved(const Json& schema, const std::string& path, std::vector<std::string>& references);
  std::vector<Json> branches(const Json& list, bool exclusive, const std::string& path,
                             std::vector<std::string>& references);
  const Json& target(const std::string& reference, const std::string& path) const;
  Json cleaned(const Json& schema, const std::string& path) const;
  void work(const std::string& path, std::size_t members = 0);

  const Json& document_;
  std::size_t work_ = 0;
};

// Both at once; false where nothing can satisfy both. Schemas below them are joined as {"allOf": [...]}.
nlohmann::ordered_json merged_schemas(const nlohmann::ordered_json& a, const nlohmann::ordered_json& b,
                                      const std::string& path);
// Whether no value satisfies both, as far as types, enum and required properties with an enum or const tell.
bool disjoint_schemas(const nlohmann::ordered_json& a, const nlohmann::ordered_json& b);

// The place of a part of a schema, for messages.
inline std::string path_below(const std::string& path, std::string_view key) { return path + "/" + std::string(key); }

}  // namespace limpid
