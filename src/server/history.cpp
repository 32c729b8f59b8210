#include "server/history.h"

#include <algorithm>

#include "base/error.h"
#include "server/sqlite.h"

namespace limpid {

namespace {

bool is_id(const std::string& id) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  };
  return !id.empty() && id.size() <= 64 && std::all_of(id.begin(), id.end(), fits);
}

}  // namespace

History::History(const std::string& database)
    : database_(std::make_unique<SqliteConnection>(database, SqliteOptions{.create = true})) {
  database_->script(
      "CREATE TABLE IF NOT EXISTS conversations (account TEXT NOT NULL, id TEXT NOT NULL, updated INTEGER NOT NULL,"
      " body TEXT NOT NULL, PRIMARY KEY (account, id)) WITHOUT ROWID");
}

History::~History() = default;

std::vector<KeptConversation> History::all(const std::string& account) const {
  const std::lock_guard lock(mutex_);
  std::vector<KeptConversation> out;
  SqliteStatement rows =
      database_->query("SELECT id, updated, body FROM conversations WHERE account = ?1 ORDER BY updated DESC", account);
  while (rows.step()) out.push_back({rows.text(0), rows.integer(1), rows.text(2)});
  return out;
}

void History::put(const std::string& account, const KeptConversation& conversation) {
  if (!is_id(conversation.id))
    fail(ErrorKind::input, "id of a conversation: expected 1 to 64 letters, digits, '-' or '_', found '{}'",
         conversation.id.substr(0, 80));
  if (conversation.body.size() > kMostConversationBytes)
    fail(ErrorKind::input, "conversation {}: {} bytes, at most {}", conversation.id, conversation.body.size(),
         kMostConversationBytes);
  const std::lock_guard lock(mutex_);
  {
    SqliteStatement row =
        database_->query("SELECT coalesce(sum(length(body)), 0) FROM conversations WHERE account = ?1 AND id <> ?2",
                         account, conversation.id);
    const std::int64_t used = row.step() ? row.integer(0) : 0;
    if (used + static_cast<std::int64_t>(conversation.body.size()) > kMostHistoryBytes)
      fail(ErrorKind::resources, "conversations take {} bytes, at most {}: delete some", used, kMostHistoryBytes);
  }
  database_->run(
      "INSERT INTO conversations (account, id, updated, body) VALUES (?1, ?2, ?3, ?4)"
      " ON CONFLICT (account, id) DO UPDATE SET updated = excluded.updated, body = excluded.body"
      " WHERE excluded.updated >= conversations.updated",
      account, conversation.id, conversation.updated, conversation.body);
}

void History::remove(const std::string& account, const std::string& id) {
  const std::lock_guard lock(mutex_);
  database_->run("DELETE FROM conversations WHERE account = ?1 AND id = ?2", account, id);
}

void History::remove_accounts_unless(const std::function<bool(const std::string&)>& is_there) {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> gone;
  {
    SqliteStatement rows = database_->query("SELECT DISTINCT account FROM conversations");
    while (rows.step())
      if (!is_there(rows.text(0))) gone.push_back(rows.text(0));
  }
  for (const std::string& account : gone) database_->run("DELETE FROM conversations WHERE account = ?1", account);
}

}  // namespace limpid
