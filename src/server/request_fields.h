// RequestFields: the fields of one JSON object of a request, read by name and checked, with errors that name the
// field's path ("messages[2].role").
//
// As DeepSeek documents them: a field that is missing or of another JSON type makes the body's form wrong (400); a
// value of the right type that is out of range or none of those known is a wrong parameter (422). null counts as not
// given. Fields that nobody asks for are ignored.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "server/api_error.h"

namespace limpid {

class RequestFields {
 public:
  using Json = nlohmann::ordered_json;

  // `object` must outlive it; `path` is what stands before a field's name in errors ("" or "thinking"). Throws 400
  // where it is no object.
  RequestFields(const Json& object, std::string path);

  bool has(const std::string& name);          // given, and not null
  const Json* find(const std::string& name);  // null: not given
  const Json& required(const std::string& name);

  std::optional<std::string> text(const std::string& name);
  std::string required_text(const std::string& name);
  std::optional<bool> boolean(const std::string& name);
  std::optional<std::int64_t> integer(const std::string& name, std::int64_t least, std::int64_t most);
  std::optional<double> number(const std::string& name, double least, double most);
  std::optional<std::string> choice(const std::string& name, const std::vector<std::string>& allowed);
  // A string or a list of strings, at most `most`.
  std::vector<std::string> texts(const std::string& name, std::size_t most);
  std::optional<RequestFields> object(const std::string& name);

  std::string path(const std::string& name) const;
  // 400: "temperature: expected a number, found a string".
  [[noreturn]] void wrong_type(const std::string& name, std::string_view expected, const Json& found) const;

  // Every name that was asked for, in this object and, with their paths, in those inside; for tests that hold the
  // OpenAPI document against the parsers.
  void record(std::set<std::string>* names) { names_ = names; }

 private:
  const Json& object_;
  std::string path_;
  std::set<std::string>* names_ = nullptr;
};

// The whole body as a JSON object. Throws 400.
nlohmann::ordered_json parse_body(std::string_view body);

}  // namespace limpid
