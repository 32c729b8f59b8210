#include "server/progress_journal.h"

#include <set>

#include "base/error.h"
#include "tests/server/team_world.h"

namespace limpid {
namespace {

bool same(const std::optional<Consumption>& a, const Consumption& b) {
  return a && a->cached_tokens == b.cached_tokens && a->prompt_tokens == b.prompt_tokens &&
         a->completion_tokens == b.completion_tokens;
}

TEST(ProgressJournal, TellsTheNextProcessWhatRan) {
  const ScratchFolder folder;
  {
    ProgressJournal journal(folder / "p", "db1", 8);
    const int a = journal.take(), b = journal.take(), c = journal.take();
    journal.begin(a, 11);
    journal.begin(b, 12);
    journal.begin(c, 13);
    journal.write(a, {1, 2, 3});
    journal.write(a, {1, 2, 4});
    journal.write(b, {5, 6, 7});
    journal.give_back(b);
  }
  ProgressJournal journal(folder / "p", "db1", 8);
  EXPECT_TRUE(same(journal.left_over(11), {1, 2, 4}));
  EXPECT_FALSE(journal.left_over(12));
  EXPECT_TRUE(same(journal.left_over(13), {0, 0, 0}));
  EXPECT_FALSE(journal.left_over(14));
  journal.clear();
  EXPECT_FALSE(journal.left_over(11));
}

TEST(ProgressJournal, ASlotThatIsUsedAgainForgetsWhatStoodThere) {
  const ScratchFolder folder;
  {
    ProgressJournal journal(folder / "p", "db1", 1);
    const int slot = journal.take();
    EXPECT_EQ(journal.take(), -1);
    journal.begin(slot, 1);
    journal.write(slot, {1, 2, 3});
    journal.give_back(slot);
    EXPECT_EQ(journal.take(), slot);
    journal.begin(slot, 2);
  }
  ProgressJournal journal(folder / "p", "db1", 1);
  EXPECT_FALSE(journal.left_over(1));
  EXPECT_TRUE(same(journal.left_over(2), {0, 0, 0}));
}

TEST(ProgressJournal, WhatBelongsToAnotherDatabaseIsNotBelieved) {
  const ScratchFolder folder;
  {
    ProgressJournal journal(folder / "p", "db1", 4);
    journal.begin(journal.take(), 1);
  }
  EXPECT_FALSE(ProgressJournal(folder / "p", "db2", 4).left_over(1));
  EXPECT_FALSE(ProgressJournal(folder / "p", "db1", 4).left_over(1));  // it was wiped
  std::ofstream(folder / "q") << std::string(500, 'x');
  ProgressJournal journal(folder / "q", "db1", 4);
  EXPECT_FALSE(journal.left_over(0x7878787878787878));
  std::set<int> slots;
  for (int i = 0; i < 4; ++i) slots.insert(journal.take());
  EXPECT_FALSE(slots.contains(-1));
}

TEST(ProgressJournal, IsReadWholeWhereItHadMoreSlots) {
  const ScratchFolder folder;
  {
    ProgressJournal journal(folder / "p", "db1", 64);
    for (int i = 0; i < 64; ++i) journal.begin(journal.take(), 100 + i);
  }
  ProgressJournal journal(folder / "p", "db1", 2);
  for (int i = 0; i < 64; ++i) EXPECT_TRUE(journal.left_over(100 + i)) << i;
}

TEST(ProgressJournal, IsForOneProcess) {
  const ScratchFolder folder;
  const ProgressJournal journal(folder / "p", "db1", 4);
  EXPECT_THROW(ProgressJournal(folder / "p", "db1", 4), Error);
}

}  // namespace
}  // namespace limpid
