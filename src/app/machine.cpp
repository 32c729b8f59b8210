#include "app/machine.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include "app/format.h"
#include "base/control_groups.h"
#include "engine/memory_plan.h"

namespace limpid {

namespace {

constexpr std::uint64_t kSomeSwap = std::uint64_t{512} << 20;  // less is what an idle system writes out by itself

std::string line_of(const std::string& path) {
  std::string line;
  std::ifstream file(path);
  std::getline(file, line);
  return line;
}

// The value behind "key : value" or "key: value".
std::string after_colon(const std::string& line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string::npos) return "";
  const std::size_t begin = line.find_first_not_of(" \t", colon + 1);
  return begin == std::string::npos ? "" : line.substr(begin);
}

void read_cpu(const std::string& root, Machine& machine) {
  static const std::vector<std::string> kUsed = {"avx2",        "fma",      "f16c",     "avx512f",
                                                 "avx512bw",    "avx512dq", "avx512vl", "avx512_vnni",
                                                 "avx512_bf16", "avx_vnni", "amx_int8", "amx_bf16"};
  std::ifstream info(root + "proc/cpuinfo");
  std::set<std::string> cores, flags;
  std::string package;
  for (std::string line; std::getline(info, line);) {
    if (line.rfind("processor", 0) == 0) ++machine.logical;
    if (line.rfind("model name", 0) == 0) machine.cpu = after_colon(line);
    if (line.rfind("physical id", 0) == 0) package = after_colon(line);
    if (line.rfind("core id", 0) == 0) cores.insert(package + ":" + after_colon(line));
    if (line.rfind("flags", 0) == 0 && flags.empty()) {
      std::istringstream words(after_colon(line));
      for (std::string word; words >> word;) flags.insert(word);
    }
  }
  machine.physical = cores.empty() ? machine.logical : static_cast<int>(cores.size());
  for (const std::string& name : kUsed)
    if (flags.count(name) != 0) machine.features.push_back(name);
  const auto has = [&](std::initializer_list<const char*> names) {
    return std::all_of(names.begin(), names.end(), [&](const char* n) { return flags.count(n) != 0; });
  };
  machine.best_isa = Isa::scalar;
  if (has({"avx2", "fma", "f16c"})) machine.best_isa = Isa::avx2;
  if (machine.best_isa == Isa::avx2 && has({"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni"}))
    machine.best_isa = Isa::avx512;
  const std::string scaling = root + "sys/devices/system/cpu/cpu0/cpufreq/";
  machine.governor = line_of(scaling + "scaling_governor");
  machine.driver = line_of(scaling + "scaling_driver");
  machine.energy_preference = line_of(scaling + "energy_performance_preference");
}

void read_limits(const std::string& root, Machine& machine) {
  cpu_set_t mask;
  machine.usable = sched_getaffinity(0, sizeof mask, &mask) == 0 ? CPU_COUNT(&mask) : machine.logical;
  machine.quota = cpu_quota(root);
  std::istringstream(line_of(root + "proc/loadavg")) >> machine.load;
  const std::string release = line_of(root + "proc/sys/kernel/osrelease");
  machine.wsl = release.find("icrosoft") != std::string::npos;
}

void read_memory(const std::string& root, Machine& machine) {
  std::ifstream info(root + "proc/meminfo");
  std::uint64_t swap_free = 0;
  for (std::string line; std::getline(info, line);) {
    std::istringstream words(line);
    std::string key;
    std::uint64_t kilobytes = 0;
    words >> key >> kilobytes;
    if (key == "MemTotal:") machine.memory_total = kilobytes * 1024;
    if (key == "SwapTotal:") machine.swap_total = kilobytes * 1024;
    if (key == "SwapFree:") swap_free = kilobytes * 1024;
  }
  machine.swap_used = machine.swap_total - std::min(machine.swap_total, swap_free);
  const AvailableMemory available = available_memory(root);
  machine.memory_available = available.bytes;
  machine.memory_limited_by = available.limited_by;
  const std::string modes = line_of(root + "sys/kernel/mm/transparent_hugepage/enabled");  // "always [madvise] never"
  const std::size_t begin = modes.find('['), end = modes.find(']');
  if (begin != std::string::npos && end != std::string::npos)
    machine.huge_pages = modes.substr(begin + 1, end - begin - 1);
}

// "powersave" is the normal, dynamic state of two drivers; there the preference says how eager it is.
bool slow_clock(const Machine& machine) {
  const bool dynamic = machine.driver == "intel_pstate" || machine.driver == "amd-pstate-epp";
  if (dynamic) return machine.energy_preference == "power";
  return machine.governor == "powersave" || machine.governor == "conservative";
}

}  // namespace

Machine read_machine(const std::string& root) {
  const std::string base = root.ends_with('/') ? root : root + "/";
  Machine machine;
  read_cpu(base, machine);
  read_limits(base, machine);
  read_memory(base, machine);
  return machine;
}

std::vector<Problem> find_problems(const Machine& machine) {
  std::vector<Problem> problems;
  if (machine.swap_used > kSomeSwap)
    problems.push_back({fmt::format("{} of swap is in use: memory is short", human_bytes(machine.swap_used)),
                        "close what needs memory, or choose a smaller model; a model that is swapped runs at a "
                        "hundredth of its speed"});
  if (machine.best_isa == Isa::scalar)
    problems.push_back(
        {"the processor has no AVX2", "models run, many times slower than on a processor made since 2013"});
  if (machine.huge_pages == "never")
    problems.push_back(
        {"transparent huge pages are off", "echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled"});
  if (slow_clock(machine))
    problems.push_back(
        {fmt::format("the processor saves power ({}, {})", machine.driver.empty() ? "cpufreq" : machine.driver,
                     machine.energy_preference.empty() ? machine.governor : machine.energy_preference),
         "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor, or plug the machine in"});
  if (machine.quota > 0 && machine.quota < machine.physical)
    problems.push_back({fmt::format("a control group allows {:.3g} of {} cores", machine.quota, machine.physical),
                        "raise the container's CPU limit if you may"});
  if (machine.memory_limited_by.rfind("cgroup", 0) == 0)
    problems.push_back(
        {fmt::format("a control group leaves {} of {} memory ({})", human_bytes(machine.memory_available),
                     human_bytes(machine.memory_total), machine.memory_limited_by),
         "raise the container's memory limit if you may"});
  if (machine.wsl)
    problems.push_back({fmt::format("WSL has {} of memory; by default it gets half of the machine's",
                                    human_bytes(machine.memory_total)),
                        "set memory= under [wsl2] in %UserProfile%\\.wslconfig, then `wsl --shutdown`; keep models "
                        "inside Linux's file system, not under /mnt/c"});
  if (machine.usable > 0 && machine.load > 0.5 * machine.usable)
    problems.push_back({fmt::format("other programs are busy: load {:.1f} on {} threads", machine.load, machine.usable),
                        "the figures above are lower than they could be"});
  return problems;
}

}  // namespace limpid
