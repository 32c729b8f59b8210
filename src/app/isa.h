// Which kernel table a run uses: the fastest, or the one that LIMPID_ISA names.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/kernels.h"

namespace limpid {

enum class Isa { scalar, avx2, avx512 };  // slowest first

const char* name(Isa isa);
std::optional<Isa> isa_named(std::string_view name);  // nothing for another word

// `tables`: fastest first, null where the build or the machine lacks it. An empty `wanted` takes the first that is
// there; a name that is not there is Error(unsupported), a name that is none Error(input).
const KernelTable& pick_kernels(const std::string& wanted, const std::vector<const KernelTable*>& tables);

}  // namespace limpid
