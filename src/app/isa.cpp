#include "app/isa.h"

#include "base/error.h"

namespace limpid {

const char* name(Isa isa) {
  constexpr const char* kNames[] = {"scalar", "avx2", "avx512"};
  return kNames[static_cast<int>(isa)];
}

std::optional<Isa> isa_named(std::string_view word) {
  for (const Isa isa : {Isa::scalar, Isa::avx2, Isa::avx512})
    if (word == name(isa)) return isa;
  return std::nullopt;
}

const KernelTable& pick_kernels(const std::string& wanted, const std::vector<const KernelTable*>& tables) {
  std::string here;
  for (const KernelTable* table : tables) {
    if (table == nullptr) continue;
    if (wanted.empty() || wanted == table->isa) return *table;
    here += (here.empty() ? "" : ", ") + std::string(table->isa);
  }
  if (!isa_named(wanted)) fail(ErrorKind::input, "LIMPID_ISA: expected scalar, avx2 or avx512, found '{}'", wanted);
  fail(ErrorKind::unsupported, "LIMPID_ISA: {} is not to be had on this machine; there is {}", wanted, here);
}

}  // namespace limpid
