// A file of its own: only programs whose commands run kernels need the kernel tables.
#include <cstdlib>

#include "app/command.h"
#include "app/isa.h"

namespace limpid {

const KernelTable& Context::kernels() const {
  const char* wanted = std::getenv("LIMPID_ISA");
  return pick_kernels(wanted == nullptr ? "" : wanted, {avx512_kernels(), avx2_kernels(), scalar_kernels()});
}

}  // namespace limpid
