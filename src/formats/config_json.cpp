#include "formats/config_json.h"

#include <limits>
#include <nlohmann/json.hpp>
#include <type_traits>

#include "base/error.h"
#include "formats/json.h"

namespace limpid {

namespace {

using nlohmann::json;

template <typename T>
struct IsVector : std::false_type {};
template <typename T>
struct IsVector<std::vector<T>> : std::true_type {};

template <typename T>
std::string wanted() {
  if constexpr (IsVector<T>::value)
    return "an array, each element " + wanted<typename T::value_type>();
  else if constexpr (std::is_same_v<T, bool>)
    return "true or false";
  else if constexpr (std::is_integral_v<T>)
    return fmt::format("an integer from {} to {}", std::numeric_limits<T>::min(), std::numeric_limits<T>::max());
  else if constexpr (std::is_floating_point_v<T>)
    return "a number";
  else
    return "a string";
}

template <typename T>
bool read_as(const json& value, T& out) {
  if constexpr (IsVector<T>::value) {
    if (!value.is_array()) return false;
    for (const json& element : value) {
      typename T::value_type one;
      if (!read_as(element, one)) return false;
      out.push_back(std::move(one));
    }
    return true;
  } else if constexpr (std::is_same_v<T, bool>) {
    if (value.is_boolean()) out = value.get<bool>();
    return value.is_boolean();
  } else if constexpr (std::is_integral_v<T>) {
    if (value.is_number_unsigned() && std::in_range<T>(value.get<std::uint64_t>()))
      out = static_cast<T>(value.get<std::uint64_t>());
    else if (value.is_number_integer() && !value.is_number_unsigned() && std::in_range<T>(value.get<std::int64_t>()))
      out = static_cast<T>(value.get<std::int64_t>());
    else
      return false;
    return true;
  } else if constexpr (std::is_floating_point_v<T>) {
    if (!value.is_number()) return false;
    const double number = value.get<double>();
    if (std::is_same_v<T, float> &&
        (number > std::numeric_limits<float>::max() || number < std::numeric_limits<float>::lowest()))
      return false;
    out = static_cast<T>(number);
    return true;
  } else {
    if (value.is_string()) out = value.get_ref<const std::string&>();
    return value.is_string();
  }
}

}  // namespace

ConfigJson::ConfigJson(nlohmann::json object, std::string name) : name_(std::move(name)) {
  if (!object.is_object()) fail(ErrorKind::input, "{}: expected a JSON object, found {}", name_, short_json(object));
  object_ = std::make_shared<const json>(std::move(object));
}

ConfigJson ConfigJson::read(const std::string& path) { return {read_json(path), path}; }

const json* ConfigJson::at(std::string_view key) const {
  const json* value = object_.get();
  while (true) {
    const auto dot = key.find('.');
    if (!value->is_object()) return nullptr;
    const auto found = value->find(std::string(key.substr(0, dot)));
    if (found == value->end() || found->is_null()) return nullptr;
    value = &*found;
    if (dot == std::string_view::npos) return value;
    key.remove_prefix(dot + 1);
  }
}

bool ConfigJson::has(std::string_view key) const { return at(key) != nullptr; }

template <typename T>
std::optional<T> ConfigJson::find(std::string_view key) const {
  const json* value = at(key);
  if (!value) return std::nullopt;
  T out{};
  if (!read_as(*value, out))
    fail(ErrorKind::input, "{}: key '{}': expected {}, found {}", name_, key, wanted<T>(), short_json(*value));
  return out;
}

template <typename T>
T ConfigJson::get(std::string_view key) const {
  std::optional<T> found = find<T>(key);
  if (!found) fail(ErrorKind::input, "{}: key '{}': expected {}, found no such key", name_, key, wanted<T>());
  return *std::move(found);
}

#define LIMPID_CONFIG_GET(...)                                               \
  template __VA_ARGS__ ConfigJson::get<__VA_ARGS__>(std::string_view) const; \
  template std::optional<__VA_ARGS__> ConfigJson::find<__VA_ARGS__>(std::string_view) const;
LIMPID_CONFIG_GET(bool)
LIMPID_CONFIG_GET(std::int32_t)
LIMPID_CONFIG_GET(std::int64_t)
LIMPID_CONFIG_GET(float)
LIMPID_CONFIG_GET(double)
LIMPID_CONFIG_GET(std::string)
LIMPID_CONFIG_GET(std::vector<std::int32_t>)
LIMPID_CONFIG_GET(std::vector<std::string>)
#undef LIMPID_CONFIG_GET

}  // namespace limpid
