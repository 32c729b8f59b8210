#include "server/history.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.h"

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
    history.put("a", {"one", 1, "{\"x\":1}"});
    history.put("a", {"two", 2, "{}"});
    history.put("b", {"one", 3, "{\"y\":2}"});
  }
  History history(path_);
  ASSERT_EQ(history.all("a").size(), 2U);
  EXPECT_EQ(history.all("a")[0].id, "two");
  EXPECT_EQ(history.all("b")[0].body, "{\"y\":2}");
  history.remove("a", "one");
  EXPECT_EQ(history.all("a").size(), 1U);
  EXPECT_EQ(history.all("b").size(), 1U);
  history.remove_accounts_unless([](const std::string& account) { return account != "a"; });
  EXPECT_TRUE(history.all("a").empty());
  EXPECT_EQ(history.all("b").size(), 1U);
}

TEST_F(HistoryTest, TheNewerWins) {
  History history(path_);
  history.put("a", {"one", 5, "new"});
  history.put("a", {"one", 4, "old"});
  EXPECT_EQ(history.all("a")[0].body, "new");
  history.put("a", {"one", 5, "same time"});
  EXPECT_EQ(history.all("a")[0].body, "same time");
}

TEST_F(HistoryTest, RefusesBadIdsAndTooMuch) {
  History history(path_);
  for (const char* id : {"", "a/b", "..", "a b", "\xff"}) EXPECT_THROW(history.put("a", {id, 1, "{}"}), Error) << id;
  EXPECT_THROW(history.put("a", {std::string(65, 'x'), 1, "{}"}), Error);
  EXPECT_THROW(history.put("a", {"big", 1, std::string(kMostConversationBytes + 1, 'x')}), Error);
  EXPECT_TRUE(history.all("a").empty());
}

}  // namespace
}  // namespace limpid
