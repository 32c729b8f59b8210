// How the table of an instruction set is put together: kernels.cpp starts from the table of table_<isa>.cpp and lets
// the other families add what they bring. Everything declared here may be called only where the machine has the
// instructions. With LIMPID_SCALAR_ONLY the avx2 and avx512 ones are not in the build.
#pragma once

#include "kernels/kernels.h"
#include "tensor/dtype.h"

namespace limpid {

// Everything but attention and the products of the K and IQ types.
const KernelTable& scalar_table();
const KernelTable& avx2_table();
const KernelTable& avx512_table();

// Adds the products of the K and IQ types (linear_q256.h).
void add_scalar_superblocks(KernelTable& table);
void add_avx2_superblocks(KernelTable& table);
void add_avx512_superblocks(KernelTable& table);
// One of them: what AMX leaves to AVX-512.
void linear_avx512_superblock(DType type, const LinearArgs& args) noexcept;

}  // namespace limpid
