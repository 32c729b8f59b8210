// Fields of a run's log, which may be of another version or cut short.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace limpid {

// The field's text; "" where there is none.
inline std::string text_or_empty(const nlohmann::json& object, const char* field) {
  return object.is_object() && object.contains(field) && object[field].is_string() ? object[field].get<std::string>()
                                                                                   : "";
}

}  // namespace limpid
