#include <gtest/gtest.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <thread>

#include "base/error.h"
#include "base/mapped_file.h"
#include "base/memory.h"
#include "base/philox.h"
#include "base/thread_team.h"

namespace limpid {
namespace {

// Known answers of Random123 (kat_vectors, philox4x32-10).
TEST(Philox, KnownAnswers) {
  EXPECT_EQ(philox(0, {0, 0, 0, 0}), (PhiloxBlock{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox(~0ULL, {~0U, ~0U, ~0U, ~0U}), (PhiloxBlock{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox(0x299f31d0a4093822ULL, {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}),
            (PhiloxBlock{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, UniformStaysInUnitInterval) {
  double sum = 0;
  for (int i = 0; i < 10000; ++i) {
    const double u = philox_uniform(7, 1, static_cast<std::uint64_t>(i));
    ASSERT_GE(u, 0.0);
    ASSERT_LT(u, 1.0);
    sum += u;
  }
  EXPECT_NEAR(sum / 10000, 0.5, 0.02);
}

TEST(MappedFile, ReadsAFileAndNamesAMissingOne) {
  const std::string path = testing::TempDir() + "mapped";
  std::ofstream(path) << "limpid";
  MappedFile file(path);
  ASSERT_EQ(file.bytes().size(), 6U);
  EXPECT_EQ(static_cast<char>(file.bytes()[0]), 'l');
  ::unlink(path.c_str());
  try {
    MappedFile missing("/no/such/file");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::not_found);
    EXPECT_NE(std::string(error.what()).find("/no/such/file"), std::string::npos);
  }
}

TEST(Arena, AlignsAndRefusesWhenFull) {
  HugeBuffer memory(1 << 20);
  Arena arena({memory.data(), memory.size()});
  EXPECT_EQ(arena.take(1), memory.data());
  EXPECT_EQ(arena.take(1), memory.data() + 64);
  const auto mark = arena.mark();
  arena.take(1000);
  arena.rewind(mark);
  EXPECT_EQ(arena.take(1), memory.data() + 128);
  EXPECT_THROW(arena.take(1 << 20), Error);
  EXPECT_THROW(arena.take(~std::size_t{0}), Error);
}

TEST(ThreadTeam, AllThreadsMeetAtEveryBarrier) {
  for (int threads : {1, 2, 3, 5}) {
    ThreadTeam team(threads);
    std::atomic<int> count{0};
    for (int step = 0; step < 50; ++step) {
      count = 0;
      team.run([&](int) {
        for (int i = 1; i <= 20; ++i) {
          ++count;
          team.barrier().wait();
          EXPECT_EQ(count.load(), i * threads);
          team.barrier().wait();
        }
      });
    }
  }
}

// Work of 0 to 60 us between the barriers: some waits end while spinning, some sleep, some end in between.
TEST(ThreadTeam, NoThreadSleepsOn) {
  ThreadTeam team(2);
  std::atomic<int> count{0};
  team.run([&](int thread) {
    for (std::uint64_t i = 0; i < 3000; ++i) {
      const double us = 60 * philox_uniform(1, static_cast<std::uint64_t>(thread), i);
      const auto end = std::chrono::steady_clock::now() + std::chrono::nanoseconds(static_cast<int>(1000 * us));
      while (std::chrono::steady_clock::now() < end) {
      }
      ++count;
      team.barrier().wait();
    }
  });
  EXPECT_EQ(count, 6000);
}

double cpu_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

TEST(ThreadTeam, WhoWaitsLeavesTheCoreToOthers) {
  ThreadTeam team(2);
  std::array<double, 2> waited{};
  team.run([&](int thread) {
    if (thread == 0) std::this_thread::sleep_for(std::chrono::milliseconds(300));
    const double start = cpu_seconds();
    team.barrier().wait();
    waited[static_cast<std::size_t>(thread)] = cpu_seconds() - start;
  });
  EXPECT_LT(waited[1], 0.03);
  const double start = cpu_seconds();
  team.run([](int thread) {
    if (thread == 1) std::this_thread::sleep_for(std::chrono::milliseconds(300));
  });
  EXPECT_LT(cpu_seconds() - start, 0.03);
}

TEST(ThreadTeam, RethrowsTheErrorOfTheLowestThread) {
  ThreadTeam team(3);
  try {
    team.run([](int thread) { fail(ErrorKind::input, "thread {}", thread); });
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "thread 0");
  }
  team.run([](int) {});  // and goes on working
}

}  // namespace
}  // namespace limpid
