#include "kernels/linear_q256_table.h"

namespace limpid {
namespace {
constexpr KernelTable make_superblocks() {
  KernelTable table{};
  set_superblocks(table);
  return table;
}
constexpr KernelTable kSuperblocks = make_superblocks();
}  // namespace

void add_avx512_superblocks(KernelTable& table) { set_superblocks(table); }

void linear_avx512_superblock(DType type, const LinearArgs& args) noexcept {
  kSuperblocks.linear[static_cast<int>(type)](args);
}

}  // namespace limpid
