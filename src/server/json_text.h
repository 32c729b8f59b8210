// JSON as the service sends it: on one line, keys in their order, and bytes that are no UTF-8 replaced, so that no text of a
// model or a peer can make it throw.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace limpid {

std::string json_text(const nlohmann::ordered_json& json);

}  // namespace limpid
