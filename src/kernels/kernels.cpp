#include "kernels/kernels.h"

#include "kernels/tables.h"

#if !defined(LIMPID_SCALAR_ONLY)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernels/accelerated.h"
#endif

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

bool has_f16c() {  // clang 16 has no name for it
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}

bool has_avx2() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
}

bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512vnni");
}

bool has_bf16() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 5 & 1);
}

// AMX int8, and the system lets this process use the tiles' state (Linux: arch_prctl, ARCH_REQ_XCOMP_PERM, component
// 18), for all its threads.
bool has_amx() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d >> 24 & 3) != 3) return false;
  return syscall(SYS_arch_prctl, 0x1023, 18) == 0;
}

KernelTable make_avx512() {
  KernelTable table = complete(avx512_table(), add_avx512_superblocks, avx512_attention());
  if (has_bf16()) use_bf16_products(table);
  if (has_amx()) use_amx_products(table);
  return table;
}

}  // namespace

const KernelTable* avx2_kernels() {
  if (!has_avx2()) return nullptr;
  static const KernelTable table = complete(avx2_table(), add_avx2_superblocks, avx2_attention());
  return &table;
}

const KernelTable* avx512_kernels() {
  if (!has_avx512()) return nullptr;
  static const KernelTable table = make_avx512();
  return &table;
}

#endif

const KernelTable& best_kernels() {
  if (const KernelTable* table = avx512_kernels()) return *table;
  if (const KernelTable* table = avx2_kernels()) return *table;
  return *scalar_kernels();
}

}  // namespace limpid
