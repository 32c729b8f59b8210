#include "kernels/table_generic.h"

namespace limpid {
namespace {
constexpr KernelTable kKernels = make_table("avx2");
}

const KernelTable& avx2_table() { return kKernels; }

}  // namespace limpid
