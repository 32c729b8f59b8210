// limpid doctor: what this machine has, what fits on it and how fast it should go, and what is wrong with it.
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "app/bandwidth.h"
#include "app/commands.h"
#include "app/format.h"
#include "app/hub_setup.h"
#include "app/machine.h"
#include "app/model_choice.h"
#include "app/output.h"
#include "base/thread_team.h"
#include "hub/catalogue.h"
#include "hub/files.h"

namespace limpid {

namespace {

struct Fit {
  std::string name;
  std::uint64_t bytes = 0, memory = 0;  // its size, and what it needs
  bool exact = false, fits = false;
  double tokens_per_second = 0;
};

struct MachineReport {
  Machine machine;
  int threads = 1;
  std::string isa;
  double bandwidth_one = 0, bandwidth_all = 0;  // bytes a second
  DiskSpeed disk;
  std::filesystem::path store;  // "": there is no place for one
  std::uint64_t store_free = 0;
  std::vector<Fit> fits;
  std::vector<Problem> problems;
};

// The kernels that a run would take, LIMPID_ISA heeded; what keeps them from the best becomes a problem.
std::string kernels_here(const Context& context, const Machine& machine, std::vector<Problem>& problems) {
  const char* wanted = std::getenv("LIMPID_ISA");
  std::string isa;
  try {
    isa = context.kernels().isa;
  } catch (const Error& error) {
    problems.push_back({fmt::format("no command computes: {}", error.what()), "unset LIMPID_ISA"});
    return "none";
  }
  if (isa_named(isa) >= machine.best_isa) return isa;
  if (wanted != nullptr && *wanted != 0)
    problems.push_back({fmt::format("LIMPID_ISA asks for {}, the processor has {}", isa, name(machine.best_isa)),
                        "unset LIMPID_ISA: models run faster then"});
  else
    problems.push_back({fmt::format("this program was built without kernels for {}", name(machine.best_isa)),
                        "build it without LIMPID_SCALAR_ONLY"});
  return isa;
}

std::vector<Fit> find_fits(const MachineReport& report) {
  std::vector<Fit> fits;
  const Catalogue catalogue = Catalogue::built_in();
  for (const CatalogueModel& model : catalogue.models())
    for (const CatalogueVariant* variant : listed_variants(model, report.machine.memory_available)) {
      Fit fit{model.name + ":" + variant->quant, variant->bytes, memory_needed(variant->bytes), variant->exact};
      fit.fits = fit.memory <= report.machine.memory_available;
      fit.tokens_per_second = tokens_per_second(model, variant->bytes, report.bandwidth_all);
      fits.push_back(fit);
    }
  return fits;
}

MachineReport examine(const Context& context) {
  MachineReport report;
  report.machine = read_machine();
  report.threads = context.threads();
  report.bandwidth_one = memory_bandwidth(1, report.machine.memory_available);
  report.bandwidth_all =
      report.threads == 1 ? report.bandwidth_one : memory_bandwidth(report.threads, report.machine.memory_available);
  if (const std::optional<Store> store = find_store()) {
    report.store = store->root();
    report.store_free = free_disk(report.store);
    report.disk = disk_read_speed(report.store);
  } else {
    report.disk.note = "no store";
  }
  report.fits = find_fits(report);
  report.problems = find_problems(report.machine);
  report.isa = kernels_here(context, report.machine, report.problems);
  if (report.store.empty()) report.problems.push_back({kNoStore, "set LIMPID_HOME to a folder that may hold them"});
  return report;
}

std::string join(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

std::string rate(double bytes_per_second) { return human_bytes(static_cast<std::uint64_t>(bytes_per_second)) + "/s"; }

void print_machine(const MachineReport& report) {
  const Machine& m = report.machine;
  print("Processor   {}\n", m.cpu.empty() ? "unknown" : m.cpu);
  print("Cores       {} physical, {} threads; this process may use {}{}; default -t {}\n", m.physical, m.logical,
        m.usable, m.quota > 0 ? fmt::format(" within a quota of {:.3g}", m.quota) : "", report.threads);
  print("Kernels     {} ({})\n", report.isa,
        m.features.empty() ? "no vector extensions that limpid uses" : join(m.features));
  print("Memory      {} total, {} available ({}){}\n", human_bytes(m.memory_total), human_bytes(m.memory_available),
        m.memory_limited_by,
        m.swap_total > 0 ? fmt::format("; swap {} of {} used", human_bytes(m.swap_used), human_bytes(m.swap_total))
                         : "; no swap");
  print("Huge pages  {}\n", m.huge_pages.empty() ? "unknown" : m.huge_pages);
  print("Bandwidth   memory {} with 1 thread, {} with {}\n", rate(report.bandwidth_one), rate(report.bandwidth_all),
        report.threads);
  if (report.store.empty())
    print("Disk        not measured: {}\n", report.disk.note);
  else if (report.disk.bytes_per_second > 0)
    print("Disk        {} read{}, {} free ({})\n", rate(report.disk.bytes_per_second),
          report.disk.direct ? "" : " (not past the cache)", human_bytes(report.store_free), report.store.string());
  else
    print("Disk        not measured: {}; {} free ({})\n", report.disk.note, human_bytes(report.store_free),
          report.store.string());
}

void print_fits(const MachineReport& report) {
  print(
      "\nModels that `limpid pull` knows, with the speed that memory allows (estimates; ~: size as published, "
      "rounded)\n");
  for (const Fit& fit : report.fits) {
    const std::string size = (fit.exact ? "" : "~") + human_bytes(fit.bytes);
    const std::string speed = fit.fits ? fmt::format("about {:.3g} tokens/s", fit.tokens_per_second)
                                       : fmt::format("does not fit into memory: needs {}", human_bytes(fit.memory));
    print("  {:<32} {:>8}  {}\n", fit.name, size, speed);
  }
}

void print_problems(const MachineReport& report) {
  write_out(report.problems.empty() ? "\nNothing is wrong.\n" : "\nWhat could be better\n");
  for (const Problem& problem : report.problems) print("  - {}\n    {}\n", problem.what, problem.advice);
}

nlohmann::json to_json(const MachineReport& report) {
  const Machine& m = report.machine;
  nlohmann::json out;
  out["cpu"] = {{"name", m.cpu},
                {"physical_cores", m.physical},
                {"threads", m.logical},
                {"usable_threads", m.usable},
                {"quota", m.quota},
                {"default_threads", report.threads},
                {"features", m.features},
                {"isa", report.isa},
                {"best_isa", name(m.best_isa)},
                {"governor", m.governor},
                {"load", m.load}};
  out["memory"] = {{"total", m.memory_total},
                   {"available", m.memory_available},
                   {"limited_by", m.memory_limited_by},
                   {"swap_total", m.swap_total},
                   {"swap_used", m.swap_used},
                   {"huge_pages", m.huge_pages},
                   {"bandwidth_1", report.bandwidth_one},
                   {"bandwidth_all", report.bandwidth_all}};
  out["disk"] = {{"store", report.store.string()},
                 {"free", report.store_free},
                 {"read", report.disk.bytes_per_second},
                 {"direct", report.disk.direct},
                 {"note", report.disk.note}};
  out["models"] = nlohmann::json::array();
  for (const Fit& fit : report.fits)
    out["models"].push_back({{"name", fit.name},
                             {"bytes", fit.bytes},
                             {"memory", fit.memory},
                             {"exact", fit.exact},
                             {"fits", fit.fits},
                             {"tokens_per_second", fit.tokens_per_second}});
  out["problems"] = nlohmann::json::array();
  for (const Problem& problem : report.problems)
    out["problems"].push_back({{"what", problem.what}, {"advice", problem.advice}});
  return out;
}

}  // namespace

void add_doctor(Program& program) {
  auto json = std::make_shared<bool>(false);
  Command command = program.add("doctor", "What this machine has, which models fit, what is wrong");
  command.threads();
  command.flag("--json", *json, "as JSON; sizes in bytes, bandwidths in bytes a second");
  command.examples("limpid doctor\nlimpid doctor --json | jq .problems");
  command.run([json](const Context& context) {
    const MachineReport report = examine(context);
    if (*json) {
      print("{}\n", to_json(report).dump(1));
      return 0;
    }
    print_machine(report);
    print_fits(report);
    print_problems(report);
    return 0;
  });
}

}  // namespace limpid
