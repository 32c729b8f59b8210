// The OpenAPI document (3.1): paths from the route table, schemas from schemas.json. tests/server/openapi_test.cpp
// holds both against what the parsers read.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "server/router.h"

namespace limpid {

// components.schemas, as the program carries it.
const nlohmann::ordered_json& api_schemas();

std::string openapi_document(const Router& router, const std::string& version);

}  // namespace limpid
