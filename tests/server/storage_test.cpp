#include "server/storage_sqlite.h"

#include <sys/stat.h>

#include <thread>

#include "base/error.h"
#include "server/sqlite.h"
#include "server/sqlite_writer.h"
#include "server/storage_schema.h"
#include "tests/server/team_world.h"

namespace limpid {
namespace {

std::unique_ptr<Storage> open(const std::string& path, std::int64_t most_bytes = 0) {
  StorageOptions options;
  options.path = path;
  options.check = true;
  options.most_bytes = most_bytes;
  return open_sqlite_storage(options);
}

NewAccount named(const std::string& name) {
  NewAccount account;
  account.name = name;
  account.password_hash = "hash";
  account.tier = "free";
  return account;
}

ErrorKind kind_of(const std::function<void()>& work, std::string* words = nullptr) {
  try {
    work();
  } catch (const Error& error) {
    if (words != nullptr) *words = error.what();
    return error.kind();
  }
  ADD_FAILURE() << "nothing was thrown";
  return ErrorKind::cancelled;
}

TEST(Storage, RemembersAcrossOpening) {
  const ScratchFolder folder;
  std::string id;
  {
    const auto storage = open(folder / "a.db");
    id = storage->create_account(named("ada"), kNoon).account.id;
    storage->add_entry(id, EntryKind::top_up, 1'000'000, "root", "first", kNoon);
    storage->set_setting("capacity", "7");
  }
  const auto storage = open(folder / "a.db");
  EXPECT_EQ(storage->account_by_name("ada")->id, id);
  EXPECT_EQ(storage->account(id)->balance, 1'000'000);
  EXPECT_EQ(storage->entries(id, INT64_MAX, 10).at(0).note, "first");
  EXPECT_EQ(storage->setting("capacity"), "7");
  EXPECT_EQ(storage->setting("other"), std::nullopt);
}

TEST(Storage, OthersOfTheMachineCannotReadTheFile) {
  const ScratchFolder folder;
  const auto storage = open(folder / "a.db");
  storage->create_account(named("ada"), kNoon);
  for (const char* suffix : {"", "-wal", "-shm"}) {
    struct stat facts {};
    ASSERT_EQ(stat((folder / "a.db").append(suffix).c_str(), &facts), 0) << suffix;
    EXPECT_EQ(facts.st_mode & 0777, 0600u) << suffix;
  }
}

TEST(Storage, AFileOfAnotherKindIsRefusedAndLeftAlone) {
  const ScratchFolder folder;
  std::ofstream(folder / "text.db") << "this is a letter to my aunt, and certainly no database; "
                                    << std::string(500, 'x');
  std::string words;
  EXPECT_EQ(kind_of([&] { open(folder / "text.db"); }, &words), ErrorKind::input);
  EXPECT_NE(words.find("text.db"), std::string::npos);
  {
    SqliteOptions options;
    options.create = true;
    SqliteConnection other(folder / "other.db", options);
    other.script("CREATE TABLE recipes (name TEXT)");
  }
  EXPECT_EQ(kind_of([&] { open(folder / "other.db"); }, &words), ErrorKind::input);
  EXPECT_NE(words.find("another program's"), std::string::npos) << words;
}

TEST(Storage, ADatabaseOfANewerLimpidIsRefused) {
  const ScratchFolder folder;
  open(folder / "a.db");
  SqliteConnection connection(folder / "a.db");
  connection.script("PRAGMA user_version=99");
  std::string words;
  EXPECT_EQ(kind_of([&] { open(folder / "a.db"); }, &words), ErrorKind::unsupported);
  EXPECT_NE(words.find("99"), std::string::npos) << words;
}

TEST(Storage, MigrationsAreAppliedOnceEachAndWholeOrNotAtAll) {
  const ScratchFolder folder;
  SqliteOptions options;
  options.create = true;
  SqliteConnection connection(folder / "a.db", options);
  const auto version = [&] {
    SqliteStatement row = connection.query("PRAGMA user_version");
    row.step();
    return row.integer(0);
  };
  const char* first[] = {"CREATE TABLE a (x INTEGER); INSERT INTO a VALUES (1);"};
  migrate(connection, first);
  migrate(connection, first);
  EXPECT_EQ(version(), 1);
  const char* broken[] = {first[0], "UPDATE a SET x = 2; CREATE TABLE b (y INTEGER); CREATE TABLE a (z INTEGER);"};
  EXPECT_THROW(migrate(connection, broken), Error);
  EXPECT_EQ(version(), 1);
  {
    SqliteStatement row = connection.query("SELECT x, (SELECT count(*) FROM sqlite_schema) FROM a");
    ASSERT_TRUE(row.step());
    EXPECT_EQ(row.integer(0), 1);
    EXPECT_EQ(row.integer(1), 1);
  }
  const char* good[] = {first[0], "UPDATE a SET x = x + 1;"};
  migrate(connection, good);
  migrate(connection, good);
  EXPECT_EQ(version(), 2);
  SqliteStatement row = connection.query("SELECT x FROM a");
  ASSERT_TRUE(row.step());
  EXPECT_EQ(row.integer(0), 2);
}

TEST(Storage, ADamagedFileIsNamedAndNothingIsWritten) {
  const ScratchFolder folder;
  const std::string path = folder / "a.db";
  {
    const auto storage = open(path);
    for (int i = 0; i < 400; ++i) storage->create_account(named("person" + std::to_string(i)), kNoon);
  }
  const auto size = std::filesystem::file_size(path);
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(size / 4096 / 2 * 4096));
    file << std::string(8192, '\xa5');
  }
  std::string words;
  EXPECT_EQ(kind_of([&] { open(path); }, &words), ErrorKind::system);
  EXPECT_NE(words.find("damaged"), std::string::npos) << words;
  EXPECT_NE(words.find("recover"), std::string::npos) << words;
  EXPECT_EQ(std::filesystem::file_size(path), size);
}

TEST(Storage, AFullDiskRefusesWhatIsNewAndLosesNothing) {
  const ScratchFolder folder;
  const auto storage = open(folder / "a.db", 200 * 1024);
  const std::string id = storage->create_account(named("ada"), kNoon).account.id;
  storage->add_entry(id, EntryKind::top_up, 1'000'000, "root", "", kNoon);
  const std::string long_note(2000, 'n');
  std::string words;
  int booked = 1;
  ErrorKind kind = ErrorKind::cancelled;
  for (int i = 0; i < 1000 && kind == ErrorKind::cancelled; ++i) {
    try {
      storage->add_entry(id, EntryKind::top_up, 1, "root", long_note, kNoon);
      ++booked;
    } catch (const Error& error) {
      kind = error.kind();
      words = error.what();
    }
  }
  EXPECT_EQ(kind, ErrorKind::resources);
  EXPECT_NE(words.find("disk is full"), std::string::npos) << words;
  EXPECT_EQ(storage->account(id)->balance, 1'000'000 + booked - 1);
  EXPECT_EQ(storage->entries(id, INT64_MAX, 5000).size(), static_cast<std::size_t>(booked));
  EXPECT_TRUE(storage->audit().faults.empty());
  EXPECT_GT(storage->statistics().failures, 0u);
  EXPECT_NE(storage->statistics().fault, "");
}

TEST(Storage, AnotherProcessesLockIsWaitedForAndThenNamed) {
  const ScratchFolder folder;
  SqliteOptions options;
  options.create = true;
  options.busy_ms = 50;
  SqliteConnection a(folder / "a.db", options), b(folder / "a.db", options);
  a.script("CREATE TABLE t (x INTEGER)");
  a.script("BEGIN IMMEDIATE");
  std::string words;
  EXPECT_EQ(kind_of([&] { b.script("BEGIN IMMEDIATE"); }, &words), ErrorKind::resources);
  EXPECT_NE(words.find("locked"), std::string::npos);
  a.script("COMMIT");
  b.script("BEGIN IMMEDIATE; COMMIT");
}

TEST(StorageWriter, ManyCallersShareACommit) {
  const ScratchFolder folder;
  SqliteOptions options;
  options.create = true;
  auto connection = std::make_unique<SqliteConnection>(folder / "a.db", options);
  connection->script("CREATE TABLE t (x INTEGER)");
  SqliteWriter writer(std::move(connection));
  // While one job is in work the others gather: they come in one commit.
  std::atomic<bool> go{false};
  std::thread first([&] {
    writer.run([&](SqliteConnection&) {
      while (!go) std::this_thread::yield();
    });
  });
  while (writer.statistics().waiting == 0) std::this_thread::yield();
  std::vector<std::thread> threads;
  for (int i = 0; i < 16; ++i)
    threads.emplace_back(
        [&writer, i] { writer.run([i](SqliteConnection& db) { db.run("INSERT INTO t VALUES (?)", i); }); });
  while (writer.statistics().waiting < 17) std::this_thread::yield();
  go = true;
  first.join();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(writer.statistics().jobs, 17u);
  EXPECT_LE(writer.statistics().commits, 3u);
}

TEST(StorageWriter, AJobThatFailsTakesNobodyWithIt) {
  const ScratchFolder folder;
  SqliteOptions options;
  options.create = true;
  auto connection = std::make_unique<SqliteConnection>(folder / "a.db", options);
  connection->script("CREATE TABLE t (x INTEGER UNIQUE)");
  SqliteWriter writer(std::move(connection));
  std::atomic<int> failed{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&, i] {
      try {
        writer.run([i](SqliteConnection& db) {
          db.run("INSERT INTO t VALUES (?)", 100 + i);  // undone with the job
          db.run("INSERT INTO t VALUES (?)", i / 2);    // the second of each pair is refused
        });
      } catch (const Error&) {
        ++failed;
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failed, 4);
  writer.run([](SqliteConnection& db) {
    SqliteStatement row = db.query("SELECT count(*) FROM t");
    ASSERT_TRUE(row.step());
    EXPECT_EQ(row.integer(0), 8);
  });
}

TEST(StorageWriter, WhatIsAskedIsAnsweredOnceWhetherItGoesOrNot) {
  const ScratchFolder folder;
  SqliteOptions options;
  options.create = true;
  options.busy_ms = 1;
  auto connection = std::make_unique<SqliteConnection>(folder / "a.db", options);
  connection->script("CREATE TABLE t (x INTEGER UNIQUE)");
  SqliteConnection other(folder / "a.db", options);
  std::atomic<int> went{0}, failed{0};
  const auto done = [&](const std::exception_ptr& error) { ++(error ? failed : went); };
  {
    SqliteWriter writer(std::move(connection));
    const auto ask = [&](int x) {
      writer.ask([x](SqliteConnection& db) { db.run("INSERT INTO t VALUES (?)", x); }, done);
    };
    ask(1);
    ask(2);
    ask(2);  // fails alone
    writer.flush();
    EXPECT_EQ(went, 2);
    EXPECT_EQ(failed, 1);
    other.script("BEGIN IMMEDIATE");
    ask(3);  // is told that it did not go; nothing of it is tried again
    while (failed < 2) std::this_thread::yield();
    other.script("COMMIT");
    writer.flush();
    EXPECT_EQ(writer.statistics().waiting, 0);
    ask(4);
  }  // what is asked when the writer goes is answered too
  EXPECT_EQ(went, 3);
  SqliteStatement row = other.query("SELECT count(*), max(x) FROM t");
  ASSERT_TRUE(row.step());
  EXPECT_EQ(row.integer(0), 3);
  EXPECT_EQ(row.integer(1), 4);
}

TEST(StorageWriter, WhatIsPostedIsTriedAgainUntilItGoes) {
  const ScratchFolder folder;
  SqliteOptions options;
  options.create = true;
  options.busy_ms = 1;
  auto connection = std::make_unique<SqliteConnection>(folder / "a.db", options);
  connection->script("CREATE TABLE t (x INTEGER)");
  SqliteConnection other(folder / "a.db", options);
  SqliteWriter writer(std::move(connection));
  other.script("BEGIN IMMEDIATE");
  std::atomic<int> durable{0};
  for (int i = 0; i < 3; ++i)
    writer.post([i](SqliteConnection& db) { db.run("INSERT INTO t VALUES (?)", i); }, [&] { ++durable; });
  EXPECT_THROW(writer.flush(), Error);
  EXPECT_EQ(durable, 0);
  EXPECT_EQ(writer.statistics().waiting, 3);
  other.script("COMMIT");
  for (;;) {  // a try may have begun before the lock was gone
    try {
      writer.flush();
      break;
    } catch (const Error&) {
    }
  }
  EXPECT_EQ(durable, 3);
  SqliteStatement row = other.query("SELECT count(*), min(x), max(x) FROM t");
  ASSERT_TRUE(row.step());
  EXPECT_EQ(row.integer(0), 3);
}

}  // namespace
}  // namespace limpid
