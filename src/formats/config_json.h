// ConfigJson: a JSON object from a file, asked key by key, with errors that name the file, the key, the type expected
// and the value found. The counterpart of GgufFile's metadata for directories of safetensors. Immutable; cheap to copy;
// any thread may read it.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace limpid {

class ConfigJson {
 public:
  // `name` stands for the object in errors. Throws Error(input) when the value is no object.
  ConfigJson(nlohmann::json object, std::string name);
  static ConfigJson read(const std::string& path);

  const std::string& name() const { return name_; }
  const nlohmann::json& object() const { return *object_; }

  // key may reach into objects: "rope_scaling.factor". A key whose value is null counts as absent.
  bool has(std::string_view key) const;
  // T is one of bool, std::int32_t, std::int64_t, float, double (from any number), std::string,
  // std::vector<std::int32_t>, std::vector<std::string>. get: an absent key is an Error(input). find: nothing. Both: a
  // value of another type, or that does not fit, is an Error(input).
  template <typename T>
  T get(std::string_view key) const;
  template <typename T>
  std::optional<T> find(std::string_view key) const;
  template <typename T>
  T get_or(std::string_view key, T otherwise) const {
    std::optional<T> found = find<T>(key);
    return found ? *std::move(found) : std::move(otherwise);
  }

 private:
  const nlohmann::json* at(std::string_view key) const;  // nullptr when absent or null

  std::shared_ptr<const nlohmann::json> object_;
  std::string name_;
};

}  // namespace limpid
