#include "net/http_workers.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <vector>

namespace limpid {
namespace {

// Jobs of one worker that is held until open(): what waits runs in the order of the queue, and is written down.
struct World {
  explicit World(std::size_t places) : workers(places) {
    workers.start(1);
    EXPECT_TRUE(workers.submit({1, "holder", [this] { wait(); }, {}}));
    while (workers.waiting() > 0) std::this_thread::yield();
  }
  void wait() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return opened; });
  }
  void open() {
    {
      const std::lock_guard lock(mutex);
      opened = true;
    }
    changed.notify_all();
    while (workers.waiting() > 0) std::this_thread::yield();
    workers.stop();
  }
  bool add(int rank, const std::string& share, const std::string& name) {
    return workers.submit(
        {rank, share, [this, name] { ran.push_back(name); }, [this, name] { dropped.push_back(name); }});
  }
  std::mutex mutex;
  std::condition_variable changed;
  bool opened = false;
  std::vector<std::string> ran, dropped;  // by the one worker, by the one who adds
  HttpWorkers workers;
};

using Names = std::vector<std::string>;

TEST(HttpWorkers, TheHighestRankGoesFirstAndSharesTakeTurns) {
  World world(16);
  for (const char* name : {"a1", "a2", "a3"}) world.add(0, "a", name);
  world.add(0, "b", "b1");
  world.add(10, "p", "p1");
  world.add(-5, "s", "s1");
  world.add(10, "p", "p2");
  world.open();
  EXPECT_EQ(world.ran, (Names{"p1", "p2", "a1", "b1", "a2", "a3", "s1"}));
}

TEST(HttpWorkers, WhenFullTheLeastEntitledLosesItsPlace) {
  World world(4);
  for (const char* name : {"a1", "a2", "a3"}) EXPECT_TRUE(world.add(0, "a", name));
  EXPECT_TRUE(world.add(0, "b", "b1"));
  EXPECT_FALSE(world.add(0, "a", "a4")) << "an account with many does not drive out one with few";
  EXPECT_FALSE(world.add(-1, "s", "s1"));
  EXPECT_TRUE(world.add(0, "c", "c1"));  // for the newest of who has most
  EXPECT_EQ(world.dropped, (Names{"a3"}));
  EXPECT_TRUE(world.add(10, "p", "p1"));
  EXPECT_EQ(world.dropped, (Names{"a3", "a2"}));
  for (const char* name : {"p2", "p3", "p4"}) EXPECT_TRUE(world.add(10, "p", name));
  EXPECT_FALSE(world.add(10, "p", "p5"));
  EXPECT_EQ(world.workers.waiting(), 4u);
  EXPECT_EQ(world.dropped.size(), 5u);
  world.open();
  EXPECT_EQ(world.ran, (Names{"p1", "p2", "p3", "p4"}));
}

TEST(HttpWorkers, OneThreadIsKeptForThoseAboveZero) {
  HttpWorkers workers(64);
  workers.start(3);
  std::mutex mutex;
  std::condition_variable changed;
  bool opened = false;
  int low = 0;
  const auto hold = [&] {
    std::unique_lock lock(mutex);
    ++low;
    changed.notify_all();
    changed.wait(lock, [&] { return opened; });
  };
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(workers.submit({0, "a", hold, {}}));
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return low == 2; });
  }
  for (int i = 0; i < 100; ++i) {  // one after another, each while the others are taken
    std::atomic<bool> done = false;
    EXPECT_TRUE(workers.submit({1,
                                "p",
                                [&] {
                                  done = true;
                                  done.notify_all();
                                },
                                {}}));
    done.wait(false);
  }
  {
    const std::lock_guard lock(mutex);
    EXPECT_EQ(low, 2);
    opened = true;
  }
  changed.notify_all();
  while (workers.waiting() > 0) std::this_thread::yield();
  workers.stop();
  EXPECT_EQ(low, 8);
}

TEST(HttpWorkers, NothingIsLostWhoeverIsNotified) {
  HttpWorkers workers(1 << 20);
  workers.start(4);
  std::atomic<int> ran = 0;
  for (int i = 0; i < 20'000; ++i) ASSERT_TRUE(workers.submit({i % 3 - 1, std::to_string(i % 7), [&] { ++ran; }, {}}));
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (ran < 20'000 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  EXPECT_EQ(ran, 20'000);
}

TEST(HttpWorkers, ThreadsForWhatTakesLongStandBack) {
  HttpWorkers workers(8, 7);
  workers.start(2);
  const int own = getpriority(PRIO_PROCESS, 0);
  std::atomic<int> low = -100;
  EXPECT_TRUE(workers.submit({0,
                              "a",
                              [&] {
                                low = getpriority(PRIO_PROCESS, 0);
                                low.notify_all();
                              },
                              {}}));
  low.wait(-100);
  EXPECT_EQ(low, std::min(own + 7, 19));
}

}  // namespace
}  // namespace limpid
