#include "kernels/attention_generic.h"

namespace limpid {

const AttentionKernels* scalar_attention() { return &kTable; }

}  // namespace limpid
