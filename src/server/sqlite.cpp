#include "server/sqlite.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>

#include "base/error.h"

namespace limpid {

SqliteStatement::~SqliteStatement() {
  if (statement_ == nullptr) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

bool SqliteStatement::step() {
  const int result = sqlite3_step(statement_);
  if (result == SQLITE_ROW) return true;
  if (result != SQLITE_DONE) connection_->fail_here(sqlite3_sql(statement_));
  return false;
}

std::int64_t SqliteStatement::integer(int column) const { return sqlite3_column_int64(statement_, column); }

std::string SqliteStatement::text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  return text == nullptr ? std::string()
                         : std::string(text, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column)));
}

bool SqliteStatement::null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }

void SqliteStatement::bind(int index, std::int64_t value) {
  if (sqlite3_bind_int64(statement_, index, value) != SQLITE_OK) connection_->fail_here(sqlite3_sql(statement_));
}

void SqliteStatement::bind(int index, std::string_view value) {
  const char* data = value.data() == nullptr ? "" : value.data();
  if (sqlite3_bind_text(statement_, index, data, static_cast<int>(value.size()), SQLITE_TRANSIENT) != SQLITE_OK)
    connection_->fail_here(sqlite3_sql(statement_));
}

void SqliteStatement::bind(int index, std::nullptr_t) {
  if (sqlite3_bind_null(statement_, index) != SQLITE_OK) connection_->fail_here(sqlite3_sql(statement_));
}

SqliteConnection::SqliteConnection(std::string path, const SqliteOptions& options) : path_(std::move(path)) {
  if (options.create) {  // so that nobody else may read it from its first moment; SQLite gives its -wal the same mode
    const int fd = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) fail_errno("open the database", path_);
    close(fd);
  } else if (access(path_.c_str(), F_OK) != 0) {
    fail(ErrorKind::not_found, "there is no database {}", path_);
  }
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  if (sqlite3_open_v2(path_.c_str(), &database_, flags, nullptr) != SQLITE_OK) {
    const std::string why = database_ == nullptr ? "no memory" : sqlite3_errmsg(database_);
    sqlite3_close_v2(database_);
    fail(ErrorKind::system, "open the database {}: {}", path_, why);
  }
  try {
    sqlite3_busy_timeout(database_, options.busy_ms);
    // WAL: readers never wait for the writer. FULL: what was committed survives a power cut.
    script(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF;"
        "PRAGMA cell_size_check=ON; PRAGMA cache_size=-8192; PRAGMA journal_size_limit=67108864;");
    if (options.most_bytes > 0) {
      std::int64_t page = 0;
      {
        SqliteStatement size = query("PRAGMA page_size");
        if (size.step()) page = size.integer(0);
      }
      script(fmt::format("PRAGMA max_page_count={};", std::max<std::int64_t>(1, options.most_bytes / page)));
    }
  } catch (...) {
    for (const auto& [sql, statement] : statements_) sqlite3_finalize(statement);
    sqlite3_close_v2(database_);
    throw;
  }
}

SqliteConnection::~SqliteConnection() {
  for (const auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close_v2(database_);
}

sqlite3_stmt* SqliteConnection::prepared(const char* sql) {
  const auto found = statements_.find(sql);
  if (found != statements_.end()) {
    assert(!sqlite3_stmt_busy(found->second));
    return found->second;
  }
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v3(database_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr) != SQLITE_OK)
    fail_here(sql);
  statements_.emplace(sql, statement);
  return statement;
}

void SqliteConnection::script(const std::string& sql) {
  if (sqlite3_exec(database_, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) fail_here(sql);
}

std::int64_t SqliteConnection::changed_rows() const { return sqlite3_changes64(database_); }
std::int64_t SqliteConnection::last_row() const { return sqlite3_last_insert_rowid(database_); }
bool SqliteConnection::in_transaction() const { return sqlite3_get_autocommit(database_) == 0; }

void SqliteConnection::fail_here(const std::string& doing) const {
  const int result = sqlite3_extended_errcode(database_);
  const std::string why = sqlite3_errmsg(database_);
  const std::string what = doing.substr(0, doing.find_first_of("(\n")).substr(0, 60);
  switch (result & 0xff) {
    case SQLITE_FULL:
      fail(ErrorKind::resources,
           "the database {}: the disk is full ({}); nothing of this was recorded, what was recorded before is kept",
           path_, what);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      fail(ErrorKind::resources, "the database {}: another process keeps it locked ({})", path_, what);
    case SQLITE_CORRUPT:
      fail(
          ErrorKind::system,
          "the database {} is damaged ({}: {}); nothing was changed: stop the service, keep a copy of the file and its "
          "-wal, and restore a backup or rescue it with `sqlite3 FILE .recover`",
          path_, what, why);
    case SQLITE_NOTADB:
      fail(ErrorKind::input, "{}: expected an SQLite database, found a file of another kind", path_);
    case SQLITE_IOERR:
      fail(ErrorKind::system, "the database {}: the disk failed ({}: {})", path_, what, why);
    default:
      fail(ErrorKind::system, "the database {}: {} ({})", path_, why, what);
  }
}

}  // namespace limpid
