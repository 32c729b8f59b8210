// Control groups in a made-up /proc and /sys: every level counts, versions 1 and 2, and how many threads are left.
#include "base/control_groups.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/thread_team.h"

namespace limpid {
namespace {

class ControlGroups : public testing::Test {
 protected:
  ControlGroups()
      : root_(testing::TempDir() + "control_groups_" + std::to_string(getpid()) +
              testing::UnitTest::GetInstance()->current_test_info()->name()) {
    std::filesystem::remove_all(root_);
  }
  ~ControlGroups() override { std::filesystem::remove_all(root_); }
  void write(const std::string& path, const std::string& text) const {
    const std::filesystem::path full = std::filesystem::path(root_) / path;
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full) << text;
  }
  std::string root_;
};

TEST_F(ControlGroups, WithoutFilesThereIsNoLimit) {
  EXPECT_EQ(cpu_quota(root_), 0);
  EXPECT_EQ(cores_in_quota(64, root_), 64);
  EXPECT_GE(default_threads(), 1);
}

TEST_F(ControlGroups, AQuotaOfASliceCounts) {
  write("proc/self/cgroup", "0::/system.slice/limpid.service\n");
  write("sys/fs/cgroup/system.slice/limpid.service/cpu.max", "max 100000\n");
  write("sys/fs/cgroup/system.slice/cpu.max", "50000 100000\n");
  EXPECT_DOUBLE_EQ(cpu_quota(root_), 0.5);
  EXPECT_EQ(cores_in_quota(64, root_), 1);
}

TEST_F(ControlGroups, TheTightestLevelWins) {
  write("proc/self/cgroup", "0::/a/b\n");
  write("sys/fs/cgroup/a/b/cpu.max", "250000 100000\n");
  write("sys/fs/cgroup/a/cpu.max", "300000 200000\n");
  write("sys/fs/cgroup/cpu.max", "400000 100000\n");
  EXPECT_DOUBLE_EQ(cpu_quota(root_), 1.5);
  EXPECT_EQ(cores_in_quota(64, root_), 2);
  EXPECT_EQ(cores_in_quota(1, root_), 1);
  write("sys/fs/cgroup/a/b/cpu.max", "20000 100000\n");
  EXPECT_DOUBLE_EQ(cpu_quota(root_), 0.2);
}

TEST_F(ControlGroups, InAContainerTheMountsRootIsOurs) {
  write("proc/self/cgroup", "0::/docker/of/the/host\n");
  write("sys/fs/cgroup/cpu.max", "150000 100000\n");
  EXPECT_DOUBLE_EQ(cpu_quota(root_), 1.5);
  write("proc/self/cgroup", "0::/../other\n");
  write("sys/fs/other/cpu.max", "1000 100000\n");  // outside the mount
  EXPECT_DOUBLE_EQ(cpu_quota(root_), 1.5);
}

TEST_F(ControlGroups, Version1) {
  write("proc/self/cgroup", "5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n0::/\n");
  write("sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "-1\n");
  write("sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cpu_quota(root_), 0);
  write("sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_quota_us", "75000\n");
  write("sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_period_us", "50000\n");
  EXPECT_DOUBLE_EQ(cpu_quota(root_), 1.5);
  std::filesystem::create_directory_symlink("cpu,cpuacct", root_ + "/sys/fs/cgroup/cpu");  // as systems have it
  EXPECT_DOUBLE_EQ(cpu_quota(root_), 1.5);
}

TEST_F(ControlGroups, BothVersionsAtATime) {
  write("proc/self/cgroup", "4:cpuset:/x\n1:cpu:/c\n0::/service\n");
  write("sys/fs/cgroup/cpu/c/cpu.cfs_quota_us", "300000\n");
  write("sys/fs/cgroup/cpu/c/cpu.cfs_period_us", "100000\n");
  write("sys/fs/cgroup/unified/service/cpu.max", "200000 100000\n");
  EXPECT_DOUBLE_EQ(cpu_quota(root_), 2);
  const std::vector<ControlGroup> groups = control_groups("memory", root_);
  ASSERT_EQ(groups.size(), 2U);
  EXPECT_EQ(groups[0].directory, root_ + "/sys/fs/cgroup/unified/service");
}

}  // namespace
}  // namespace limpid
