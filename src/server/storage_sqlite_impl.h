// SqliteStorage: the class behind open_sqlite_storage, for storage_sqlite*.cpp only. Each of those implements one part
// of the interface: accounts, people's access (codes, sessions, keys), the ledger, usage.
#pragma once

#include <condition_variable>
#include <mutex>
#include <type_traits>
#include <vector>

#include "base/error.h"
#include "server/sqlite_writer.h"
#include "server/storage_sqlite.h"

namespace limpid {

class SqliteStorage final : public Storage {
 public:
  explicit SqliteStorage(const StorageOptions& options);

  SignUpResult create_account(const NewAccount& account, UnixSeconds now) override;
  std::optional<Account> account(const std::string& id) override;
  std::optional<Account> account_by_name(const std::string& name) override;
  std::string password_hash(const std::string& account) override;
  std::vector<Account> accounts(std::optional<AccountStatus> status, const std::string& after,
                                std::int64_t limit) override;
  bool set_password(const std::string& account, const std::string& hash, bool end_sessions) override;
  bool set_tier(const std::string& account, const std::string& tier) override;
  bool set_role(const std::string& account, Role role) override;
  bool set_status(const std::string& account, AccountStatus status, const std::string& ban_reason) override;
  bool delete_account(const std::string& account, UnixSeconds now, const std::string& actor) override;
  std::int64_t active_accounts() override;
  std::vector<std::string> tiers_in_use() override;

  WaitingPlace waiting_place(const std::string& account) override;
  std::vector<std::string> let_in(std::int64_t capacity, std::int64_t most) override;

  void create_code(const AccessCode& code, const std::string& code_hash) override;
  std::vector<AccessCode> codes() override;
  bool delete_code(const std::string& id) override;

  void create_session(const BrowserSession& session) override;
  std::optional<BrowserSession> session(const std::string& token_hash) override;
  void touch_session(const std::string& id, UnixSeconds seen) override;
  bool delete_session(const std::string& id) override;
  std::int64_t delete_sessions(const std::string& account) override;

  void create_key(const ApiKey& key, const std::string& hash) override;
  std::optional<KeyAndOwner> key(const std::string& id) override;
  std::vector<ApiKey> keys(const std::string& account) override;
  bool revoke_key(const std::string& account, const std::string& id, UnixSeconds now) override;

  OpenResult open_request(const OpenRequest& request) override;
  void ask_open(const OpenRequest& request, std::function<void(OpenResult, std::exception_ptr)> opened) override;
  void post_close(const Closing& closing, std::function<void()> durable) override;
  std::vector<OpenRequest> open_requests() override;
  bool add_entry(const std::string& account, EntryKind kind, Micros amount, const std::string& actor,
                 const std::string& note, UnixSeconds now) override;
  std::vector<LedgerEntry> entries(const std::string& account, std::int64_t before, std::int64_t limit) override;
  Micros granted_left(const std::string& account) override;
  Audit audit() override;

  std::vector<UsageRow> usage(const UsageFilter& filter) override;
  UsageTotals usage_totals(const std::string& account, UnixSeconds from) override;
  std::vector<RecentRequest> recent_requests(const std::string& account, UnixSeconds after) override;

  std::optional<std::string> setting(const std::string& name) override;
  void set_setting(const std::string& name, const std::string& value) override;
  void clean(UnixSeconds now, UnixSeconds keep_requests_from) override;
  void flush() override;
  StorageStatistics statistics() const override;

 private:
  // A connection that reads, taken from the pool and put back.
  class Reader {
   public:
    explicit Reader(SqliteStorage& storage);
    ~Reader();
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;
    SqliteConnection& connection() { return *connection_; }

   private:
    SqliteStorage& storage_;
    std::unique_ptr<SqliteConnection> connection_;
  };

  // work(connection) in one snapshot of the database.
  template <typename Work>
  auto read(Work work) {
    Reader reader(*this);
    SqliteConnection& connection = reader.connection();
    connection.run("BEGIN");
    struct End {
      SqliteConnection& connection;
      ~End() {
        if (!connection.in_transaction()) return;
        try {
          connection.run("COMMIT");
        } catch (const Error&) {  // nothing was written: whatever failed has been reported already
        }
      }
    } const end{connection};
    return work(connection);
  }

  // work(connection) on the writer's thread; returns what it returned when that is durable.
  template <typename Work>
  auto write(Work work) {
    using Result = std::invoke_result_t<Work, SqliteConnection&>;
    if constexpr (std::is_void_v<Result>) {
      writer_->run(work);
    } else {
      Result result{};
      writer_->run([&](SqliteConnection& connection) { result = work(connection); });
      return result;
    }
  }

  std::mutex readers_mutex_;
  std::condition_variable reader_free_;
  std::vector<std::unique_ptr<SqliteConnection>> readers_;
  std::unique_ptr<SqliteWriter> writer_;
};

// The columns of an Account, in the order that read_account expects from `column` on.
#define LIMPID_ACCOUNT_COLUMNS                                                                                         \
  "accounts.id, accounts.name, accounts.role, accounts.status, accounts.tier, accounts.ban_reason, accounts.created, " \
  "accounts.balance, accounts.reserved"
inline constexpr int kAccountColumns = 9;
inline constexpr int kDeleted = 3;  // status of an account whose person has gone; not an AccountStatus, never read
Account read_account(const SqliteStatement& row, int column);
// An entry and the balance after it. False: there is no such account, or it would not be enough.
bool book(SqliteConnection& connection, const LedgerEntry& entry);

}  // namespace limpid
