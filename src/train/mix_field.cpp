#include "train/mix_field.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "train/example_source.h"

namespace limpid {

Mix read_mix_field(const nlohmann::json* value, const std::string& where) {
  if (value == nullptr) return default_mix();
  if (value->is_object()) return parse_mix(value->dump(), where);
  if (!value->is_string()) fail(ErrorKind::input, "{}: expected a mix or its name, found {}", where, value->dump());
  const DataSpec spec = DataSpec::parse(value->get<std::string>());
  if (!spec.files.empty())
    fail(ErrorKind::input, "{}: \"{}\": files of data have no verifier", where, value->get<std::string>());
  return spec.mix;
}

}  // namespace limpid
