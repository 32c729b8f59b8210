#include "kernels/table_generic.h"

namespace limpid {
namespace {
constexpr KernelTable kKernels = make_table("avx512");
}

const KernelTable& avx512_table() { return kKernels; }

}  // namespace limpid
