#include "app/machine.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "app/bandwidth.h"
#include "app/format.h"
#include "app/isa.h"
#include "base/error.h"
#include "tests/hub/temporary_folder.h"

using namespace limpid;
using limpid::test::put;
using limpid::test::TemporaryFolder;

namespace {

// A root with /proc and /sys of a small laptop.
void furnish(const TemporaryFolder& root) {
  std::string cpus;
  for (int i = 0; i < 4; ++i)
    cpus += "processor\t: " + std::to_string(i) +
            "\nmodel name\t: Test CPU 3000\nphysical id\t: 0\ncore id\t\t: " + std::to_string(i / 2) +
            "\nflags\t\t: fpu sse2 avx2 fma f16c avx512f\n\n";
  put(root / "proc/cpuinfo", cpus);
  put(root / "proc/meminfo",
      "MemTotal:       16000000 kB\nMemAvailable:   12000000 kB\nSwapTotal:       8000000 kB\nSwapFree:        8000000 "
      "kB\n");
  put(root / "proc/loadavg", "0.10 0.10 0.10 1/100 1\n");
  put(root / "proc/sys/kernel/osrelease", "6.1.0-18-amd64\n");
  put(root / "sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
}

bool mentions(const std::vector<Problem>& problems, const std::string& text) {
  return std::any_of(problems.begin(), problems.end(),
                     [&](const Problem& p) { return p.what.find(text) != std::string::npos && !p.advice.empty(); });
}

nlohmann::json doctor_json(const std::string& variables, const std::string& words) {
  const std::string command = "LIMPID_HOME=/nowhere/at/all " + variables + " " LIMPID_BINARY " doctor --json " + words;
  std::FILE* pipe = popen(command.c_str(), "r");
  std::string text(1 << 20, 0);
  text.resize(std::fread(text.data(), 1, text.size(), pipe));
  EXPECT_EQ(pclose(pipe), 0);
  return nlohmann::json::parse(text);
}

}  // namespace

TEST(Machine, ReadsCoresMemoryAndExtensions) {
  TemporaryFolder root;
  furnish(root);
  const Machine machine = read_machine(root.path().string());
  EXPECT_EQ(machine.cpu, "Test CPU 3000");
  EXPECT_EQ(machine.physical, 2);
  EXPECT_EQ(machine.logical, 4);
  EXPECT_EQ(machine.best_isa, Isa::avx2) << "avx512f alone is not enough";
  EXPECT_EQ(machine.memory_total, 16'000'000ull * 1024);
  EXPECT_EQ(machine.memory_available, 12'000'000ull * 1024);
  EXPECT_EQ(machine.swap_used, 0u);
  EXPECT_EQ(machine.huge_pages, "madvise");
  EXPECT_TRUE(find_problems(machine).empty());
}

TEST(Machine, NeedsWhatTheKernelsNeed) {
  const auto best = [](const std::string& flags) {
    TemporaryFolder root;
    furnish(root);
    put(root / "proc/cpuinfo", "processor\t: 0\nflags\t\t: " + flags + "\n");
    return read_machine(root.path().string()).best_isa;
  };
  const std::string skylake = "avx2 fma f16c avx512f avx512bw avx512dq avx512vl";
  EXPECT_EQ(best(skylake), Isa::avx2) << "kernels/ asks for VNNI";
  EXPECT_EQ(best(skylake + " avx512_vnni"), Isa::avx512);
  EXPECT_EQ(best("avx2"), Isa::scalar);
  // This machine: the processor's flags and the kernels' own question give the same.
  const Machine here = read_machine();
  const Isa expected = avx512_kernels() != nullptr ? Isa::avx512
                       : avx2_kernels() != nullptr ? Isa::avx2
                                                   : here.best_isa;
  EXPECT_EQ(here.best_isa, expected);
}

TEST(Machine, SaysWhatIsWrong) {
  TemporaryFolder root;
  furnish(root);
  put(root / "proc/meminfo",
      "MemTotal: 16000000 kB\nMemAvailable: 1000000 kB\nSwapTotal: 8000000 kB\nSwapFree: 4000000 kB\n");
  put(root / "proc/sys/kernel/osrelease", "5.15.90.1-microsoft-standard-WSL2\n");
  put(root / "sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n");
  put(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n");
  put(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_driver", "acpi-cpufreq\n");
  put(root / "sys/fs/cgroup/cpu.max", "150000 100000\n");
  put(root / "proc/loadavg", "100.0 1 1 1/100 1\n");
  const Machine machine = read_machine(root.path().string());
  EXPECT_DOUBLE_EQ(machine.quota, 1.5);
  put(root / "proc/self/cgroup", "0::/slice/service\n");
  put(root / "sys/fs/cgroup/slice/cpu.max", "50000 100000\n");
  EXPECT_DOUBLE_EQ(read_machine(root.path().string()).quota, 0.5) << "of a slice above";
  const std::vector<Problem> problems = find_problems(machine);
  for (const char* what : {"swap", "WSL", "huge pages", "saves power", "control group allows 1.5 of 2", "busy"})
    EXPECT_TRUE(mentions(problems, what)) << what;
}

TEST(Machine, PowersaveIsNormalForDynamicDrivers) {
  TemporaryFolder root;
  furnish(root);
  put(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n");
  put(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_driver", "intel_pstate\n");
  put(root / "sys/devices/system/cpu/cpu0/cpufreq/energy_performance_preference", "balance_performance\n");
  EXPECT_TRUE(find_problems(read_machine(root.path().string())).empty());
  put(root / "sys/devices/system/cpu/cpu0/cpufreq/energy_performance_preference", "power\n");
  EXPECT_TRUE(mentions(find_problems(read_machine(root.path().string())), "saves power"));
}

TEST(Machine, MemoryLimitOfAControlGroup) {
  TemporaryFolder root;
  furnish(root);
  put(root / "proc/self/cgroup", "0::/box\n");
  put(root / "sys/fs/cgroup/box/memory.max", "2000000000\n");
  put(root / "sys/fs/cgroup/box/memory.current", "500000000\n");
  const Machine machine = read_machine(root.path().string());
  EXPECT_EQ(machine.memory_available, 1'500'000'000u);
  EXPECT_TRUE(mentions(find_problems(machine), "control group leaves 1.50 GB"));
}

TEST(Bandwidth, MeasuresSomethingPlausible) {
  const double memory = memory_bandwidth(1, std::uint64_t{256} << 20);
  EXPECT_GT(memory, 1e8);
  EXPECT_LT(memory, 1e12);
  TemporaryFolder folder;
  const DiskSpeed disk = disk_read_speed(folder / "not" / "there" / "yet");
  EXPECT_TRUE(disk.bytes_per_second > 1e5 || !disk.note.empty());
  EXPECT_TRUE(std::filesystem::is_empty(folder.path())) << "nothing is left behind";
}

TEST(Format, BytesAndTimes) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(999), "999 B");
  EXPECT_EQ(human_bytes(1000), "1.00 kB");
  EXPECT_EQ(human_bytes(1'117'321'312), "1.12 GB");
  EXPECT_EQ(human_bytes(999'999), "1.00 MB");
  EXPECT_EQ(human_bytes(404'000'000'000), "404 GB");
  EXPECT_EQ(human_time(0), "0 s");
  EXPECT_EQ(human_time(99.4), "99 s");
  EXPECT_EQ(human_time(125), "2:05");
  EXPECT_EQ(human_time(3725), "1:02:05");
}

TEST(Isa, PicksTheFastestOrTheOneNamed) {
  KernelTable scalar{}, avx2{};
  scalar.isa = "scalar";
  avx2.isa = "avx2";
  const std::vector<const KernelTable*> tables = {nullptr, &avx2, &scalar};
  EXPECT_EQ(&pick_kernels("", tables), &avx2);
  EXPECT_EQ(&pick_kernels("scalar", tables), &scalar);
  EXPECT_THROW(pick_kernels("avx512", tables), Error) << "the machine lacks it";
  EXPECT_THROW(pick_kernels("mmx", tables), Error);
}

TEST(Doctor, NamesTheKernelsThatRun) {
  const auto doctor = [](const std::string& isa) { return doctor_json("LIMPID_ISA=" + isa, "-t 1"); };
  const auto about = [](const nlohmann::json& json) {
    for (const nlohmann::json& problem : json.at("problems"))
      if (problem.at("what").get<std::string>().find("LIMPID_ISA") != std::string::npos)
        return problem.at("what").get<std::string>();
    return std::string();
  };
  const nlohmann::json scalar = doctor("scalar");
  EXPECT_EQ(scalar.at("cpu").at("isa"), "scalar");
  const std::string best = scalar.at("cpu").at("best_isa");
  if (best != "scalar")
    EXPECT_EQ(about(scalar), "LIMPID_ISA asks for scalar, the processor has " + best);
  else
    EXPECT_EQ(about(scalar), "");
  EXPECT_NE(about(doctor("mmx")).find("'mmx'"), std::string::npos);
}

TEST(Doctor, NeedsNoStore) {
  const nlohmann::json json = doctor_json("env -u LIMPID_HOME -u XDG_DATA_HOME -u HOME", "-t 1");
  EXPECT_EQ(json.at("disk").at("store"), "");
  EXPECT_NE(json.at("problems").dump().find("no place for models: none of LIMPID_HOME"), std::string::npos);
}

TEST(Doctor, NamesAVariantOfR1AndWhatItNeeds) {
  const nlohmann::json said = doctor_json("", "-t 1");
  for (const nlohmann::json& model : said.at("models")) {
    EXPECT_GT(model.at("memory"), model.at("bytes")) << model.dump();
    if (model.at("name") == "r1:UD-IQ1_S" ||
        (model.at("name").get<std::string>().starts_with("r1:") && model.at("fits").get<bool>()))
      return;
  }
  FAIL() << "none that fits, and not the smallest";
}

TEST(Doctor, JsonIsComplete) {
  const nlohmann::json json = doctor_json("", "");
  EXPECT_GE(json.at("cpu").at("default_threads").get<int>(), 1);
  EXPECT_GT(json.at("memory").at("bandwidth_all").get<double>(), 1e8);
  EXPECT_GT(json.at("memory").at("available").get<double>(), 0);
  EXPECT_GE(json.at("models").size(), 11u);
  EXPECT_TRUE(json.at("problems").is_array());
  EXPECT_EQ(json.at("disk").at("store").get<std::string>(), "/nowhere/at/all");
}
