#include "base/control_groups.h"

#include <cmath>
#include <filesystem>
#include <fstream>

namespace limpid {

namespace {

// The group `path` of the hierarchy mounted at `mount`, and every one above it. A path that leaves the mount ("/../other", a namespace's view) is
// none that could be read: the root alone.
void add_levels(const std::string& mount, std::string path, int version, std::vector<ControlGroup>& groups) {
  if (path.find("..") != std::string::npos) path.clear();
  while (!path.empty() && path != "/") {
    groups.push_back({mount + path, version});
    path.resize(path.find_last_of('/'));
  }
  groups.push_back({mount, version});
}

bool is_directory(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_directory(path, error);
}

// Cores by a group's own quota; nothing where it has none.
std::optional<double> quota_of(const ControlGroup& group) {
  double quota = 0, period = 0;
  if (group.version == 2) {
    std::ifstream file(group.directory + "/cpu.max");  // "150000 100000" or "max 100000"
    if (!(file >> quota >> period)) return std::nullopt;
  } else if (!(std::ifstream(group.directory + "/cpu.cfs_quota_us") >> quota) ||  // -1: none
             !(std::ifstream(group.directory + "/cpu.cfs_period_us") >> period)) {
    return std::nullopt;
  }
  if (!(quota > 0) || !(period > 0)) return std::nullopt;
  return quota / period;
}

}  // namespace

std::vector<ControlGroup> control_groups(std::string_view controller, const std::string& root) {
  const std::string base = root.ends_with('/') ? root : root + "/", mounts = base + "sys/fs/cgroup";
  std::vector<ControlGroup> groups;
  std::ifstream lines(base + "proc/self/cgroup");
  for (std::string line; std::getline(lines, line);) {  // "0::/user.slice" (version 2), "5:cpu,cpuacct:/docker/abc" (1)
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1), path = line.substr(second + 1);
    if (controllers.empty()) {
      add_levels(is_directory(mounts + "/unified") ? mounts + "/unified" : mounts, path, 2, groups);
    } else if (("," + controllers + ",").find("," + std::string(controller) + ",") != std::string::npos) {
      const std::string own = mounts + "/" + std::string(controller);  // as a rule a link to the joint mount
      add_levels(is_directory(own) ? own : mounts + "/" + controllers, path, 1, groups);
    }
  }
  if (groups.empty()) groups.push_back({mounts, 2});  // no /proc/self/cgroup
  return groups;
}

std::optional<std::uint64_t> group_number(const std::string& path) {
  std::ifstream file(path);
  std::uint64_t value = 0;
  return file >> value ? std::optional(value) : std::nullopt;
}

double cpu_quota(const std::string& root) {
  double least = 0;
  for (const ControlGroup& group : control_groups("cpu", root))
    if (const auto quota = quota_of(group); quota && (least == 0 || *quota < least)) least = *quota;
  return least;
}

int cores_in_quota(int cores, const std::string& root) {
  const double quota = cpu_quota(root);
  return quota > 0 && quota < cores ? static_cast<int>(std::ceil(quota)) : cores;
}

}  // namespace limpid
