// Products that only some AVX-512 machines are faster at. They give the bits of table_avx512.cpp: integer sums are
// exact, and vdpbf16ps is the two FMAs of linear_float.h where denormals are flushed (docs/numerics.md). kernels.cpp
// asks the machine and replaces entries of the table; call nothing here on a machine that lacks it.
#pragma once

#include "kernels/kernels.h"

namespace limpid {

// AMX int8 (tiles): Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, IQ4_NL for 16 tokens at a time; the tokens left over go through
// AVX-512. The process must have asked the kernel for the tiles' state (arch_prctl).
void use_amx_products(KernelTable& table);
// The same for the K and IQ types with blocks of 256 values, from 16 tokens on.
void use_amx_superblock_products(KernelTable& table);
// AMX bf16: BF16, from 4 tokens on.
void use_amx_bf16_products(KernelTable& table);
// AMX bf16: the product of training in bf16.
void use_amx_gradients(GradientKernels& table);

}  // namespace limpid
