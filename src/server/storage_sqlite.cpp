#include "server/storage_sqlite.h"

#include "base/error.h"
#include "server/secrets.h"
#include "server/storage_schema.h"
#include "server/storage_sqlite_impl.h"

namespace limpid {

std::unique_ptr<Storage> open_sqlite_storage(const StorageOptions& options) {
  return std::make_unique<SqliteStorage>(options);
}

SqliteStorage::SqliteStorage(const StorageOptions& options) {
  SqliteOptions sqlite;
  sqlite.create = options.create;
  sqlite.most_bytes = options.most_bytes;
  auto connection = std::make_unique<SqliteConnection>(options.path, sqlite);
  if (options.check) check_database(*connection);
  migrate(*connection, storage_migrations());
  // A journal of progress belongs to one database (progress_journal.h): this tells them apart.
  connection->run("INSERT OR IGNORE INTO settings (name, value) VALUES ('database', ?)", random_hex(8));
  sqlite.create = false;
  for (int i = 0; i < std::max(1, options.readers); ++i)
    readers_.push_back(std::make_unique<SqliteConnection>(options.path, sqlite));
  writer_ = std::make_unique<SqliteWriter>(std::move(connection));
}

SqliteStorage::Reader::Reader(SqliteStorage& storage) : storage_(storage) {
  std::unique_lock lock(storage_.readers_mutex_);
  storage_.reader_free_.wait(lock, [&] { return !storage_.readers_.empty(); });
  connection_ = std::move(storage_.readers_.back());
  storage_.readers_.pop_back();
}

SqliteStorage::Reader::~Reader() {
  {
    const std::lock_guard lock(storage_.readers_mutex_);
    storage_.readers_.push_back(std::move(connection_));
  }
  storage_.reader_free_.notify_one();
}

std::optional<std::string> SqliteStorage::setting(const std::string& name) {
  return read([&](SqliteConnection& connection) {
    SqliteStatement row = connection.query("SELECT value FROM settings WHERE name = ?", name);
    return row.step() ? std::optional(row.text(0)) : std::nullopt;
  });
}

void SqliteStorage::set_setting(const std::string& name, const std::string& value) {
  write([&](SqliteConnection& connection) {
    connection.run("INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
                   name, value);
  });
}

void SqliteStorage::clean(UnixSeconds now, UnixSeconds keep_requests_from) {
  write([&](SqliteConnection& connection) {
    connection.run("DELETE FROM sessions WHERE expires <= ?", now);
    connection.run("DELETE FROM codes WHERE uses_left = 0 OR (expires > 0 AND expires <= ?)", now);
    // By portions, so that other writes are not held up for long.
    connection.run(
        "DELETE FROM requests WHERE id IN (SELECT id FROM requests WHERE state != 0 AND opened < ? LIMIT 20000)",
        keep_requests_from);
  });
}

void SqliteStorage::flush() { writer_->flush(); }

StorageStatistics SqliteStorage::statistics() const {
  const SqliteWriterStatistics writer = writer_->statistics();
  return {writer.commits, writer.jobs, writer.failures, writer.waiting, writer.fault};
}

}  // namespace limpid
