#include "kernels/gradient_generic.h"

namespace limpid {

const GradientKernels* avx512_gradients() { return &kTable; }

}  // namespace limpid
