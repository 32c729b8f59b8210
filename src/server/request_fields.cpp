#include "server/request_fields.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "formats/json.h"

namespace limpid {

namespace {

// A prompt of so many token ids; half a million values take some 30 MB.
constexpr std::size_t kMostBodyValues = std::size_t{1} << 19;

std::string_view kind(const nlohmann::ordered_json& value) {
  switch (value.type()) {
    case nlohmann::ordered_json::value_t::null:
      return "null";
    case nlohmann::ordered_json::value_t::object:
      return "an object";
    case nlohmann::ordered_json::value_t::array:
      return "a list";
    case nlohmann::ordered_json::value_t::string:
      return "a string";
    case nlohmann::ordered_json::value_t::boolean:
      return "a boolean";
    default:
      return "a number";
  }
}

}  // namespace

RequestFields::RequestFields(const Json& object, std::string path) : object_(object), path_(std::move(path)) {
  if (!object.is_object())
    throw bad_request(fmt::format("{}: expected an object, found {}", path_.empty() ? "the body" : path_, kind(object)),
                      path_);
}

std::string RequestFields::path(const std::string& name) const { return path_.empty() ? name : path_ + "." + name; }

void RequestFields::wrong_type(const std::string& name, std::string_view expected, const Json& found) const {
  throw bad_request(fmt::format("{}: expected {}, found {}", path(name), expected, kind(found)), path(name));
}

const RequestFields::Json* RequestFields::find(const std::string& name) {
  if (names_ != nullptr) names_->insert(path(name));
  const auto found = object_.find(name);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

bool RequestFields::has(const std::string& name) { return find(name) != nullptr; }

const RequestFields::Json& RequestFields::required(const std::string& name) {
  const Json* value = find(name);
  if (value == nullptr) throw bad_request(fmt::format("{}: is missing", path(name)), path(name));
  return *value;
}

std::optional<std::string> RequestFields::text(const std::string& name) {
  const Json* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) wrong_type(name, "a string", *value);
  return value->get<std::string>();
}

std::string RequestFields::required_text(const std::string& name) {
  required(name);
  return *text(name);
}

std::optional<bool> RequestFields::boolean(const std::string& name) {
  const Json* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) wrong_type(name, "true or false", *value);
  return value->get<bool>();
}

std::optional<std::int64_t> RequestFields::integer(const std::string& name, std::int64_t least, std::int64_t most) {
  const Json* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number()) wrong_type(name, "an integer", *value);
  const double number = value->get<double>();
  if (!value->is_number_integer() && number != std::floor(number)) wrong_type(name, "an integer", *value);
  // Compared as a double first: what does not fit into 64 bits is out of any range.
  const bool beyond = value->is_number_unsigned() && value->get<std::uint64_t>() > static_cast<std::uint64_t>(most);
  if (number < static_cast<double>(least) || number > static_cast<double>(most) || (most >= 0 && beyond))
    throw bad_parameter(fmt::format("{}: {} is not between {} and {}", path(name), value->dump(), least, most),
                        path(name));
  if (value->is_number_integer()) return value->get<std::int64_t>();
  return number >= 0x1p63 ? most : static_cast<std::int64_t>(number);
}

std::optional<double> RequestFields::number(const std::string& name, double least, double most) {
  const Json* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number()) wrong_type(name, "a number", *value);
  const double number = value->get<double>();
  if (!(number >= least && number <= most))
    throw bad_parameter(fmt::format("{}: {} is not between {} and {}", path(name), value->dump(), least, most),
                        path(name));
  return number;
}

std::optional<std::string> RequestFields::choice(const std::string& name, const std::vector<std::string>& allowed) {
  std::optional<std::string> value = text(name);
  if (!value) return value;
  for (const std::string& one : allowed)
    if (one == *value) return value;
  throw bad_parameter(fmt::format("{}: {} is none of {}", path(name),
                                  Json(value->substr(0, 40)).dump(-1, ' ', false, Json::error_handler_t::replace),
                                  fmt::join(allowed, ", ")),
                      path(name));
}

std::vector<std::string> RequestFields::texts(const std::string& name, std::size_t most) {
  const Json* value = find(name);
  if (value == nullptr) return {};
  if (value->is_string()) return {value->get<std::string>()};
  if (!value->is_array()) wrong_type(name, "a string or a list of strings", *value);
  if (value->size() > most)
    throw bad_parameter(fmt::format("{}: {} entries, at most {} are allowed", path(name), value->size(), most),
                        path(name));
  std::vector<std::string> out;
  for (std::size_t i = 0; i < value->size(); ++i) {
    if (!(*value)[i].is_string()) wrong_type(fmt::format("{}[{}]", name, i), "a string", (*value)[i]);
    out.push_back((*value)[i].get<std::string>());
  }
  return out;
}

std::optional<RequestFields> RequestFields::object(const std::string& name) {
  const Json* value = find(name);
  if (value == nullptr) return std::nullopt;
  RequestFields fields(*value, path(name));
  fields.names_ = names_;
  return fields;
}

nlohmann::ordered_json parse_body(std::string_view body) {
  JsonLimits limits;
  limits.depth = 64;
  limits.values = kMostBodyValues;
  nlohmann::ordered_json json;
  try {
    json = parse_ordered_json(body, "the body", limits);
  } catch (const Error& error) {
    throw bad_request(error.what());
  }
  if (!json.is_object()) throw bad_request(fmt::format("the body: expected an object, found {}", kind(json)));
  return json;
}

}  // namespace limpid
