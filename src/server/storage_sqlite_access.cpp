// What lets people in: access codes, sessions of browsers, API keys. Of each only a hash is stored.
#include "server/storage_sqlite_impl.h"

namespace limpid {

namespace {

std::string join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> words;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(' ', begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

constexpr int kKeyColumns = 8;
#define LIMPID_KEY_COLUMNS \
  "keys.id, keys.account, keys.name, keys.scopes, keys.created, keys.expires, keys.revoked, keys.used"

ApiKey read_key(const SqliteStatement& row) {
  return {row.text(0),    row.text(1),    row.text(2),    split(row.text(3)),
          row.integer(4), row.integer(5), row.integer(6), row.integer(7)};
}

}  // namespace

void SqliteStorage::create_code(const AccessCode& code, const std::string& code_hash) {
  write([&](SqliteConnection& connection) {
    connection.run(
        "INSERT INTO codes (id, hash, tier, uses_left, credit, created, expires, note) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        code.id, code_hash, code.tier, code.uses_left, code.credit, code.created, code.expires, code.note);
  });
}

std::vector<AccessCode> SqliteStorage::codes() {
  return read([&](SqliteConnection& connection) {
    std::vector<AccessCode> found;
    SqliteStatement row =
        connection.query("SELECT id, tier, uses_left, credit, created, expires, note FROM codes ORDER BY created, id");
    while (row.step())
      found.push_back(
          {row.text(0), row.text(1), row.integer(2), row.integer(3), row.integer(4), row.integer(5), row.text(6)});
    return found;
  });
}

bool SqliteStorage::delete_code(const std::string& id) {
  return write([&](SqliteConnection& connection) {
    connection.run("DELETE FROM codes WHERE id = ?", id);
    return connection.changed_rows() == 1;
  });
}

void SqliteStorage::create_session(const BrowserSession& session) {
  write([&](SqliteConnection& connection) {
    connection.run("INSERT INTO sessions (id, hash, account, created, seen, expires) VALUES (?, ?, ?, ?, ?, ?)",
                   session.id, session.token_hash, session.account.id, session.created, session.seen, session.expires);
    connection.run(
        "DELETE FROM sessions WHERE account = ?1 AND id NOT IN (SELECT id FROM sessions WHERE account = ?1 ORDER BY "
        "created DESC, id = ?2 DESC LIMIT 20)",
        session.account.id, session.id);
  });
}

std::optional<BrowserSession> SqliteStorage::session(const std::string& token_hash) {
  return read([&](SqliteConnection& connection) -> std::optional<BrowserSession> {
    SqliteStatement row = connection.query(
        "SELECT " LIMPID_ACCOUNT_COLUMNS
        ", sessions.id, hash, sessions.created, seen, expires FROM sessions JOIN accounts ON accounts.id = account "
        "WHERE hash = ?",
        token_hash);
    if (!row.step()) return std::nullopt;
    BrowserSession session;
    session.account = read_account(row, 0);
    session.id = row.text(kAccountColumns);
    session.token_hash = row.text(kAccountColumns + 1);
    session.created = row.integer(kAccountColumns + 2);
    session.seen = row.integer(kAccountColumns + 3);
    session.expires = row.integer(kAccountColumns + 4);
    return session;
  });
}

void SqliteStorage::touch_session(const std::string& id, UnixSeconds seen) {
  write([&](SqliteConnection& connection) {
    connection.run("UPDATE sessions SET seen = max(seen, ?) WHERE id = ?", seen, id);
  });
}

bool SqliteStorage::delete_session(const std::string& id) {
  return write([&](SqliteConnection& connection) {
    connection.run("DELETE FROM sessions WHERE id = ?", id);
    return connection.changed_rows() == 1;
  });
}

std::int64_t SqliteStorage::delete_sessions(const std::string& account) {
  return write([&](SqliteConnection& connection) {
    connection.run("DELETE FROM sessions WHERE account = ?", account);
    return connection.changed_rows();
  });
}

void SqliteStorage::create_key(const ApiKey& key, const std::string& hash) {
  write([&](SqliteConnection& connection) {
    connection.run("INSERT INTO keys (id, hash, account, name, scopes, created, expires) VALUES (?, ?, ?, ?, ?, ?, ?)",
                   key.id, hash, key.account, key.name, join(key.scopes), key.created, key.expires);
  });
}

std::optional<KeyAndOwner> SqliteStorage::key(const std::string& id) {
  return read([&](SqliteConnection& connection) -> std::optional<KeyAndOwner> {
    SqliteStatement row = connection.query("SELECT " LIMPID_KEY_COLUMNS ", keys.hash, " LIMPID_ACCOUNT_COLUMNS
                                           " FROM keys JOIN accounts ON accounts.id = keys.account WHERE keys.id = ?",
                                           id);
    if (!row.step()) return std::nullopt;
    return KeyAndOwner{read_key(row), row.text(kKeyColumns), read_account(row, kKeyColumns + 1)};
  });
}

std::vector<ApiKey> SqliteStorage::keys(const std::string& account) {
  return read([&](SqliteConnection& connection) {
    std::vector<ApiKey> found;
    SqliteStatement row =
        connection.query("SELECT " LIMPID_KEY_COLUMNS " FROM keys WHERE account = ? ORDER BY created, id", account);
    while (row.step()) found.push_back(read_key(row));
    return found;
  });
}

bool SqliteStorage::revoke_key(const std::string& account, const std::string& id, UnixSeconds now) {
  return write([&](SqliteConnection& connection) {
    connection.run("UPDATE keys SET revoked = ? WHERE id = ? AND account = ? AND revoked = 0", now, id, account);
    return connection.changed_rows() == 1;
  });
}

}  // namespace limpid
