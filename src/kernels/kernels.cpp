#include "kernels/kernels.h"

#include <array>

#include "kernels/tables.h"

#if !defined(LIMPID_SCALAR_ONLY)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernels/accelerated.h"
#endif

namespace limpid {

namespace {

KernelTable complete(const KernelTable& base, void (*add_superblocks)(KernelTable&), const AttentionKernels* attention,
                     const GradientKernels* gradient) {
  KernelTable table = base;
  add_superblocks(table);
  table.attention = attention;
  table.gradient = gradient;
  return table;
}

}  // namespace

const KernelTable* scalar_kernels() {
  static const KernelTable table =
      complete(scalar_table(), add_scalar_superblocks, scalar_attention(), scalar_gradients());
  return &table;
}

#if defined(LIMPID_SCALAR_ONLY)

const AttentionKernels* avx2_attention() { return nullptr; }
const AttentionKernels* avx512_attention() { return nullptr; }
const GradientKernels* avx2_gradients() { return nullptr; }
const GradientKernels* avx512_gradients() { return nullptr; }
const KernelTable* avx2_kernels() { return nullptr; }
const KernelTable* avx512_kernels() { return nullptr; }
const KernelTable* plain_avx512_kernels() { return nullptr; }

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

// AMX int8, and the system lets this process use the tiles' state (Linux: arch_prctl, ARCH_REQ_XCOMP_PERM, component
// 18), for all its threads.
bool has_amx() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d >> 24 & 3) != 3) return false;
  return syscall(SYS_arch_prctl, 0x1023, 18) == 0;
}

// AMX bf16, where the system lets the tiles be used, and AVX512_BF16's conversions.
bool has_amx_bf16() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return has_amx() && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d >> 22 & 1) &&
         __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 5 & 1);
}

const GradientKernels* amx_gradients() {
  static const GradientKernels table = [] {
    GradientKernels kernels = *avx512_gradients();
    use_amx_gradients(kernels);
    return kernels;
  }();
  return &table;
}

KernelTable make_plain_avx512(const char* isa) {
  KernelTable table = complete(avx512_table(), add_avx512_superblocks, avx512_attention(), avx512_gradients());
  table.isa = isa;
  return table;
}

KernelTable make_avx512() {
  KernelTable table = make_plain_avx512("avx512");
  if (has_amx()) {
    use_amx_products(table);
    use_amx_superblock_products(table);
  }
  if (has_amx_bf16()) {
    use_amx_bf16_products(table);
    table.gradient = amx_gradients();
  }
  return table;
}

}  // namespace

const KernelTable* avx2_kernels() {
  if (!has_avx2()) return nullptr;
  static const KernelTable table = complete(avx2_table(), add_avx2_superblocks, avx2_attention(), avx2_gradients());
  return &table;
}

const KernelTable* avx512_kernels() {
  if (!has_avx512()) return nullptr;
  static const KernelTable table = make_avx512();
  return &table;
}

const KernelTable* plain_avx512_kernels() {
  if (!has_avx512() || !has_amx()) return nullptr;
  static const KernelTable table = make_plain_avx512("avx512-plain");
  return &table;
}

#endif

namespace {

struct TableList {
  std::array<const KernelTable*, 4> tables{};
  std::size_t count = 0;
};

TableList list_tables() {
  TableList list;
  for (const KernelTable* table : {scalar_kernels(), avx2_kernels(), plain_avx512_kernels(), avx512_kernels()})
    if (table != nullptr) list.tables[list.count++] = table;
  return list;
}

}  // namespace

std::span<const KernelTable* const> kernel_tables() {
  static const TableList list = list_tables();
  return {list.tables.data(), list.count};
}

const KernelTable& best_kernels() { return *kernel_tables().back(); }

}  // namespace limpid
