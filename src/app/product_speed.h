// What the machine's cores do in products with bf16 weights: the measure of how well training uses them.
#pragma once

#include "kernels/kernels.h"

namespace limpid {

// Multiplications and additions a second of `threads` threads together, measured for a twentieth of a second on matrices
// that stay in the first caches.
double measure_product_speed(const KernelTable& kernels, int threads);

}  // namespace limpid
