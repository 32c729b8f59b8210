// A mix as a field of a configuration.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "train/data_mix.h"

namespace limpid {

// "mix", a family, a mix's .json file, or the mix itself; null: default_mix(). Throws Error(input | not_found) naming
// `where`.
Mix read_mix_field(const nlohmann::json* value, const std::string& where);

}  // namespace limpid
