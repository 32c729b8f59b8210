// A file as it is.
#pragma once

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace limpid {

inline std::string read_all(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace limpid
