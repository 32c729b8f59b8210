#include "kernels/attention_generic.h"

namespace limpid {

const AttentionKernels* avx2_attention() { return &kTable; }

}  // namespace limpid
