// Which kernel table a run uses: the fastest, or the one that LIMPID_ISA names.
#pragma once

#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace limpid {

// `tables`: fastest first, null where the build or the machine lacks it. An empty `wanted` takes the first that is
// there; a name that is not there is Error(unsupported), a name that is none Error(input).
const KernelTable& pick_kernels(const std::string& wanted, const std::vector<const KernelTable*>& tables);

}  // namespace limpid
