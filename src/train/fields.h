// Fields: an object of a configuration file of training, read field by field. What nobody asked for is an error: a
// mistyped field must not be passed over in silence. One thread.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace limpid {

class Fields {
 public:
  // `name` stands for the object in errors: "config.json", "config.json: schedule". `object` must outlive it. Throws
  // Error(input) when it is no object.
  Fields(const nlohmann::json& object, std::string name);

  bool has(std::string_view field) const;
  // Each gives `otherwise` where the field is absent. Throws Error(input) naming the field, what was expected and what
  // was found, for a value of another type or outside [least, most].
  double number(std::string_view field, double otherwise, double least, double most);
  std::int64_t integer(std::string_view field, std::int64_t otherwise, std::int64_t least, std::int64_t most);
  bool boolean(std::string_view field, bool otherwise);
  std::string text(std::string_view field, std::string otherwise);
  std::size_t choice(std::string_view field, const std::vector<std::string_view>& allowed, std::size_t otherwise);
  // A list of texts, at least one.
  std::vector<std::string> texts(std::string_view field, std::vector<std::string> otherwise);
  // The value of a field, whatever it is; null where it is absent.
  const nlohmann::json* any(std::string_view field);

  std::string where(std::string_view field) const;  // how errors name it
  // Throws Error(input) naming a field that was not asked for, and those that were.
  void done() const;

 private:
  const nlohmann::json& object_;
  std::string name_;
  std::set<std::string, std::less<>> known_;
};

}  // namespace limpid
