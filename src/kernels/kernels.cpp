#include "kernels/kernels.h"

#include "kernels/tables.h"

namespace limpid {

namespace {

KernelTable complete(const KernelTable& base, void (*add_superblocks)(KernelTable&), const AttentionKernels* attention) {
  KernelTable table = base;
  add_superblocks(table);
  table.attention = attention;
  return table;
}

}  // namespace

const KernelTable* scalar_kernels() {
  static const KernelTable table = complete(scalar_table(), add_scalar_superblocks, scalar_attention());
  return &table;
}

#if defined(LIMPID_SCALAR_ONLY)

const AttentionKernels* avx2_attention() { return nullptr; }
const AttentionKernels* avx512_attention() { return nullptr; }
const KernelTable* avx2_kernels() { return nullptr; }
const KernelTable* avx512_kernels() { return nullptr; }

#else

namespace {

bool has_avx2() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}

bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512vnni");
}

}  // namespace

const KernelTable* avx2_kernels() {
  if (!has_avx2()) return nullptr;
  static const KernelTable table = complete(avx2_table(), add_avx2_superblocks, avx2_attention());
  return &table;
}

const KernelTable* avx512_kernels() {
  if (!has_avx512()) return nullptr;
  static const KernelTable table = complete(avx512_table(), add_avx512_superblocks, avx512_attention());
  return &table;
}

#endif

const KernelTable& best_kernels() {
  if (const KernelTable* table = avx512_kernels()) return *table;
  if (const KernelTable* table = avx2_kernels()) return *table;
  return *scalar_kernels();
}

}  // namespace limpid
