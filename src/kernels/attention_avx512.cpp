#include "kernels/attention_generic.h"

namespace limpid {

const AttentionKernels* avx512_attention() { return &kTable; }

}  // namespace limpid
