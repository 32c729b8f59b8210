#include "server/storage_schema.h"

#include "base/error.h"

namespace limpid {

namespace {

// Amounts are micros, times Unix seconds. account.name is NULL once the account is deleted: its row stays for the
// entries that name it. The checks are the ledger's last defence: a bug becomes a failed write, never a wrong balance.
constexpr const char* kFirst = R"sql(
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE accounts (
  id TEXT PRIMARY KEY,
  name TEXT UNIQUE,
  password_hash TEXT NOT NULL,
  role INTEGER NOT NULL,
  status INTEGER NOT NULL,
  tier TEXT NOT NULL,
  ban_reason TEXT NOT NULL DEFAULT '',
  created INTEGER NOT NULL,
  waiting INTEGER UNIQUE,
  balance INTEGER NOT NULL DEFAULT 0 CHECK (balance >= 0),
  reserved INTEGER NOT NULL DEFAULT 0 CHECK (reserved >= 0 AND reserved <= balance)
) STRICT, WITHOUT ROWID;
CREATE INDEX accounts_by_status ON accounts (status, name);

CREATE TABLE codes (
  id TEXT PRIMARY KEY,
  hash TEXT NOT NULL UNIQUE,
  tier TEXT NOT NULL,
  uses_left INTEGER NOT NULL CHECK (uses_left >= 0),
  credit INTEGER NOT NULL CHECK (credit >= 0),
  created INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  note TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
  id TEXT PRIMARY KEY,
  hash TEXT NOT NULL UNIQUE,
  account TEXT NOT NULL REFERENCES accounts,
  created INTEGER NOT NULL,
  seen INTEGER NOT NULL,
  expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_account ON sessions (account);

CREATE TABLE keys (
  id TEXT PRIMARY KEY,
  hash TEXT NOT NULL,
  account TEXT NOT NULL REFERENCES accounts,
  name TEXT NOT NULL,
  scopes TEXT NOT NULL,
  created INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  revoked INTEGER NOT NULL DEFAULT 0,
  used INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX keys_by_account ON keys (account, created);

CREATE TABLE requests (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  account TEXT NOT NULL REFERENCES accounts,
  key TEXT NOT NULL,
  model TEXT NOT NULL,
  opened INTEGER NOT NULL,
  closed INTEGER,
  state INTEGER NOT NULL DEFAULT 0,
  asked_prompt INTEGER NOT NULL,
  asked_completion INTEGER NOT NULL,
  reserved INTEGER NOT NULL CHECK (reserved >= 0),
  price_cached INTEGER NOT NULL,
  price_prompt INTEGER NOT NULL,
  price_completion INTEGER NOT NULL,
  cached_tokens INTEGER NOT NULL DEFAULT 0,
  prompt_tokens INTEGER NOT NULL DEFAULT 0,
  completion_tokens INTEGER NOT NULL DEFAULT 0,
  cost INTEGER NOT NULL DEFAULT 0 CHECK (cost >= 0)
) STRICT;
CREATE INDEX requests_open ON requests (id) WHERE state = 0;
CREATE INDEX requests_by_account ON requests (account, opened);

CREATE TABLE entries (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  time INTEGER NOT NULL,
  account TEXT NOT NULL REFERENCES accounts,
  kind INTEGER NOT NULL,
  amount INTEGER NOT NULL,
  balance INTEGER NOT NULL CHECK (balance >= 0),
  request INTEGER UNIQUE,
  actor TEXT NOT NULL,
  note TEXT NOT NULL,
  CHECK ((kind = 0) = (request IS NOT NULL))
) STRICT;
CREATE INDEX entries_by_account ON entries (account, id);
CREATE TRIGGER entries_stay BEFORE UPDATE ON entries BEGIN SELECT RAISE(ABORT, 'ledger entries are never changed'); END;
CREATE TRIGGER entries_remain BEFORE DELETE ON entries BEGIN SELECT RAISE(ABORT, 'ledger entries are never deleted'); END;

CREATE TABLE usage (
  account TEXT NOT NULL REFERENCES accounts,
  day INTEGER NOT NULL,
  key TEXT NOT NULL,
  model TEXT NOT NULL,
  requests INTEGER NOT NULL,
  cached_tokens INTEGER NOT NULL,
  prompt_tokens INTEGER NOT NULL,
  completion_tokens INTEGER NOT NULL,
  cost INTEGER NOT NULL,
  PRIMARY KEY (account, day, key, model)
) STRICT, WITHOUT ROWID;
)sql";

constexpr const char* kMigrations[] = {kFirst};

std::int64_t pragma(SqliteConnection& connection, const char* sql) {
  SqliteStatement statement = connection.query(sql);
  return statement.step() ? statement.integer(0) : 0;
}

}  // namespace

std::span<const char* const> storage_migrations() { return kMigrations; }

void migrate(SqliteConnection& connection, std::span<const char* const> migrations) {
  const auto last = static_cast<std::int64_t>(migrations.size());
  // Within the transaction, so that two processes that start at once do not both migrate.
  connection.script("BEGIN IMMEDIATE");
  try {
    const std::int64_t application = pragma(connection, "PRAGMA application_id");
    const std::int64_t version = pragma(connection, "PRAGMA user_version");
    const std::int64_t tables = pragma(connection, "SELECT count(*) FROM sqlite_schema");
    if (application != kDatabaseApplication && (application != 0 || version != 0 || tables != 0))
      fail(ErrorKind::input, "{}: expected limpid's database (application id {:#x}), found another program's ({:#x})",
           connection.path(), kDatabaseApplication, application);
    if (version > last)
      fail(ErrorKind::unsupported, "{}: its tables have version {}, this limpid knows up to {}; use the newer one",
           connection.path(), version, last);
    for (std::int64_t i = version; i < last; ++i) connection.script(migrations[static_cast<std::size_t>(i)]);
    if (version < last)
      connection.script(fmt::format("PRAGMA application_id={}; PRAGMA user_version={};", kDatabaseApplication, last));
    connection.script("COMMIT");
  } catch (...) {
    if (connection.in_transaction()) connection.script("ROLLBACK");
    throw;
  }
}

void check_database(SqliteConnection& connection) {
  SqliteStatement statement = connection.query("PRAGMA quick_check(1)");
  if (statement.step() && statement.text(0) != "ok")
    fail(ErrorKind::system,
         "the database {} is damaged: {}; nothing was changed: keep a copy of the file and its -wal, and restore a "
         "backup or rescue it with `sqlite3 FILE .recover`",
         connection.path(), statement.text(0));
}

}  // namespace limpid
