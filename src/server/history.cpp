#include "server/history.h"

#include <algorithm>

#include "base/error.h"
#include "server/api_error.h"
#include "server/sqlite.h"

namespace limpid {

namespace {

bool is_id(const std::string& id) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  };
  return !id.empty() && id.size() <= 64 && std::all_of(id.begin(), id.end(), fits);
}

// Whole characters only.
std::string shortened(const std::string& text) {
  constexpr std::size_t kMost = 200;
  if (text.size() <= kMost) return text;
  std::size_t end = kMost;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

}  // namespace

// What the list says stands before the body: SQLite reads no further then.
History::History(const std::string& database, HistoryLimits limits)
    : limits_(limits), database_(std::make_unique<SqliteConnection>(database, SqliteOptions{.create = true})) {
  database_->script(
      "CREATE TABLE IF NOT EXISTS kept (account TEXT NOT NULL, id TEXT NOT NULL, updated INTEGER NOT NULL,"
      " title TEXT NOT NULL, bytes INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (account, id)) WITHOUT ROWID");
  take_over_old_table();
  count_all();
}

History::~History() = default;

// The first version had neither titles nor sizes.
void History::take_over_old_table() {
  if (!database_->query("SELECT 1 FROM sqlite_master WHERE name = 'conversations'").step()) return;
  database_->script(
      "BEGIN; INSERT OR IGNORE INTO kept (account, id, updated, title, bytes, body) SELECT account, id, updated,"
      " coalesce(substr(CASE WHEN json_valid(body) THEN json_extract(body, '$.title') END, 1, 50), ''),"
      " length(CAST(body AS BLOB)), body FROM conversations; DROP TABLE conversations; COMMIT");
}

void History::count_all() {
  SqliteStatement row = database_->query("SELECT coalesce(sum(bytes), 0) FROM kept");
  all_bytes_ = row.step() ? row.integer(0) : 0;
}

std::vector<ListedConversation> History::list(const std::string& account) const {
  const std::lock_guard lock(mutex_);
  std::vector<ListedConversation> out;
  SqliteStatement rows =
      database_->query("SELECT id, updated, title, bytes FROM kept WHERE account = ?1 ORDER BY updated DESC", account);
  while (rows.step()) out.push_back({rows.text(0), rows.integer(1), rows.text(2), rows.integer(3)});
  return out;
}

std::optional<KeptConversation> History::find(const std::string& account, const std::string& id) const {
  const std::lock_guard lock(mutex_);
  SqliteStatement row =
      database_->query("SELECT updated, body, title FROM kept WHERE account = ?1 AND id = ?2", account, id);
  if (!row.step()) return std::nullopt;
  return KeptConversation{id, row.integer(0), row.text(1), row.text(2)};
}

void History::check_room(const std::string& account, std::int64_t more_bytes, bool is_new) const {
  SqliteStatement row =
      database_->query("SELECT count(*), coalesce(sum(bytes), 0) FROM kept WHERE account = ?1", account);
  row.step();
  const std::int64_t there = row.integer(0), bytes = row.integer(1);
  const auto full = [](std::string what) {
    throw ApiError(413, "invalid_request_error", what + "; delete some", {}, "conversations_full");
  };
  if (is_new && there >= limits_.conversations) full(fmt::format("{} conversations are kept, no more", there));
  if (more_bytes > 0 && bytes + more_bytes > limits_.account_bytes)
    full(fmt::format("the conversations take {} bytes, of {}", bytes, limits_.account_bytes));
  if (more_bytes > 0 && all_bytes_ + more_bytes > limits_.all_bytes)
    fail(ErrorKind::resources, "there is no room left for conversations ({} bytes of all accounts)", all_bytes_);
}

void History::put(const std::string& account, const KeptConversation& conversation,
                  std::optional<std::int64_t> replaces) {
  if (!is_id(conversation.id))
    fail(ErrorKind::input, "id of a conversation: expected 1 to 64 letters, digits, '-' or '_', found '{}'",
         conversation.id.substr(0, 80));
  if (conversation.body.size() > kMostConversationBytes)
    fail(ErrorKind::input, "conversation {}: {} bytes, at most {}", conversation.id, conversation.body.size(),
         kMostConversationBytes);
  const std::lock_guard lock(mutex_);
  const auto bytes = static_cast<std::int64_t>(conversation.body.size());
  bool is_new = true;
  std::int64_t before = 0;
  {
    SqliteStatement row =
        database_->query("SELECT updated, bytes FROM kept WHERE account = ?1 AND id = ?2", account, conversation.id);
    is_new = !row.step();
    if (replaces && *replaces != (is_new ? 0 : row.integer(0)))
      throw ApiError(409, "invalid_request_error", "the conversation was changed or deleted since it was read",
                     "replaces", "conversation_changed");
    if (!is_new && row.integer(0) > conversation.updated) return;
    before = is_new ? 0 : row.integer(1);
  }
  check_room(account, bytes - before, is_new);
  database_->run(
      "INSERT INTO kept (account, id, updated, title, bytes, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
      " ON CONFLICT (account, id) DO UPDATE SET updated = excluded.updated, title = excluded.title,"
      " bytes = excluded.bytes, body = excluded.body",
      account, conversation.id, conversation.updated, shortened(conversation.title), bytes, conversation.body);
  all_bytes_ += bytes - before;
}

void History::remove(const std::string& account, const std::string& id) {
  const std::lock_guard lock(mutex_);
  SqliteStatement gone =
      database_->query("DELETE FROM kept WHERE account = ?1 AND id = ?2 RETURNING bytes", account, id);
  while (gone.step()) all_bytes_ -= gone.integer(0);
}

void History::remove_account(const std::string& account) {
  const std::lock_guard lock(mutex_);
  database_->run("DELETE FROM kept WHERE account = ?1", account);
  count_all();
}

void History::remove_accounts_unless(const std::function<bool(const std::string&)>& is_there) {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> gone;
  {
    SqliteStatement rows = database_->query("SELECT DISTINCT account FROM kept");
    while (rows.step())
      if (!is_there(rows.text(0))) gone.push_back(rows.text(0));
  }
  for (const std::string& account : gone) database_->run("DELETE FROM kept WHERE account = ?1", account);
  count_all();
}

}  // namespace limpid
