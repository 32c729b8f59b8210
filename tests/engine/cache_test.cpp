// Pages and the prefix cache alone: who holds what, what is found, in which order pages are given up.
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "engine/page_pool.h"
#include "engine/prefix_cache.h"

namespace limpid {
namespace {

CacheLayout layout() {
  CacheLayout result;
  result.kv_heads = 1;
  result.key_dim = result.value_dim = 32;
  return result;
}

std::vector<std::int32_t> ids(int seed, std::size_t count = kPageTokens) {
  std::vector<std::int32_t> result(count);
  for (std::size_t i = 0; i < count; ++i) result[i] = seed * 1000 + static_cast<std::int32_t>(i);
  return result;
}

struct Fixture {
  explicit Fixture(int pages) : pool(layout(), 2, pages), cache(pool) {}
  PrefixCache::Cursor root(std::uint64_t model = 1, const std::string& account = {}) {
    return cache.root({model, kNumericsVersion, CacheType::f16, {}, account, {}});
  }
  PagePool pool;
  PrefixCache cache;
};

TEST(PagePool, CountsReferencesAndPoisons) {
  PagePool pool(layout(), 2, 3, true);
  const PageIndex page = pool.take();
  EXPECT_EQ(page, 0) << "the lowest first";
  const std::size_t size = page_bytes(layout());
  for (const CacheLayer& layer : pool.layers()) {
    EXPECT_EQ(static_cast<unsigned char>(layer.pages[0]), 0xFF);
    std::memset(layer.pages, 7, size);
  }
  pool.retain(page);
  pool.release(page, false);
  EXPECT_EQ(pool.references(page), 1);
  EXPECT_EQ(static_cast<unsigned char>(pool.layers()[1].pages[size - 1]), 7);
  pool.copy(page, 2);
  EXPECT_EQ(static_cast<unsigned char>(pool.layers()[1].pages[2 * size]), 7);
  pool.release(page, false);
  EXPECT_EQ(static_cast<unsigned char>(pool.layers()[1].pages[size - 1]), 0xFF);
  EXPECT_EQ(pool.free_pages(), 3);
  for (int i = 0; i < 3; ++i) EXPECT_NE(pool.take(), kNoPage);
  EXPECT_EQ(pool.take(), kNoPage);
}

// Users come and go without end: what they leave behind is bounded by the pages.
TEST(PrefixCache, ForgetsScopesWithoutPages) {
  Fixture f(8);
  const PrefixCache::Cursor held = f.root(1, "held");
  std::size_t most = 0;
  for (int user = 0; user < 100'000; ++user) {
    PrefixCache::Cursor cursor = f.root(1, "user" + std::to_string(user));
    if (user % 2 == 0) {
      const PageIndex page = f.cache.take();
      ASSERT_NE(page, kNoPage);
      f.cache.release(f.cache.insert(cursor, page, ids(user % 100)));
    }
    most = std::max(most, f.cache.roots());
  }
  EXPECT_LE(most, 200U);
  f.cache.clear();
  EXPECT_LE(f.cache.roots(), 200U);
  // Whose cursor stands at a root finds it again, whatever was swept away meanwhile.
  PrefixCache::Cursor cursor = held;
  const PageIndex page = f.cache.take();
  EXPECT_EQ(f.cache.insert(cursor, page, ids(1)), page);
  EXPECT_EQ(f.cache.find(f.root(1, "held"), ids(1)), page);
  EXPECT_EQ(f.cache.find(f.root(1, "other"), ids(1)), kNoPage);
  EXPECT_EQ(f.cache.facts(page)->owner, owner_of("held"));
  f.cache.release(page);
}

TEST(PrefixCache, FindsChainsOnlyBelowTheirParents) {
  Fixture f(8);
  PrefixCache::Cursor cursor = f.root();
  const PageIndex first = f.cache.take(), second = f.cache.take();
  EXPECT_EQ(f.cache.insert(cursor, first, ids(1)), first);
  EXPECT_EQ(f.cache.insert(cursor, second, ids(2)), second);

  PrefixCache::Cursor reader = f.root();
  EXPECT_EQ(f.cache.find(reader, ids(2)), kNoPage) << "not at the beginning";
  ASSERT_EQ(f.cache.find(reader, ids(1)), first);
  f.cache.descend(reader, first);
  EXPECT_EQ(f.cache.find(reader, ids(2)), second);
  EXPECT_EQ(f.cache.find(reader, ids(1)), kNoPage);
  EXPECT_EQ(f.cache.find(f.root(2), ids(1)), kNoPage) << "another model";
  EXPECT_EQ(f.cache.find(f.root(1, "bob"), ids(1)), kNoPage) << "another account";
}

TEST(PrefixCache, TheSecondOfTwoEqualPagesGivesWay) {
  Fixture f(4);
  PrefixCache::Cursor a = f.root(), b = f.root();
  const PageIndex first = f.cache.take(), second = f.cache.take();
  f.cache.insert(a, first, ids(1));
  EXPECT_EQ(f.cache.insert(b, second, ids(1)), first);
  EXPECT_EQ(f.pool.references(first), 2);
  EXPECT_EQ(f.pool.references(second), 0);
  EXPECT_EQ(f.pool.free_pages(), 3);
}

TEST(PrefixCache, GivesUpLeavesFirstAndTheLeastRecentlyUsed) {
  Fixture f(4);
  std::vector<PageIndex> pages;
  for (int chain = 0; chain < 2; ++chain) {
    PrefixCache::Cursor cursor = f.root();
    for (int i = 0; i < 2; ++i) {
      pages.push_back(f.cache.take());
      f.cache.insert(cursor, pages.back(), ids(10 * chain + i));
    }
    f.cache.release(pages[pages.size() - 1]);
    f.cache.release(pages[pages.size() - 2]);
  }
  EXPECT_EQ(f.pool.kept_pages(), 4);
  EXPECT_EQ(f.cache.take(), pages[1]) << "the older chain's leaf";
  EXPECT_EQ(f.cache.take(), pages[0]);
  EXPECT_EQ(f.cache.find(f.root(), ids(0)), kNoPage);
  EXPECT_EQ(f.cache.find(f.root(), ids(10)), pages[2]);
  EXPECT_EQ(f.cache.take(), pages[3]);
  EXPECT_EQ(f.cache.take(), pages[2]);
  EXPECT_EQ(f.cache.take(), kNoPage);
  EXPECT_EQ(f.cache.evictions(), 4U);
}

TEST(PrefixCache, AParentReleasedFirstStillOutlivesItsChild) {
  Fixture f(2);
  PrefixCache::Cursor cursor = f.root();
  const PageIndex parent = f.cache.take(), child = f.cache.take();
  f.cache.insert(cursor, parent, ids(1));
  f.cache.insert(cursor, child, ids(2));
  f.cache.release(parent);
  f.cache.release(child);
  EXPECT_EQ(f.cache.take(), child);
  EXPECT_EQ(f.cache.find(f.root(), ids(1)), parent);
}

TEST(PrefixCache, TailsAndBeginningsOfPagesAreFoundToCopy) {
  Fixture f(8);
  const PrefixCache::Cursor root = f.root();
  const PageIndex tail = f.cache.take();
  f.cache.insert_tail(root, tail, ids(1, 20));
  f.cache.release(tail);
  EXPECT_EQ(f.pool.kept_pages(), 1);
  EXPECT_EQ(f.cache.find(root, ids(1)), kNoPage) << "it is not full";
  EXPECT_EQ(f.cache.find_partial(root, ids(1)).page, tail);
  EXPECT_EQ(f.cache.find_partial(root, ids(1)).tokens, 20);
  EXPECT_EQ(f.cache.find_partial(root, ids(1, 12)).tokens, 12);
  EXPECT_EQ(f.cache.find_partial(root, ids(1, PrefixCache::kLeastCopied - 1)).page, kNoPage);
  EXPECT_EQ(f.cache.find_partial(root, ids(3)).page, kNoPage);

  const PageIndex shorter = f.cache.take();
  f.cache.insert_tail(root, shorter, ids(1, 15));
  f.cache.release(shorter);
  EXPECT_EQ(f.pool.kept_pages(), 1) << "the longer tail holds as much";

  PrefixCache::Cursor writer = root;
  const PageIndex full = f.cache.take();
  f.cache.insert(writer, full, ids(1));
  EXPECT_EQ(f.pool.kept_pages(), 0) << "the full page holds what the tail held";
  EXPECT_EQ(f.cache.find_partial(root, ids(1, 40)).page, full);
}

// Random traffic against what must hold whatever happens: pages are conserved, and what is found holds what was asked
// for.
TEST(PrefixCache, RandomTraffic) {
  std::mt19937 random(11);
  Fixture f(12);
  struct User {
    PrefixCache::Cursor cursor;
    std::vector<PageIndex> pages;
  };
  std::vector<User> users;
  std::vector<int> content(12, -1);  // what the writer of each page put there: a number for the whole chain
  for (int round = 0; round < 20000; ++round) {
    if (users.size() < 3 && random() % 2) users.push_back({f.root(1 + random() % 2), {}});
    if (users.empty()) continue;
    User& user = users[random() % users.size()];
    const int choice = static_cast<int>(random() % 3);
    const int chain = static_cast<int>(user.cursor.chain.low % 100000) * 3 + choice;
    if (random() % 5 == 0 || user.pages.size() == 4) {
      for (; !user.pages.empty(); user.pages.pop_back()) f.cache.release(user.pages.back());
      std::swap(user, users.back());
      users.pop_back();
    } else if (const PageIndex found = f.cache.find(user.cursor, ids(choice)); found != kNoPage && random() % 2) {
      ASSERT_EQ(content[static_cast<std::size_t>(found)], chain);
      f.pool.retain(found);
      f.cache.descend(user.cursor, found);
      user.pages.push_back(found);
    } else if (const PageIndex page = f.cache.take(); page != kNoPage) {
      content[static_cast<std::size_t>(page)] = chain;
      user.pages.push_back(f.cache.insert(user.cursor, page, ids(choice)));
      ASSERT_EQ(content[static_cast<std::size_t>(user.pages.back())], chain);
    }
    int used = 0;
    for (PageIndex page = 0; page < f.pool.pages(); ++page) used += f.pool.references(page) > 0;
    ASSERT_EQ(used + f.pool.free_pages() + f.pool.kept_pages(), f.pool.pages());
  }
  for (User& user : users)
    for (; !user.pages.empty(); user.pages.pop_back()) f.cache.release(user.pages.back());
  f.cache.clear();
  EXPECT_EQ(f.pool.free_pages(), 12);
}

}  // namespace
}  // namespace limpid
