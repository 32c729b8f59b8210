#include "train/fields.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace limpid {

Fields::Fields(const nlohmann::json& object, std::string name) : object_(object), name_(std::move(name)) {
  if (!object.is_object()) fail(ErrorKind::input, "{}: expected an object, found {}", name_, object.dump());
}

std::string Fields::where(std::string_view field) const {
  return fmt::format("{}{}{}", name_, name_.find(": ") == std::string::npos ? ": " : ".", field);
}

bool Fields::has(std::string_view field) const { return object_.contains(field); }

const nlohmann::json* Fields::any(std::string_view field) {
  known_.emplace(field);
  const auto found = object_.find(field);
  return found == object_.end() ? nullptr : &*found;
}

double Fields::number(std::string_view field, double otherwise, double least, double most) {
  const nlohmann::json* value = any(field);
  if (value == nullptr) return otherwise;
  const double number = value->is_number() ? value->get<double>() : 0;
  if (!value->is_number() || !(number >= least && number <= most))
    fail(ErrorKind::input, "{}: expected a number from {} to {}, found {}", where(field), least, most, value->dump());
  return number;
}

std::int64_t Fields::integer(std::string_view field, std::int64_t otherwise, std::int64_t least, std::int64_t most) {
  const nlohmann::json* value = any(field);
  if (value == nullptr) return otherwise;
  const bool fits =
      value->is_number_integer() && (!value->is_number_unsigned() || value->get<std::uint64_t>() <= INT64_MAX);
  const std::int64_t integer = fits ? value->get<std::int64_t>() : 0;
  if (!fits || integer < least || integer > most)
    fail(ErrorKind::input, "{}: expected an integer from {} to {}, found {}", where(field), least, most, value->dump());
  return integer;
}

bool Fields::boolean(std::string_view field, bool otherwise) {
  const nlohmann::json* value = any(field);
  if (value == nullptr) return otherwise;
  if (!value->is_boolean()) fail(ErrorKind::input, "{}: expected true or false, found {}", where(field), value->dump());
  return value->get<bool>();
}

std::string Fields::text(std::string_view field, std::string otherwise) {
  const nlohmann::json* value = any(field);
  if (value == nullptr) return otherwise;
  if (!value->is_string()) fail(ErrorKind::input, "{}: expected a text, found {}", where(field), value->dump());
  return value->get<std::string>();
}

std::size_t Fields::choice(std::string_view field, const std::vector<std::string_view>& allowed,
                           std::size_t otherwise) {
  const nlohmann::json* value = any(field);
  if (value == nullptr) return otherwise;
  if (value->is_string())
    for (std::size_t i = 0; i < allowed.size(); ++i)
      if (value->get<std::string>() == allowed[i]) return i;
  fail(ErrorKind::input, "{}: expected one of {}, found {}", where(field), fmt::join(allowed, ", "), value->dump());
}

std::vector<std::string> Fields::texts(std::string_view field, std::vector<std::string> otherwise) {
  const nlohmann::json* value = any(field);
  if (value == nullptr) return otherwise;
  const auto is_text = [](const nlohmann::json& one) {
    return one.is_string() && !one.get_ref<const std::string&>().empty();
  };
  if (!value->is_array() || value->empty() || !std::ranges::all_of(*value, is_text))
    fail(ErrorKind::input, "{}: expected a list of texts, found {}", where(field), value->dump());
  return value->get<std::vector<std::string>>();
}

void Fields::done() const {
  for (const auto& [field, value] : object_.items())
    if (!known_.contains(field))
      fail(ErrorKind::input, "{}: unknown field; known are {}", where(field), fmt::join(known_, ", "));
}

}  // namespace limpid
