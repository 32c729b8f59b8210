// The ledger on the storage: reservation, charge, and that no road leads to a wrong balance.
#include <random>
#include <thread>

#include "base/error.h"
#include "server/sqlite.h"
#include "server/storage_sqlite.h"
#include "tests/server/team_world.h"

namespace limpid {
namespace {

constexpr ModelPrice kPrice{100'000, 1'000'000, 2'000'000};  // micros: 0.1, 1 and 2 a token

OpenRequest request_of(const Account& account, std::int64_t prompt, std::int64_t most) {
  OpenRequest request;
  request.account = account.id;
  request.key = "k1";
  request.model = "m";
  request.opened = kNoon;
  request.demand = {"m", prompt, most, 1};
  request.price = kPrice;
  request.reserved = most_cost(kPrice, request.demand);
  return request;
}

TEST(Ledger, ReservesTheMostChargesTheActualAndGivesBackTheRest) {
  TeamWorld world;
  Storage& storage = world.team->storage();
  const Account ada = world.account("ada", "paid", 1000);
  const OpenResult opened = storage.open_request(request_of(ada, 100, 50));
  ASSERT_EQ(opened.outcome, OpenOutcome::opened);
  EXPECT_EQ(world.read(ada).reserved, 200);
  EXPECT_EQ(world.read(ada).balance, 1000);
  storage.post_close({opened.request, RequestState::settled, {40, 100, 10}, kNoon + 5}, {});
  storage.flush();
  EXPECT_EQ(world.read(ada).reserved, 0);
  EXPECT_EQ(world.read(ada).balance, 1000 - (4 + 60 + 20));
  const std::vector<LedgerEntry> entries = storage.entries(ada.id, INT64_MAX, 10);
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].kind, EntryKind::charge);
  EXPECT_EQ(entries[0].amount, -84);
  EXPECT_EQ(entries[0].balance, 916);
  EXPECT_EQ(entries[0].request, opened.request);
  EXPECT_EQ(entries[1].kind, EntryKind::top_up);
  EXPECT_TRUE(storage.audit().faults.empty());
}

TEST(Ledger, ClosingTwiceChargesOnce) {
  TeamWorld world;
  Storage& storage = world.team->storage();
  const Account ada = world.account("ada", "paid", 1000);
  const OpenResult opened = storage.open_request(request_of(ada, 100, 50));
  storage.post_close({opened.request, RequestState::settled, {0, 100, 10}, kNoon}, {});
  storage.post_close({opened.request, RequestState::settled, {0, 100, 50}, kNoon}, {});
  storage.post_close({opened.request, RequestState::interrupted, {0, 100, 50}, kNoon}, {});
  storage.post_close({opened.request + 1000, RequestState::settled, {0, 100, 50}, kNoon}, {});
  storage.flush();
  EXPECT_EQ(world.read(ada).balance, 1000 - 120);
  EXPECT_EQ(storage.audit().entries, 2);
  EXPECT_TRUE(storage.audit().faults.empty());
}

TEST(Ledger, NeverChargesMoreThanWasReserved) {
  TeamWorld world;
  Storage& storage = world.team->storage();
  const Account ada = world.account("ada", "paid", 200);
  const OpenResult opened = storage.open_request(request_of(ada, 100, 50));
  storage.post_close({opened.request, RequestState::settled, {0, 100, 500}, kNoon}, {});
  storage.flush();
  EXPECT_EQ(world.read(ada).balance, 0);
  EXPECT_TRUE(storage.audit().faults.empty());
}

TEST(Ledger, WhatIsReservedCannotBeSpentTwice) {
  TeamWorld world;
  Storage& storage = world.team->storage();
  const Account ada = world.account("ada", "paid", 399);
  const OpenResult first = storage.open_request(request_of(ada, 100, 50));
  const OpenResult second = storage.open_request(request_of(ada, 100, 50));
  EXPECT_EQ(second.outcome, OpenOutcome::no_balance);
  EXPECT_EQ(second.available, 199);
  EXPECT_FALSE(storage.add_entry(ada.id, EntryKind::adjustment, -200, "root", "", kNoon));
  EXPECT_TRUE(storage.add_entry(ada.id, EntryKind::adjustment, -199, "root", "", kNoon));
  storage.post_close({first.request, RequestState::released, {}, kNoon}, {});
  storage.flush();
  EXPECT_EQ(world.read(ada).balance, 200);
  EXPECT_EQ(world.read(ada).reserved, 0);
}

TEST(Ledger, BannedWaitingAndDeletedAccountsOpenNothing) {
  TeamWorld world;
  Storage& storage = world.team->storage();
  const Account ada = world.account("ada", "paid", 1000);
  for (const AccountStatus status : {AccountStatus::banned, AccountStatus::waiting}) {
    storage.set_status(ada.id, status, "");
    EXPECT_EQ(storage.open_request(request_of(ada, 1, 1)).outcome, OpenOutcome::no_account);
  }
  storage.set_status(ada.id, AccountStatus::active, "");
  EXPECT_EQ(storage.open_request(request_of(ada, 1, 1)).outcome, OpenOutcome::opened);
  storage.delete_account(ada.id, kNoon, "root");
  EXPECT_EQ(storage.open_request(request_of(ada, 1, 1)).outcome, OpenOutcome::no_account);
}

TEST(Ledger, EntriesAreNeverChangedNorDeleted) {
  TeamWorld world;
  world.account("ada", "paid", 1000);
  SqliteConnection direct(world.folder / "team.db");
  EXPECT_THROW(direct.script("UPDATE entries SET amount = 5"), Error);
  EXPECT_THROW(direct.script("DELETE FROM entries"), Error);
  EXPECT_THROW(direct.script("UPDATE accounts SET balance = -1"), Error);
  EXPECT_TRUE(world.team->storage().audit().faults.empty());
}

TEST(Ledger, TheAuditSeesEveryKindOfFault) {
  TeamWorld world;
  Storage& storage = world.team->storage();
  const Account ada = world.account("ada", "paid", 1000);
  const OpenResult open = storage.open_request(request_of(ada, 100, 50));
  const OpenResult closed = storage.open_request(request_of(ada, 100, 50));
  storage.post_close({closed.request, RequestState::settled, {0, 100, 10}, kNoon}, {});
  storage.flush();
  ASSERT_TRUE(storage.audit().faults.empty());
  SqliteConnection direct(world.folder / "team.db");
  const auto fault_after = [&](const std::string& harm, const std::string& mend) {
    direct.script(harm);
    const std::vector<std::string> faults = storage.audit().faults;
    direct.script(mend);
    EXPECT_TRUE(storage.audit().faults.empty()) << mend;
    return faults.empty() ? std::string() : faults[0];
  };
  EXPECT_NE(fault_after("UPDATE accounts SET balance = balance + 1", "UPDATE accounts SET balance = balance - 1")
                .find("add up"),
            std::string::npos);
  EXPECT_NE(fault_after("UPDATE accounts SET reserved = reserved - 1", "UPDATE accounts SET reserved = reserved + 1")
                .find("reserved"),
            std::string::npos);
  const std::string id = std::to_string(closed.request), open_id = std::to_string(open.request);
  EXPECT_NE(fault_after("UPDATE requests SET cost = cost + 1 WHERE id = " + id,
                        "UPDATE requests SET cost = cost - 1 WHERE id = " + id)
                .find("charged"),
            std::string::npos);
  // Closed, yet without an entry.
  EXPECT_NE(fault_after("UPDATE requests SET state = 1 WHERE id = " + open_id + "; UPDATE accounts SET reserved = 0",
                        "UPDATE requests SET state = 0 WHERE id = " + open_id + "; UPDATE accounts SET reserved = 200")
                .find("charged 0"),
            std::string::npos);
}

TEST(Ledger, ADeletedPersonIsGoneAndTheBooksStillBalance) {
  TeamWorld world;
  Storage& storage = world.team->storage();
  const Account ada = world.account("ada", "paid", 1000);
  const OpenResult running = storage.open_request(request_of(ada, 100, 50));
  const OpenResult done = storage.open_request(request_of(ada, 100, 50));
  storage.post_close({done.request, RequestState::settled, {0, 100, 10}, kNoon}, {});
  storage.flush();
  EXPECT_EQ(storage.usage({}).size(), 1u);
  EXPECT_TRUE(storage.delete_account(ada.id, kNoon, "root"));
  EXPECT_FALSE(storage.delete_account(ada.id, kNoon, "root"));
  EXPECT_FALSE(storage.account(ada.id));
  EXPECT_FALSE(storage.account_by_name("ada"));
  EXPECT_TRUE(storage.usage({}).empty());
  EXPECT_TRUE(storage.audit().faults.empty());
  storage.post_close({running.request, RequestState::settled, {0, 100, 50}, kNoon}, {});
  storage.flush();
  EXPECT_TRUE(storage.usage({}).empty());
  const Audit audit = storage.audit();
  EXPECT_TRUE(audit.faults.empty()) << audit.faults[0];
  EXPECT_EQ(audit.open, 0);
  EXPECT_EQ(storage.entries(ada.id, INT64_MAX, 10).at(0).balance, 0);
  // The name is free again, and is another account.
  EXPECT_NE(world.account("ada").id, ada.id);
  world.team.reset();
  SqliteConnection direct(world.folder / "team.db");
  SqliteStatement row =
      direct.query("SELECT count(*) FROM accounts WHERE id = ? AND name IS NULL AND password_hash = ''", ada.id);
  ASSERT_TRUE(row.step());
  EXPECT_EQ(row.integer(0), 1);
}

TEST(Ledger, GrantsAreUsedUpFirst) {
  TeamWorld world;
  Storage& storage = world.team->storage();
  const Account ada = world.account("ada", "paid", 500);
  storage.add_entry(ada.id, EntryKind::grant, 100, "code", "", kNoon);
  EXPECT_EQ(storage.granted_left(ada.id), 100);
  const OpenResult opened = storage.open_request(request_of(ada, 60, 0));
  storage.post_close({opened.request, RequestState::settled, {0, 60, 0}, kNoon}, {});
  storage.flush();
  EXPECT_EQ(storage.granted_left(ada.id), 40);
  const Balance balance = world.team->balance(world.read(ada));
  EXPECT_EQ(balance.total, 540);
  EXPECT_EQ(balance.granted, 40);
  EXPECT_EQ(balance.topped_up, 500);
  EXPECT_TRUE(balance.available);
}

TEST(Ledger, UsageIsByDayKeyAndModel) {
  TeamWorld world;
  Storage& storage = world.team->storage();
  const Account ada = world.account("ada", "paid", 100'000), bob = world.account("bob", "paid", 100'000);
  const auto use = [&](const Account& account, const std::string& key, const std::string& model, UnixSeconds when) {
    OpenRequest request = request_of(account, 100, 50);
    request.key = key;
    request.model = model;
    request.opened = when;
    const OpenResult opened = storage.open_request(request);
    storage.post_close({opened.request, RequestState::settled, {10, 100, 5}, when + 100'000}, {});
  };
  use(ada, "k1", "m", kNoon);
  use(ada, "k1", "m", kNoon + 60);
  use(ada, "k2", "m", kNoon);
  use(ada, "k1", "n", kNoon);
  use(ada, "k1", "m", kNoon + 86'400);
  use(bob, "k3", "m", kNoon);
  storage.flush();
  UsageFilter filter;
  EXPECT_EQ(storage.usage(filter).size(), 5u);
  filter.account = ada.id;
  EXPECT_EQ(storage.usage(filter).size(), 4u);
  filter.key = "k1";
  filter.model = "m";
  const std::vector<UsageRow> rows = storage.usage(filter);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(date_of(rows[0].day), "2025-01-20");
  EXPECT_EQ(rows[0].requests, 2);
  EXPECT_EQ(rows[0].tokens.cached_tokens, 20);
  EXPECT_EQ(rows[0].tokens.prompt_tokens, 200);
  EXPECT_EQ(rows[0].tokens.completion_tokens, 10);
  EXPECT_EQ(rows[0].cost, 2 * (1 + 90 + 10));
  // Page by page it is the same.
  UsageFilter paged;
  paged.limit = 2;
  std::vector<std::string> pages, whole;
  const auto words = [](const UsageRow& row) { return date_of(row.day) + row.account + row.key + row.model; };
  for (const UsageRow& row : storage.usage({})) whole.push_back(words(row));
  for (;;) {
    const std::vector<UsageRow> some = storage.usage(paged);
    for (const UsageRow& row : some) pages.push_back(words(row));
    if (some.size() < 2) break;
    paged.after = UsagePlace{some.back().day, some.back().account, some.back().key, some.back().model};
  }
  EXPECT_EQ(pages, whole);
  filter.from = parse_date("2025-01-21");
  EXPECT_EQ(storage.usage(filter).size(), 1u);
  filter.to = filter.from;
  EXPECT_TRUE(storage.usage(filter).empty());
}

TEST(Ledger, CleaningKeepsEntriesAndUsage) {
  TeamWorld world;
  Storage& storage = world.team->storage();
  const Account ada = world.account("ada", "paid", 1000);
  const OpenResult closed = storage.open_request(request_of(ada, 100, 0));
  storage.open_request(request_of(ada, 100, 0));
  storage.post_close({closed.request, RequestState::settled, {0, 100, 0}, kNoon}, {});
  storage.flush();
  storage.clean(kNoon, kNoon + 1);
  const Audit audit = storage.audit();
  EXPECT_TRUE(audit.faults.empty());
  EXPECT_EQ(audit.requests, 1);  // the open one
  EXPECT_EQ(audit.entries, 2);
  EXPECT_EQ(storage.usage({}).size(), 1u);
}

// Many threads against few cents: what was reserved at any time never exceeds the balance, and in the end the sum of
// all that was charged is what is gone.
TEST(Ledger, ThreadsCannotOverdraw) {
  TeamWorld world;
  Storage& storage = world.team->storage();
  const Account ada = world.account("ada", "paid", 5000);
  std::atomic<std::int64_t> charged{0};
  std::atomic<int> refused{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&, t] {
      std::mt19937 random(static_cast<unsigned>(t));
      for (int i = 0; i < 60; ++i) {
        const OpenResult opened = storage.open_request(request_of(ada, random() % 200, random() % 100));
        if (opened.outcome == OpenOutcome::no_balance) {
          ++refused;
          continue;
        }
        const Consumption took{0, static_cast<std::int64_t>(random() % 20), static_cast<std::int64_t>(random() % 10)};
        charged += cost(kPrice, took);
        storage.post_close({opened.request, RequestState::settled, took, kNoon}, {});
      }
    });
  for (std::thread& thread : threads) thread.join();
  storage.flush();
  const Audit audit = storage.audit();
  EXPECT_TRUE(audit.faults.empty()) << audit.faults[0];
  EXPECT_EQ(world.read(ada).reserved, 0);
  EXPECT_GT(refused, 0);
  Micros sum = 0;
  for (const LedgerEntry& entry : storage.entries(ada.id, INT64_MAX, 10'000)) sum += entry.amount;
  EXPECT_EQ(world.read(ada).balance, sum);
  EXPECT_LE(5000 - sum, charged);
}

}  // namespace
}  // namespace limpid
