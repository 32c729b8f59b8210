// The tiny models of tests/models/data and what transformers says of them (make_goldens.py).
#pragma once

#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "formats/config_json.h"
#include "models/load.h"

namespace limpid::model_test {

inline std::string model_path(const std::string& name) { return std::string(TEST_DATA) + "/" + name; }

struct Golden {
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> rows;  // positions whose logits are kept
  std::vector<float> logits;       // (rows, V)

  // name: a directory, or NAME.gguf made from the directory NAME.
  static Golden read(std::string name) {
    if (name.ends_with(".gguf")) name.resize(name.size() - 5);
    const std::string directory = model_path(name);
    const ConfigJson json = ConfigJson::read(directory + "/golden.json");
    Golden golden;
    golden.ids = json.get<std::vector<std::int32_t>>("ids");
    golden.rows = json.get<std::vector<std::int32_t>>("rows");
    std::ifstream file(directory + "/golden.bin", std::ios::binary | std::ios::ate);
    if (!file) fail(ErrorKind::not_found, "{}/golden.bin cannot be read", directory);
    golden.logits.resize(static_cast<std::size_t>(file.tellg()) / sizeof(float));
    file.seekg(0);
    file.read(reinterpret_cast<char*>(golden.logits.data()),
              static_cast<std::streamsize>(golden.logits.size() * sizeof(float)));
    return golden;
  }
  std::size_t vocabulary() const { return logits.size() / rows.size(); }
};

}  // namespace limpid::model_test
