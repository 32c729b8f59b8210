// What this machine is, as far as running models cares: read from /proc and /sys under `root` (tests pass their own),
// nothing measured here.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "app/isa.h"

namespace limpid {

struct Machine {
  std::string cpu;  // "AMD Ryzen 9 9950X"
  std::vector<std::string>
      features;                // of those that the kernels use: avx2, fma, f16c, avx512f, avx512_vnni, avx512_bf16 ...
  Isa best_isa = Isa::scalar;  // what the processor has all extensions for, as kernels/ asks for them
  int physical = 0, logical = 0;                    // cores, hardware threads of the whole machine
  int usable = 0;                                   // hardware threads in this process's affinity mask
  double quota = 0;                                 // cores by cgroup quota; 0: none
  std::string governor, driver, energy_preference;  // of cpu0's frequency scaling; "" when there is none

  std::uint64_t memory_total = 0, memory_available = 0;  // bytes; available honours control groups
  std::string memory_limited_by;
  std::uint64_t swap_total = 0, swap_used = 0;
  std::string huge_pages;  // transparent huge pages: "always", "madvise", "never", "" unknown
  bool wsl = false;
  double load = 0;  // of the last minute
};

Machine read_machine(const std::string& root = "/");

struct Problem {
  std::string what, advice;
};

// What keeps this machine from its speed, worst first.
std::vector<Problem> find_problems(const Machine& machine);

}  // namespace limpid
