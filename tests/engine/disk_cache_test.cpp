// The prefix cache on disk, below an engine: after a restart exactly the new rows are computed and the answers are the
// same; whatever happens to the files, and to the process that writes them, no answer changes.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "base/error.h"
#include "engine_fixture.h"
#include "temporary_directory.h"

namespace limpid {
namespace {

namespace fs = std::filesystem;

std::shared_ptr<PageStore> store_in(const fs::path& directory, std::uint64_t bytes = 1 << 30) {
  PageStoreOptions options;
  options.directory = directory;
  options.bytes = bytes;
  return std::make_shared<PageStore>(options);
}

// A process's life: an engine with its own store, asked one thing after another.
class Life {
 public:
  Life(const FakeModel& model, const fs::path& directory, EngineOptions engine = options(),
       std::uint64_t bytes = 1 << 30)
      : store(store_in(directory, bytes)), engine_(model, with(std::move(engine), store)) {}
  Completion ask(const Request& asked) {
    Completion found = engine_.generate(asked);
    settle();
    return found;
  }
  void settle() {
    while (engine_.step()) {
    }
    store->drain();
  }
  Engine& engine() { return engine_; }
  const std::shared_ptr<PageStore> store;

 private:
  static EngineOptions with(EngineOptions engine, std::shared_ptr<PageStore> store) {
    engine.page_store = std::move(store);
    return engine;
  }
  Engine engine_;
};

Request turn_after(const Request& first, const Completion& answer, std::size_t more, unsigned seed) {
  Request second = first;
  for (const std::int32_t id : answer.ids()) second.prompt.push_back(id);
  for (const std::int32_t id : random_ids(more, seed)) second.prompt.push_back(id);
  return second;
}

std::vector<std::int32_t> uncached(const FakeModel& model, Request asked) {
  asked.use_cache = false;
  Engine alone(model, options());
  return alone.generate(asked).ids();
}

TEST(DiskCache, AfterARestartExactlyTheNewRowsAreComputed) {
  FakeModel model;
  const TemporaryDirectory directory;
  const Request first = request(random_ids(130, 4), 100);
  Completion answer;
  {
    Life life(model, directory.path());
    answer = life.ask(first);
    EXPECT_EQ(life.store->statistics().written, 4U) << "three full pages and what stands in the fourth";
  }
  const Request second = turn_after(first, answer, 40, 5);
  Life life(model, directory.path());
  const std::int64_t before = model.rows;
  const Completion again = life.ask(second);
  EXPECT_EQ(again.finished.usage.cached_tokens, 229) << "the last id of the answer was never computed";
  EXPECT_EQ(model.rows - before, 270 - 229 + 99);
  EXPECT_EQ(life.engine().statistics().restored_tokens, 229U);
  EXPECT_EQ(life.engine().statistics().reused_tokens, 229U);
  EXPECT_EQ(again.ids(), uncached(model, second));
  // From now on it is in memory.
  const std::uint64_t read = life.store->statistics().read;
  life.ask(second);
  EXPECT_EQ(life.store->statistics().read, read);
}

TEST(DiskCache, AtAndAroundTheBordersOfPages) {
  FakeModel model;
  for (const std::size_t length : {63U, 64U, 65U, 71U, 72U, 73U, 127U, 128U, 129U, 200U}) {
    const TemporaryDirectory directory;
    const Request asked = request(random_ids(length, 6), 1);
    Life(model, directory.path()).ask(asked);
    Life life(model, directory.path());
    const std::int64_t before = model.rows;
    const Completion again = life.ask(asked);
    // Of the last page fewer than eight ids are not worth a copy.
    const int known = static_cast<int>(length) - 1, tail = known % 64;
    const int expected = tail < PrefixCache::kLeastCopied ? known - tail : known;
    EXPECT_EQ(again.finished.usage.cached_tokens, expected) << length;
    EXPECT_EQ(model.rows - before, static_cast<int>(length) - expected) << length;
    EXPECT_EQ(again.ids(), uncached(model, asked));
  }
}

TEST(DiskCache, IsSeparateForAccountsUsersModelsAndTypes) {
  FakeModel model;
  const TemporaryDirectory directory;
  Request asked = request(random_ids(200, 9), 3);
  asked.account = "ada";
  {
    Life life(model, directory.path());
    life.ask(asked);
    EXPECT_EQ(life.store->owners(), std::vector{owner_of("ada")});
  }
  const auto cached = [&](const FakeModel& of, const Request& what, EngineOptions how = options()) {
    Life life(of, directory.path(), std::move(how));
    const Completion found = life.ask(what);
    EXPECT_EQ(found.ids(), uncached(of, what));
    return found.finished.usage.cached_tokens;
  };
  EXPECT_EQ(cached(model, asked), 192);
  Request other = asked;
  other.account = "bob";
  EXPECT_EQ(cached(model, other), 0);
  other = asked;
  other.user = "x";
  EXPECT_EQ(cached(model, other), 0);
  EngineOptions adapted = options();
  adapted.adapter = "poet";
  EXPECT_EQ(cached(model, asked, adapted), 0);
  EngineOptions wide = options();
  wide.cache_type = CacheType::f32;
  EXPECT_EQ(cached(model, asked, wide), 0);
  FakeModel trained(101, 3, 4096, 0x12);
  EXPECT_EQ(cached(trained, asked), 0);
  EXPECT_EQ(cached(model, asked), 192) << "and all of them lie side by side";
  // Those of an account go together, whatever their user, model and type; nobody else's do.
  store_in(directory.path())->remove_owner(owner_of("ada"));
  EXPECT_EQ(cached(model, other), 0);
  other = asked;
  other.account = "bob";
  EXPECT_EQ(cached(model, other), 192);
  EXPECT_EQ(cached(model, asked), 0);
}

TEST(DiskCache, AForkInsideAPageReadsItsBeginning) {
  FakeModel model;
  const TemporaryDirectory directory;
  const std::vector<std::int32_t> base = random_ids(190, 7);
  Life(model, directory.path()).ask(request(base, 1));
  Request fork = request({base.begin(), base.begin() + 100}, 20);
  for (const std::int32_t id : random_ids(60, 8)) fork.prompt.push_back((id + 1 == 101) ? 0 : id + 1);
  Life life(model, directory.path());
  const Completion found = life.ask(fork);
  EXPECT_GE(found.finished.usage.cached_tokens, 100);
  EXPECT_EQ(found.ids(), uncached(model, fork));
}

// Thinking is not in the next turn's prompt: it is not worth the disk.
TEST(DiskCache, AnswersWithThinkingAreNotWritten) {
  FakeModel model;
  const TemporaryDirectory directory;
  Request asked = request(random_ids(100, 3), 300);
  asked.thinking.open = {90};
  asked.thinking.close = {91};
  asked.thinking.inside = true;
  Life life(model, directory.path());
  life.ask(asked);
  EXPECT_EQ(life.store->statistics().written, 2U) << "the pages that the prompt reaches into";
}

TEST(DiskCache, OthersGetTheirTokensWhileALongPromptIsReadBack) {
  FakeModel model(101, 3, 20000);
  const TemporaryDirectory directory;
  const Request lengthy = request(random_ids(16000, 1), 1);  // 250 pages of 6 KiB
  EngineOptions large = options(1, 300, 512);
  {
    Life writer(model, directory.path(), large);  // this model computes faster than pages are written: some at a time
    while (writer.store->statistics().pages < 250) writer.ask(lengthy);
  }
  Life life(model, directory.path(), large);
  int tokens = 0;
  Request talking = request({1, 2, 3}, 2000);
  talking.on_token = [&](const TokenEvent&) { return ++tokens, true; };
  const RequestId id = life.engine().submit(talking);
  life.engine().step();
  bool done = false;
  Request asked = lengthy;
  asked.on_finished = [&](const FinishedEvent& event) {
    done = true;
    EXPECT_EQ(event.usage.cached_tokens, 15999);
  };
  life.engine().submit(asked);
  int steps = 0;
  while (!done) {
    life.engine().step();
    ++steps;
    EXPECT_EQ(tokens, steps + 1) << "a token each step";
  }
  life.engine().cancel(id);
  life.settle();
}

TEST(DiskCache, RandomTrafficOverManyLives) {
  FakeModel model;
  const TemporaryDirectory directory;
  std::mt19937 random(5);
  const auto below = [&](unsigned n) { return random() % n; };
  const std::vector<std::int32_t> base = random_ids(400, 77);
  std::uint64_t restored = 0;
  for (int life_number = 0; life_number < 8; ++life_number) {
    EngineOptions few =
        options(1 + static_cast<int>(below(2)), 9 + static_cast<int>(below(20)), 1 + static_cast<int>(below(120)));
    few.limits.sequences = 1 + static_cast<int>(below(8));
    few.page_store = store_in(directory.path(), 400'000);  // some sixty pages
    Engine engine(model, few);
    std::vector<Request> requests;
    for (unsigned i = 0; i < 25; ++i) {
      std::vector<std::int32_t> prompt(base.begin(), base.begin() + below(300));
      for (const std::int32_t id : random_ids(1 + below(60), 500 + below(10))) prompt.push_back(id);
      requests.push_back(request(prompt, 1 + static_cast<int>(below(80)), below(3)));
      requests.back().account = below(4) ? "ada" : "bob";
      requests.back().priority = static_cast<int>(below(3));
      requests.back().use_cache = below(8) != 0;
      if (below(4) == 0) engine.warm(prompt, requests.back().account);
    }
    const std::vector<Completion> results = run_all(engine, requests, [&](const std::vector<RequestId>& ids) {
      if (below(20) == 0) engine.preempt(ids[below(25)]);
      if (below(5) == 0) few.page_store->drain();
    });
    for (std::size_t i = 0; i < requests.size(); ++i) ASSERT_EQ(results[i].ids(), uncached(model, requests[i])) << i;
    few.page_store->drain();
    engine.step();
    const EngineStatistics now = engine.statistics();
    EXPECT_EQ(now.free_pages + now.kept_pages, now.pages);
    EXPECT_LE(few.page_store->statistics().bytes, 400'000U);
    restored += now.restored_tokens;
  }
  EXPECT_GT(restored, 0U);
}

TEST(DiskCache, DamageChangesNoAnswer) {
  FakeModel model;
  const TemporaryDirectory directory;
  const Request asked = request(random_ids(640, 2), 20);
  const std::vector<std::int32_t> expected = uncached(model, asked);
  std::mt19937 random(9);
  int damaged = 0;
  for (int round = 0; round < 60; ++round) {
    Life(model, directory.path()).ask(asked);
    std::vector<fs::path> files;
    for (const auto& file : fs::recursive_directory_iterator(directory.path()))
      if (file.path().extension() == ".page") files.push_back(file.path());
    ASSERT_GE(files.size(), 10U);
    const auto open = store_in(directory.path());  // its index is made before the damage
    for (int i = 0; i < 3; ++i) {
      const fs::path& victim = files[random() % files.size()];
      std::fstream file(victim, std::ios::in | std::ios::out | std::ios::binary);
      const auto at = static_cast<std::streamoff>(random() % fs::file_size(victim));
      file.seekp(at);
      file.put(static_cast<char>(random()));
    }
    EngineOptions how = options();
    how.page_store = open;
    Engine engine(model, how);
    ASSERT_EQ(engine.generate(asked).ids(), expected) << "round " << round;
    damaged += open->statistics().rejected > 0;
  }
  EXPECT_GT(damaged, 20);
}

TEST(DiskCache, WarmRefusesAndForgetIsRefused) {
  FakeModel model;
  const TemporaryDirectory directory;
  Life life(model, directory.path());
  EXPECT_THROW(life.engine().forget_prefixes(), Error);
  EXPECT_THROW(life.engine().warm({1, 101}), Error);
}

// What the process that is killed does: asks without end.
[[noreturn]] void ask_until_killed(const char* directory) {
  FakeModel model;
  std::mt19937 random(static_cast<unsigned>(std::atoi(std::getenv("LIMPID_TEST_SEED"))));
  EngineOptions how = options(1, 200, 256);
  how.page_store = store_in(directory, 3'000'000);
  Engine engine(model, how);
  engine.start();
  for (;;) engine.generate(request(random_ids(64 + random() % 600, random() % 40), 3));
}

TEST(DiskCache, SurvivesKillAtRandomMoments) {
  if (const char* directory = std::getenv("LIMPID_TEST_CACHE")) ask_until_killed(directory);  // the child
  FakeModel model;
  const TemporaryDirectory directory;
  std::mt19937 random(17);
  std::uint64_t restored = 0, pages = 0;
  for (int round = 0; round < 15; ++round) {
    const std::string cache = "LIMPID_TEST_CACHE=" + directory.path().string();
    const std::string seed = "LIMPID_TEST_SEED=" + std::to_string(round);
    const char* arguments[] = {"test_engine", "--gtest_filter=DiskCache.SurvivesKillAtRandomMoments", nullptr};
    const char* environment[] = {cache.c_str(), seed.c_str(), nullptr};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    pid_t child = 0;
    ASSERT_EQ(posix_spawn(&child, "/proc/self/exe", &actions, nullptr, const_cast<char**>(arguments),
                          const_cast<char**>(environment)),
              0);
    posix_spawn_file_actions_destroy(&actions);
    std::this_thread::sleep_for(std::chrono::milliseconds(30 + random() % 200));
    kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "it ended by itself";

    Life life(model, directory.path(), options(), 3'000'000);
    EXPECT_TRUE(life.store->statistics().writes) << "the lock of one that was killed is free";
    EXPECT_EQ(life.store->statistics().rejected, 0U) << "whole pages or none";
    EXPECT_LE(life.store->statistics().bytes, 3'000'000U);
    pages = std::max(pages, life.store->statistics().pages);
    for (unsigned i = 0; i < 3; ++i) {
      const Request asked = request(random_ids(600, random() % 40), 3);
      ASSERT_EQ(life.ask(asked).ids(), uncached(model, asked));
    }
    restored += life.engine().statistics().restored_tokens;
  }
  EXPECT_GT(pages, 20U) << "or nothing was written before it was killed";
  EXPECT_GT(restored, 640U);
}

}  // namespace
}  // namespace limpid
