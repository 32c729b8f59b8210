// History: conversations of the app's readers, kept on the server by account. What a conversation holds is the app's
// affair: it is stored and given back as JSON text, one at a time.
//
// Bounded by bytes for each account and for all together, and in number, so that a list is short. From any thread; may
// wait for the disk.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace limpid {

class SqliteConnection;

struct KeptConversation {
  std::string id;
  std::int64_t updated = 0;  // milliseconds since 1970, as the app says
  std::string body;          // JSON
  std::string title{};       // for the list; cut where it is long
};

struct ListedConversation {
  std::string id;
  std::int64_t updated = 0;
  std::string title;
  std::int64_t bytes = 0;  // of the body
};

inline constexpr std::size_t kMostConversationBytes = std::size_t{8} << 20;

struct HistoryLimits {
  std::int64_t account_bytes = std::int64_t{32} << 20;
  std::int64_t all_bytes = std::int64_t{8} << 30;
  std::int64_t conversations = 2000;  // of an account
};

class History {
 public:
  explicit History(const std::string& database, HistoryLimits limits = {});  // made where it is not there
  ~History();
  History(const History&) = delete;
  History& operator=(const History&) = delete;

  std::vector<ListedConversation> list(const std::string& account) const;  // the newest first
  std::optional<KeptConversation> find(const std::string& account, const std::string& id) const;
  // Throws Error(input) for an id that is none (letters, digits, '-' and '_', at most 64) or a body over the limit,
  // ApiError(413) where the account's room is used up, Error(resources) where everybody's is; what takes no more room
  // than before is always kept. An older `updated` than what is kept changes nothing. `replaces`: the `updated` of what the
  // writer has read (0: there was none); where another is kept by now, or it is gone, nothing changes: ApiError(409).
  void put(const std::string& account, const KeptConversation& conversation,
           std::optional<std::int64_t> replaces = std::nullopt);
  void remove(const std::string& account, const std::string& id);
  void remove_account(const std::string& account);
  // What belongs to accounts that are gone.
  void remove_accounts_unless(const std::function<bool(const std::string& account)>& is_there);

 private:
  void take_over_old_table();
  void count_all();
  void check_room(const std::string& account, std::int64_t more_bytes, bool is_new) const;

  const HistoryLimits limits_;
  mutable std::mutex mutex_;
  std::unique_ptr<SqliteConnection> database_;
  std::int64_t all_bytes_ = 0;  // of all bodies
};

}  // namespace limpid
