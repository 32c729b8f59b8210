// Environment variables, which are read in app/ only.
#pragma once

#include <cstdlib>
#include <string>

namespace limpid {

// "" where it is not set.
inline std::string environment_text(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace limpid
