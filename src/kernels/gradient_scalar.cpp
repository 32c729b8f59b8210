#include "kernels/gradient_generic.h"

namespace limpid {

const GradientKernels* scalar_gradients() { return &kTable; }

}  // namespace limpid
