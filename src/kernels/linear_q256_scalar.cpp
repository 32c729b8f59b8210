#include "kernels/linear_q256_table.h"

namespace limpid {

void add_scalar_superblocks(KernelTable& table) { set_superblocks(table); }

}  // namespace limpid
