#include "server/history.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.h"
#include "server/api_error.h"
#include "server/rate_limit.h"
#include "server/sqlite.h"

namespace limpid {
namespace {

class HistoryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = ::testing::TempDir() + "history-" + ::testing::UnitTest::GetInstance()->current_test_info()->name() + ".db";
    TearDown();
  }
  void TearDown() override {
    for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path_ + suffix);
  }
  std::string path_;
};

TEST_F(HistoryTest, KeepsConversationsByAccount) {
  {
    History history(path_);
    history.put("a", {"one", 1, "{\"x\":1}", "First"});
    history.put("a", {"two", 2, "{}"});
    history.put("b", {"one", 3, "{\"y\":2}"});
  }
  History history(path_);
  const std::vector<ListedConversation> list = history.list("a");
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(list[0].id, "two");
  EXPECT_EQ(list[1].title, "First");
  EXPECT_EQ(list[1].updated, 1);
  EXPECT_EQ(list[1].bytes, 7);
  EXPECT_EQ(history.find("b", "one")->body, "{\"y\":2}");
  EXPECT_FALSE(history.find("b", "two").has_value()) << "another's";
  history.remove("a", "one");
  EXPECT_EQ(history.list("a").size(), 1U);
  EXPECT_EQ(history.list("b").size(), 1U);
  history.remove_accounts_unless([](const std::string& account) { return account != "a"; });
  EXPECT_TRUE(history.list("a").empty());
  EXPECT_EQ(history.list("b").size(), 1U);
  history.remove_account("b");
  EXPECT_TRUE(history.list("b").empty());
}

TEST_F(HistoryTest, TheNewerWins) {
  History history(path_);
  history.put("a", {"one", 5, "new"});
  history.put("a", {"one", 4, "old"});
  EXPECT_EQ(history.find("a", "one")->body, "new");
  history.put("a", {"one", 5, "same time"});
  EXPECT_EQ(history.find("a", "one")->body, "same time");
}

// Two devices that read, merge and write: the second hears that it read too early.
TEST_F(HistoryTest, ReplacesOnlyWhatWasRead) {
  History history(path_);
  const auto code = [&](const KeptConversation& conversation, std::int64_t replaces) {
    try {
      history.put("a", conversation, replaces);
      return std::string();
    } catch (const ApiError& error) {
      EXPECT_EQ(error.status, 409);
      return error.code;
    }
  };
  EXPECT_EQ(code({"one", 5, "first"}, 0), "");
  EXPECT_EQ(code({"one", 6, "also first"}, 0), "conversation_changed");
  EXPECT_EQ(code({"one", 7, "second"}, 5), "");
  EXPECT_EQ(code({"one", 8, "over the first"}, 5), "conversation_changed");
  EXPECT_EQ(history.find("a", "one")->body, "second");
  history.remove("a", "one");
  EXPECT_EQ(code({"one", 9, "over what is deleted"}, 7), "conversation_changed");
  EXPECT_FALSE(history.find("a", "one").has_value());
}

TEST_F(HistoryTest, RefusesBadIdsAndTooMuch) {
  History history(path_);
  for (const char* id : {"", "a/b", "..", "a b", "\xff"}) EXPECT_THROW(history.put("a", {id, 1, "{}"}), Error) << id;
  EXPECT_THROW(history.put("a", {std::string(65, 'x'), 1, "{}"}), Error);
  EXPECT_THROW(history.put("a", {"big", 1, std::string(kMostConversationBytes + 1, 'x')}), Error);
  EXPECT_TRUE(history.list("a").empty());
}

// Bytes, not characters: of an account, of all, also after a restart.
TEST_F(HistoryTest, IsBounded) {
  const HistoryLimits limits{.account_bytes = 100, .all_bytes = 250, .conversations = 3};
  const std::string wide = "\xe9\x87\x8f";  // three bytes
  std::string thirty;
  for (int i = 0; i < 10; ++i) thirty += wide;
  {
    History history(path_, limits);
    for (const char* id : {"1", "2", "3"}) history.put("a", {id, 1, thirty});
    EXPECT_THROW(history.put("a", {"3", 2, thirty + std::string(11, 'x')}), ApiError);
    EXPECT_EQ(history.find("a", "3")->body, thirty);
    history.put("a", {"3", 2, thirty + std::string(10, 'x')});
    history.put("a", {"3", 3, "x"});
    try {
      history.put("a", {"4", 1, "x"});
      ADD_FAILURE() << "a fourth conversation";
    } catch (const ApiError& error) {
      EXPECT_EQ(error.status, 413);
      EXPECT_EQ(error.code, "conversations_full");
    }
    history.put("b", {"1", 1, std::string(100, 'x')});
  }
  History history(path_, limits);  // 61 and 100 are there
  history.put("c", {"1", 1, std::string(89, 'x')});
  EXPECT_THROW(history.put("d", {"1", 1, "x"}), Error);
  history.put("c", {"1", 2, std::string(88, 'x')});
  history.put("d", {"1", 1, "x"});
  history.remove("b", "1");
  history.put("d", {"2", 1, std::string(99, 'x')});
}

TEST_F(HistoryTest, LongTitlesAreCutBetweenCharacters) {
  History history(path_);
  std::string title;
  for (int i = 0; i < 100; ++i) title += "\xe9\x87\x8f";
  history.put("a", {"one", 1, "{}", title});
  EXPECT_EQ(history.list("a")[0].title, title.substr(0, 198));
}

TEST_F(HistoryTest, TakesOverWhatTheFirstVersionKept) {
  {
    SqliteConnection old(path_, {.create = true});
    old.script(
        "CREATE TABLE conversations (account TEXT NOT NULL, id TEXT NOT NULL, updated INTEGER NOT NULL, body TEXT NOT "
        "NULL, PRIMARY KEY (account, id)) WITHOUT ROWID;"
        "INSERT INTO conversations VALUES ('a', 'one', 5, '{\"title\":\"\xe9\x87\x8f\"}'), ('a', 'two', 4, 'no JSON')");
  }
  for (int start = 0; start < 2; ++start) {
    History history(path_);
    const std::vector<ListedConversation> list = history.list("a");
    ASSERT_EQ(list.size(), 2U);
    EXPECT_EQ(list[0].title, "\xe9\x87\x8f");
    EXPECT_EQ(list[0].bytes, 15);
    EXPECT_EQ(list[1].title, "");
    EXPECT_EQ(history.find("a", "two")->body, "no JSON");
  }
}

TEST(RateLimit, AReserveIsSavedUpAndDebtsArePaidBack) {
  RateLimit limit({.per_second = 10, .reserve = 100, .most_names = 3});
  EXPECT_EQ(limit.wait("a", 0), 0);
  limit.take("a", 130, 0);
  EXPECT_EQ(limit.wait("a", 0), 4);
  EXPECT_EQ(limit.wait("b", 0), 0) << "somebody else's";
  EXPECT_EQ(limit.wait("a", 3), 1);
  EXPECT_EQ(limit.wait("a", 3.1), 0);
  limit.take("a", 1, 1000);
  limit.take("a", 98, 1000);
  EXPECT_EQ(limit.wait("a", 1000), 0) << "no more than the reserve is saved up, and no less";
  limit.take("a", 1, 1000);
  EXPECT_EQ(limit.wait("a", 1000), 1);
  for (int name = 0; name < 50; ++name) limit.take(std::to_string(name), 1, 2000 + name);
  EXPECT_LE(limit.names(), 3U);
}

}  // namespace
}  // namespace limpid
