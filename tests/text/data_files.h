// The files of tests/text/data.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

namespace limpid {

inline const std::string kTokenizers = std::string(TEST_DATA) + "/tokenizer/";

inline std::string read_data(const std::string& name) {
  std::ifstream file(std::string(TEST_DATA) + "/" + name, std::ios::binary);
  std::stringstream out;
  out << file.rdbuf();
  EXPECT_TRUE(file) << name;
  return out.str();
}

}  // namespace limpid
