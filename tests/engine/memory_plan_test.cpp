// Memory before loading: what is there (in a made-up /proc and /sys), what fits, and what the refusal says.
#include "engine/memory_plan.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"

namespace limpid::memory_plan_test {  // limpid has MemoryFiles of its own
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

class MemoryFiles : public testing::Test {
 protected:
  MemoryFiles()
      : root_(testing::TempDir() + "memory_plan_" + testing::UnitTest::GetInstance()->current_test_info()->name()) {
    std::filesystem::remove_all(root_);
    write("proc/meminfo", "MemTotal:       8192000 kB\nMemFree: 1 kB\nMemAvailable:   4096000 kB\n");
  }
  ~MemoryFiles() override { std::filesystem::remove_all(root_); }
  void write(const std::string& path, const std::string& text) const {
    const std::filesystem::path full = std::filesystem::path(root_) / path;
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full) << text;
  }
  std::string root_;
};

TEST_F(MemoryFiles, WithoutGroupsItIsMemAvailable) {
  const AvailableMemory available = available_memory(root_);
  EXPECT_EQ(available.bytes, 4096000U * 1024);
  EXPECT_EQ(available.limited_by, "MemAvailable");
}

TEST_F(MemoryFiles, Version2LimitsCountOnEveryLevel) {
  write("proc/self/cgroup", "0::/a/b\n");
  write("sys/fs/cgroup/a/memory.max", "1000000000\n");
  write("sys/fs/cgroup/a/memory.current", "400000000\n");
  write("sys/fs/cgroup/a/memory.stat", "anon 100\ninactive_file 50000000\n");
  write("sys/fs/cgroup/a/b/memory.max", "max\n");
  write("sys/fs/cgroup/a/b/memory.current", "1\n");
  AvailableMemory available = available_memory(root_);
  EXPECT_EQ(available.bytes, 650000000U);
  EXPECT_NE(available.limited_by.find("/sys/fs/cgroup/a"), std::string::npos);
  write("sys/fs/cgroup/a/b/memory.max", "300000000\n");
  EXPECT_EQ(available_memory(root_).bytes, 299999999U);
  write("sys/fs/cgroup/a/b/memory.current", "900000000\n");
  EXPECT_EQ(available_memory(root_).bytes, 0U) << "over its limit";
}

TEST_F(MemoryFiles, InAContainerTheMountsRootIsOurs) {
  write("proc/self/cgroup", "0::/docker/of/the/host\n");
  write("sys/fs/cgroup/memory.max", "500000000\n");
  write("sys/fs/cgroup/memory.current", "100000000\n");
  EXPECT_EQ(available_memory(root_).bytes, 400000000U);
}

TEST_F(MemoryFiles, Version1) {
  write("proc/self/cgroup", "12:cpu,cpuacct:/x\n5:memory:/docker/abc\n0::/\n");
  write("sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "700000000\n");
  write("sys/fs/cgroup/memory/docker/abc/memory.usage_in_bytes", "300000000\n");
  write("sys/fs/cgroup/memory/docker/abc/memory.stat", "total_inactive_file 100000000\n");
  EXPECT_EQ(available_memory(root_).bytes, 500000000U);
}

TEST(AvailableMemory, ThisMachineHasSome) {
  EXPECT_GT(available_memory().bytes, 16 * kMiB);
  EXPECT_THROW(available_memory("/nowhere"), Error);
}

// A token takes 2 * 8 heads * 128 values * 2 bytes * 32 layers = 128 KiB: an 8B model.
MemoryNeeds needs(std::uint64_t weights) {
  MemoryNeeds result;
  result.weights = weights;
  result.layout.kv_heads = 8;
  result.layout.key_dim = result.layout.value_dim = 128;
  result.layers = 32;
  result.model_context = 131072;
  return result;
}

TEST(MemoryPlan, DefaultContextIsWhatFits) {
  const MemoryPlan large = plan_memory(needs(5000 * kMiB), {64000 * kMiB, "MemAvailable"});
  EXPECT_EQ(large.context, 131072);
  EXPECT_EQ(large.cache, 16384 * kMiB);
  EXPECT_EQ(large.needed, 21384 * kMiB);
  EXPECT_EQ(large.pages, 2048);
  const MemoryPlan middle = plan_memory(needs(5000 * kMiB), {10000 * kMiB, "MemAvailable"});
  EXPECT_EQ(middle.context, (10000 - 1000 - 5000) * 8) << "a tenth is left free";
  const MemoryPlan tight = plan_memory(needs(5000 * kMiB), {6100 * kMiB, "MemAvailable"});
  EXPECT_EQ(tight.context, 8192) << "8 k fit, if barely";
  const MemoryPlan tighter = plan_memory(needs(5000 * kMiB), {5700 * kMiB, "MemAvailable"});
  EXPECT_EQ(tighter.context, 700 * 8 / 64 * 64) << "whole pages";
}

TEST(MemoryPlan, WhatIsAskedForIsTakenOrRefused) {
  EXPECT_EQ(plan_memory(needs(0), {1000 * kMiB, "MemAvailable"}, 1000).context, 1000);
  EXPECT_EQ(plan_memory(needs(0), {1000 * kMiB, "MemAvailable"}, 1000).pages, 16);
  MemoryNeeds two = needs(0);
  two.sequences = 2;
  EXPECT_EQ(plan_memory(two, {1000 * kMiB, "MemAvailable"}, 1000).pages, 32);
  EXPECT_THROW(plan_memory(needs(0), {1 << 30, "MemAvailable"}, 131073), Error);
  EXPECT_THROW(plan_memory(needs(0), {1 << 30, "MemAvailable"}, -1), Error);
}

TEST(MemoryPlan, TheRefusalSaysWhatIsNeededAndWhatIsThere) {
  const auto message = [](std::uint64_t weights, std::uint64_t available, int context) -> std::string {
    try {
      plan_memory(needs(weights), {available, "cgroup /sys/fs/cgroup/a"}, context);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::resources);
      return error.what();
    }
    return "no error";
  };
  const std::string long_context = message(5000 * kMiB, 6000 * kMiB, 65536);
  for (const char* part : {"13192 MiB are needed", "weights 5000", "65536 tokens 8192", "6000 MiB are available",
                           "cgroup /sys/fs/cgroup/a", "8000 tokens would fit"})
    EXPECT_NE(long_context.find(part), std::string::npos) << part << " in: " << long_context;
  EXPECT_NE(message(9000 * kMiB, 6000 * kMiB, 0).find("no context would fit"), std::string::npos);
}

}  // namespace
}  // namespace limpid::memory_plan_test
