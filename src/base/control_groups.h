// Control groups: the limits that Linux puts on this process through the tree of groups that it is in. Each level of the tree may have its own limit
// (a container, a systemd slice above it), so whoever asks looks at all of them. Versions 1 and 2, and both at a time. Read anew at every call.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace limpid {

struct ControlGroup {
  std::string directory;  // "/sys/fs/cgroup/system.slice/limpid.service"
  int version = 2;        // 1 or 2: they name their files differently
};

// The groups of this process that may limit `controller` ("cpu", "memory"), the innermost first, the root of the mount last. Inside a container the
// path in /proc/self/cgroup may not exist below the mount; then the mount's root is the container's own. `root`: where /proc and /sys are looked for.
std::vector<ControlGroup> control_groups(std::string_view controller, const std::string& root = "/");

// The first number of a file such as memory.max; nothing where there is no such file or it says "max".
std::optional<std::uint64_t> group_number(const std::string& path);

// Cores that the tightest quota of these groups gives; 0 where none limits.
double cpu_quota(const std::string& root = "/");
// How many of `cores` that quota lets run: it rounded up, at least 1.
int cores_in_quota(int cores, const std::string& root = "/");

}  // namespace limpid
