#include "engine/memory_plan.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>

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

std::optional<std::uint64_t> number(const std::string& path) {
  std::ifstream file(path);
  std::uint64_t value = 0;
  return file >> value ? std::optional(value) : std::nullopt;  // "max" is no number: no limit
}

struct GroupFiles {
  std::string limit, usage, reclaimable;
};

void consider(const std::string& directory, const GroupFiles& files, AvailableMemory& least) {
  const auto limit = number(directory + files.limit), usage = number(directory + files.usage);
  if (!limit || !usage) return;
  const std::uint64_t used =
      *usage - std::min(*usage, field(directory + "/memory.stat", files.reclaimable).value_or(0));
  const std::uint64_t left = *limit > used ? *limit - used : 0;
  if (left < least.bytes) least = {left, "cgroup " + directory};
}

// Inside a container the path in /proc/self/cgroup may not exist below /sys/fs/cgroup; then the mount's own root is
// ours.
void consider_groups(const std::string& mount, std::string path, const GroupFiles& files, AvailableMemory& least) {
  while (!path.empty() && path != "/") {
    consider(mount + path, files, least);
    path.resize(path.find_last_of('/'));
  }
  consider(mount, files, least);
}

std::uint64_t mib(std::uint64_t bytes) { return (bytes + kMiB - 1) / kMiB; }

}  // namespace

AvailableMemory available_memory(const std::string& root) {
  const std::string base = root.ends_with('/') ? root : root + "/";
  const auto kilobytes = field(base + "proc/meminfo", "MemAvailable:");
  if (!kilobytes) fail(ErrorKind::system, "read {}proc/meminfo: no line MemAvailable", base);
  AvailableMemory least{*kilobytes * 1024, "MemAvailable"};
  std::ifstream groups(base + "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {  // "0::/user.slice" (v2), "5:memory:/docker/abc" (v1)
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const std::string path = line.substr(second + 1);
    if (controllers == ",,")
      consider_groups(base + "sys/fs/cgroup", path, {"/memory.max", "/memory.current", "inactive_file"}, least);
    else if (controllers.find(",memory,") != std::string::npos)
      consider_groups(base + "sys/fs/cgroup/memory", path,
                      {"/memory.limit_in_bytes", "/memory.usage_in_bytes", "total_inactive_file"}, least);
  }
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
