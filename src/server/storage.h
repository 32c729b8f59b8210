// Storage: everything that the service remembers about people, behind one interface: accounts, access codes, sessions,
// API keys, the ledger, usage, settings. server/storage_sqlite.h is the one implementation; nothing else knows SQL.
//
// From any thread but the engine's and the one of input and output: a call may wait for the disk (post_* and ask_* alone
// do not). What a call that writes has returned from is durable. Throws Error: resources (full disk, locked), system
// (damaged file, failing disk); nothing is half written then. What is expected to be refused (a name taken, a balance
// too small) is a return value.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/clock.h"
#include "server/money.h"

namespace limpid {

enum class Role { user, admin };
enum class AccountStatus { active, waiting, banned };
std::string_view name(Role role);
std::string_view name(AccountStatus status);
Role parse_role(std::string_view text);                     // throws Error(input) with the names there are
AccountStatus parse_account_status(std::string_view text);  // likewise

struct Account {
  std::string id;    // "acc_" and 16 hex digits; never used again
  std::string name;  // to log in with; lower case, unique
  Role role = Role::user;
  AccountStatus status = AccountStatus::active;
  std::string tier;
  std::string ban_reason;
  UnixSeconds created = 0;
  Micros balance = 0;   // the sum of its ledger entries
  Micros reserved = 0;  // of it, by requests that run
};

struct NewAccount {
  std::string name, password_hash, tier;
  Role role = Role::user;
  AccountStatus status = AccountStatus::active;
  std::string code;                       // access code; empty: none. Its tier and credit count then
  std::int64_t capacity = -1;             // without a code: waits where as many accounts are active; < 0: no limit
  std::int64_t most_waiting = INT64_MAX;  // refused where it would wait and so many do
};

enum class SignUp { created, name_taken, wrong_code, list_full };
struct SignUpResult {
  SignUp outcome = SignUp::created;
  Account account;
};

struct AccessCode {
  std::string id;  // public; says nothing about the code
  std::string tier;
  std::int64_t uses_left = 1;
  Micros credit = 0;                     // given to each account that uses it
  UnixSeconds created = 0, expires = 0;  // 0: never
  std::string note;
};

struct WaitingPlace {
  std::int64_t place = 0;    // 1: next; 0: does not wait
  std::int64_t waiting = 0;  // in all
};

struct BrowserSession {
  std::string id;  // public
  std::string token_hash;
  Account account;
  UnixSeconds created = 0, seen = 0, expires = 0;
};

struct ApiKey {
  std::string id;  // public: a part of its text
  std::string account, name;
  std::vector<std::string> scopes;                              // empty: all that the account may
  UnixSeconds created = 0, expires = 0, revoked = 0, used = 0;  // 0: never
};

struct KeyAndOwner {
  ApiKey key;
  std::string hash;
  Account account;
};

// --- The ledger ---
enum class EntryKind {
  charge,      // of one request; each closed request has exactly one
  top_up,      // by an admin
  grant,       // with an access code
  adjustment,  // by an admin, either sign
  closing,     // what was left when an account was deleted
};
std::string_view name(EntryKind kind);

struct LedgerEntry {
  std::int64_t id = 0;
  UnixSeconds time = 0;
  std::string account;
  EntryKind kind = EntryKind::charge;
  Micros amount = 0;   // > 0: to the account
  Micros balance = 0;  // after it
  std::int64_t request = 0;
  std::string actor, note;
};

enum class RequestState { open, settled, released, interrupted };

struct OpenRequest {
  std::int64_t id = 0;  // given by the storage; never used again
  std::string account, key, model;
  UnixSeconds opened = 0;
  Demand demand;
  ModelPrice price;     // of the day it was accepted; all zero where the tier is not charged
  Micros reserved = 0;  // most_cost
};

enum class OpenOutcome { opened, no_balance, no_account };  // no_account: deleted, banned or waiting by now
struct OpenResult {
  OpenOutcome outcome = OpenOutcome::opened;
  std::int64_t request = 0;
  Micros available = 0;  // before it
};

struct Closing {
  std::int64_t request = 0;
  RequestState state = RequestState::settled;  // not open
  Consumption consumption;
  UnixSeconds time = 0;
};

struct Audit {
  std::int64_t accounts = 0, entries = 0, requests = 0, open = 0;
  std::vector<std::string> faults;  // what does not add up, in words; empty: the books balance
};

// --- Usage ---
struct UsagePlace {  // in the order of usage()
  UnixSeconds day = 0;
  std::string account, key, model;
};

struct UsageFilter {
  std::string account, key, model;       // empty: any
  UnixSeconds from = 0, to = INT64_MAX;  // days that begin in [from, to)
  std::int64_t limit = INT64_MAX;        // rows at a time
  std::optional<UsagePlace> after{};     // the row that the page before has ended with
};

struct UsageRow {
  UnixSeconds day = 0;  // 00:00 UTC, by when the request was accepted
  std::string account, key, model;
  std::int64_t requests = 0;
  Consumption tokens;
  Micros cost = 0;
};

struct UsageTotals {
  std::int64_t requests = 0, tokens = 0;
};
struct RecentRequest {
  UnixSeconds opened = 0;
  std::int64_t tokens = 0;
};

struct StorageStatistics {
  std::uint64_t commits = 0, writes = 0, failures = 0;  // failures: of commits
  std::int64_t waiting = 0;                             // writes that are not durable yet
  std::string fault;                                    // why the last commit failed; empty: it did not
};

class Storage {
 public:
  virtual ~Storage() = default;

  // --- Accounts ---
  virtual SignUpResult create_account(const NewAccount& account, UnixSeconds now) = 0;
  virtual std::optional<Account> account(const std::string& id) = 0;
  virtual std::optional<Account> account_by_name(const std::string& name) = 0;
  virtual std::string password_hash(const std::string& account) = 0;  // empty: no such account
  // By name; `after` is the last name of the page before. An empty status: any.
  virtual std::vector<Account> accounts(std::optional<AccountStatus> status, const std::string& after,
                                        std::int64_t limit) = 0;
  virtual bool set_password(const std::string& account, const std::string& hash, bool end_sessions) = 0;
  virtual bool set_tier(const std::string& account, const std::string& tier) = 0;
  virtual bool set_role(const std::string& account, Role role) = 0;
  virtual bool set_status(const std::string& account, AccountStatus status, const std::string& ban_reason) = 0;
  // Name, password, sessions, keys and usage go; ledger entries stay under the account's id, which says nothing about
  // the person, and what is left of the balance is booked out. Its open requests are closed as they end.
  virtual bool delete_account(const std::string& account, UnixSeconds now, const std::string& actor) = 0;
  virtual std::int64_t active_accounts() = 0;
  virtual std::vector<std::string> tiers_in_use() = 0;  // by accounts and codes

  // --- Waiting list, in the order of sign-up ---
  virtual WaitingPlace waiting_place(const std::string& account) = 0;
  // Lets in who waits longest until `capacity` accounts are active, `most` at most. Returns their ids.
  virtual std::vector<std::string> let_in(std::int64_t capacity, std::int64_t most) = 0;

  // --- Access codes ---
  virtual void create_code(const AccessCode& code, const std::string& code_hash) = 0;
  virtual std::vector<AccessCode> codes() = 0;
  virtual bool delete_code(const std::string& id) = 0;

  // --- Sessions of browsers ---
  virtual void create_session(const BrowserSession& session) = 0;                    // an account keeps its newest 20
  virtual std::optional<BrowserSession> session(const std::string& token_hash) = 0;  // expired ones too
  virtual void touch_session(const std::string& id, UnixSeconds seen) = 0;
  virtual bool delete_session(const std::string& id) = 0;
  virtual std::int64_t delete_sessions(const std::string& account) = 0;  // how many there were

  // --- API keys ---
  virtual void create_key(const ApiKey& key, const std::string& hash) = 0;
  virtual std::optional<KeyAndOwner> key(const std::string& id) = 0;
  virtual std::vector<ApiKey> keys(const std::string& account) = 0;
  virtual bool revoke_key(const std::string& account, const std::string& id, UnixSeconds now) = 0;

  // --- The ledger ---
  // Reserves what the request can cost at most. The balance never goes below zero.
  virtual OpenResult open_request(const OpenRequest& request) = 0;
  // The same for who does not wait: `opened` is called when it is durable, or with what open_request() would throw, once,
  // on the writer's thread; quick, and without throwing.
  virtual void ask_open(const OpenRequest& request, std::function<void(OpenResult, std::exception_ptr)> opened) = 0;
  // Charges it, gives back the rest and counts the usage: once; closing what is closed changes nothing. Returns at
  // once; a write that fails is kept and tried again, and `durable` is called (on the writer's thread) when it is done.
  virtual void post_close(const Closing& closing, std::function<void()> durable) = 0;
  virtual std::vector<OpenRequest> open_requests() = 0;
  // To the account, negative: from it. False: no such account, or it would take more than is there and not reserved.
  virtual bool add_entry(const std::string& account, EntryKind kind, Micros amount, const std::string& actor,
                         const std::string& note, UnixSeconds now) = 0;
  virtual std::vector<LedgerEntry> entries(const std::string& account, std::int64_t before, std::int64_t limit) = 0;
  virtual Micros granted_left(const std::string& account) = 0;  // of the balance: grants are used up first
  virtual Audit audit() = 0;                                    // adds everything up anew

  // --- Usage ---
  virtual std::vector<UsageRow> usage(const UsageFilter& filter) = 0;  // by day, account, key, model
  virtual UsageTotals usage_totals(const std::string& account, UnixSeconds from) = 0;
  virtual std::vector<RecentRequest> recent_requests(const std::string& account, UnixSeconds after) = 0;

  // --- The rest ---
  virtual std::optional<std::string> setting(const std::string& name) = 0;
  virtual void set_setting(const std::string& name, const std::string& value) = 0;
  // Expired sessions and codes, and closed requests opened before `keep_requests_from` (their entries and usage stay).
  virtual void clean(UnixSeconds now, UnixSeconds keep_requests_from) = 0;
  virtual void flush() = 0;  // returns when everything posted is durable; throws what keeps it from being so
  virtual StorageStatistics statistics() const = 0;
};

}  // namespace limpid
