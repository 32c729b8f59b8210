// A thin layer over SQLite: connections and prepared statements that clean up after themselves and speak in Errors. One
// thread at a time per connection.
//
// What fails is told apart: Error(resources) for a full disk or a database that others keep locked, Error(system) for a
// damaged file or a failing disk, Error(input) for a file that is no database. Nothing that was committed is lost by
// any of them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

struct sqlite3;
struct sqlite3_stmt;

namespace limpid {

class SqliteConnection;

// A prepared statement in use; reset, and free for the next use, when destroyed.
class SqliteStatement {
 public:
  SqliteStatement(SqliteConnection& connection, sqlite3_stmt* statement)
      : connection_(&connection), statement_(statement) {}
  SqliteStatement(SqliteStatement&& other) noexcept
      : connection_(other.connection_), statement_(std::exchange(other.statement_, nullptr)) {}
  ~SqliteStatement();
  SqliteStatement(const SqliteStatement&) = delete;
  SqliteStatement& operator=(const SqliteStatement&) = delete;

  bool step();  // true: there is a row
  std::int64_t integer(int column) const;
  std::string text(int column) const;
  bool null(int column) const;

  void bind(int index, std::int64_t value);
  void bind(int index, int value) { bind(index, std::int64_t{value}); }
  void bind(int index, bool value) { bind(index, std::int64_t{value}); }
  void bind(int index, std::string_view value);  // copied
  void bind(int index, const std::string& value) { bind(index, std::string_view(value)); }
  void bind(int index, const char* value) { bind(index, std::string_view(value)); }
  void bind(int index, std::nullptr_t);

 private:
  SqliteConnection* connection_;
  sqlite3_stmt* statement_;
};

struct SqliteOptions {
  bool create = false;          // make the file (readable by its owner only) where it is not there
  int busy_ms = 5000;           // how long to wait for another process's write
  std::int64_t most_bytes = 0;  // of the file; beyond, writes fail like on a full disk. 0: no limit
};

class SqliteConnection {
 public:
  explicit SqliteConnection(std::string path, const SqliteOptions& options = {});
  ~SqliteConnection();
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;

  // `sql` lives as long as the connection (a literal): statements are prepared once for each.
  template <typename... Values>
  SqliteStatement query(const char* sql, const Values&... values) {
    SqliteStatement statement(*this, prepared(sql));
    int index = 0;
    (statement.bind(++index, values), ...);
    return statement;
  }
  template <typename... Values>
  void run(const char* sql, const Values&... values) {
    SqliteStatement statement(*this, prepared(sql));
    int index = 0;
    (statement.bind(++index, values), ...);
    while (statement.step()) {
    }
  }
  void script(const std::string& sql);  // several statements, not kept

  std::int64_t changed_rows() const;  // by the last statement
  std::int64_t last_row() const;      // its rowid
  bool in_transaction() const;
  const std::string& path() const { return path_; }
  sqlite3* handle() const { return database_; }  // to register what SQLite calls back

  [[noreturn]] void fail_here(const std::string& doing) const;  // throws the Error for the last result

 private:
  friend class SqliteStatement;
  sqlite3_stmt* prepared(const char* sql);

  std::string path_;
  sqlite3* database_ = nullptr;
  std::unordered_map<const char*, sqlite3_stmt*> statements_;
};

}  // namespace limpid
