#include "kernels/gradient_generic.h"

namespace limpid {

const GradientKernels* avx2_gradients() { return &kTable; }

}  // namespace limpid
