// History: conversations of the app's readers, kept on the server by account. What a conversation holds is the app's
// affair: it is stored and given back as JSON text.
//
// From any thread; may wait for the disk.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace limpid {

class SqliteConnection;

struct KeptConversation {
  std::string id;
  std::int64_t updated = 0;  // milliseconds since 1970, as the app says
  std::string body;          // JSON
};

inline constexpr std::size_t kMostConversationBytes = std::size_t{8} << 20;
inline constexpr std::int64_t kMostHistoryBytes = std::int64_t{512} << 20;  // of an account

class History {
 public:
  explicit History(const std::string& database);  // made where it is not there
  ~History();
  History(const History&) = delete;
  History& operator=(const History&) = delete;

  std::vector<KeptConversation> all(const std::string& account) const;
  // Throws Error(input) for an id that is none (letters, digits, '-' and '_', at most 64) or a body over the limit,
  // Error(resources) where the account's room is used up. An older `updated` than what is kept changes nothing.
  void put(const std::string& account, const KeptConversation& conversation);
  void remove(const std::string& account, const std::string& id);
  // What belongs to accounts that are gone.
  void remove_accounts_unless(const std::function<bool(const std::string& account)>& is_there);

 private:
  mutable std::mutex mutex_;
  std::unique_ptr<SqliteConnection> database_;
};

}  // namespace limpid
