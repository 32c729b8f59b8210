#include "app/isa.h"

#include "base/error.h"

namespace limpid {

const KernelTable& pick_kernels(const std::string& wanted, const std::vector<const KernelTable*>& tables) {
  std::string here;
  for (const KernelTable* table : tables) {
    if (table == nullptr) continue;
    if (wanted.empty() || wanted == table->isa) return *table;
    here += (here.empty() ? "" : ", ") + std::string(table->isa);
  }
  if (wanted != "scalar" && wanted != "avx2" && wanted != "avx512")
    fail(ErrorKind::input, "LIMPID_ISA: expected scalar, avx2 or avx512, found '{}'", wanted);
  fail(ErrorKind::unsupported, "LIMPID_ISA: {} is not to be had on this machine; there is {}", wanted, here);
}

}  // namespace limpid
