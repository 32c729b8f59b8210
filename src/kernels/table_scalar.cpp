#include "kernels/table_generic.h"

namespace limpid {
namespace {
constexpr KernelTable kKernels = make_table("scalar");
}

const KernelTable& scalar_table() { return kKernels; }

}  // namespace limpid
