#include "engine/memory_plan.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>

#include "base/control_groups.h"
#include "base/error.h"
#include "tensor/layout.h"

namespace limpid {

namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr int kLeastContext = 512;  // less than this is no conversation: refuse instead

// The number after `key` at the start of a line: "MemAvailable:   123 kB", "inactive_file 456".
std::optional<std::uint64_t> field(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name;
    std::uint64_t value = 0;
    if (words >> name >> value && name == key) return value;
  }
  return std::nullopt;
}

void consider(const ControlGroup& group, AvailableMemory& least) {
  const std::string in = group.directory + "/";
  const bool v2 = group.version == 2;
  const auto limit = group_number(in + (v2 ? "memory.max" : "memory.limit_in_bytes"));
  const auto usage = group_number(in + (v2 ? "memory.current" : "memory.usage_in_bytes"));
  if (!limit || !usage) return;
  const auto reclaimable = field(in + "memory.stat", v2 ? "inactive_file" : "total_inactive_file");
  const std::uint64_t used = *usage - std::min(*usage, reclaimable.value_or(0));
  const std::uint64_t left = *limit > used ? *limit - used : 0;
  if (left < least.bytes) least = {left, "cgroup " + group.directory};
}

std::uint64_t mib(std::uint64_t bytes) { return (bytes + kMiB - 1) / kMiB; }

}  // namespace

AvailableMemory available_memory(const std::string& root) {
  const std::string base = root.ends_with('/') ? root : root + "/";
  const auto kilobytes = field(base + "proc/meminfo", "MemAvailable:");
  if (!kilobytes) fail(ErrorKind::system, "read {}proc/meminfo: no line MemAvailable", base);
  AvailableMemory least{*kilobytes * 1024, "MemAvailable"};
  for (const ControlGroup& group : control_groups("memory", root)) consider(group, least);
  return least;
}

MemoryPlan plan_memory(const MemoryNeeds& needs, const AvailableMemory& available, int context) {
  if (context < 0 || context > needs.model_context)
    fail(ErrorKind::input, "context of {} tokens: the model has 1 to {}", context, needs.model_context);
  const std::uint64_t per_page =
      page_bytes(needs.layout) * static_cast<std::uint64_t>(needs.layers) * static_cast<std::uint64_t>(needs.sequences);
  const std::uint64_t fixed = needs.weights + needs.work;
  const auto pages_in = [&](std::uint64_t bytes) { return bytes > fixed ? (bytes - fixed) / per_page : 0; };
  const auto tokens_in = [&](std::uint64_t bytes) {
    return static_cast<int>(
        std::min<std::uint64_t>(pages_in(bytes) * kPageTokens, static_cast<std::uint64_t>(needs.model_context)));
  };
  MemoryPlan plan;
  plan.available = available;
  plan.context = context;
  if (context == 0) {
    const int most = tokens_in(available.bytes);
    plan.context = std::max(tokens_in(available.bytes - available.bytes / 10), std::min(most, kWantedContext));
    if (plan.context == 0) plan.context = std::min(needs.model_context, kLeastContext);
  }
  const int pages = (plan.context + kPageTokens - 1) / kPageTokens;
  plan.pages = pages * needs.sequences;
  plan.cache = static_cast<std::uint64_t>(pages) * per_page;
  plan.needed = fixed + plan.cache;
  const bool too_short = context == 0 && plan.context < std::min(needs.model_context, kLeastContext);
  if (plan.needed > available.bytes || too_short)
    fail(ErrorKind::resources,
         "not enough memory: {} MiB are needed (weights {}, cache of {} tokens {}, work {}), {} MiB are available "
         "({}); {}",
         mib(plan.needed), mib(needs.weights), plan.context, mib(plan.cache), mib(needs.work), available.bytes / kMiB,
         available.limited_by,
         tokens_in(available.bytes) > 0 ? fmt::format("a context of {} tokens would fit", tokens_in(available.bytes))
                                        : std::string("no context would fit"));
  return plan;
}

}  // namespace limpid
