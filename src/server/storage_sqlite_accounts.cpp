// Accounts and the waiting list.
#include "server/secrets.h"
#include "server/storage_sqlite_impl.h"

namespace limpid {

Account read_account(const SqliteStatement& row, int column) {
  Account account;
  account.id = row.text(column);
  account.name = row.text(column + 1);
  account.role = static_cast<Role>(row.integer(column + 2));
  account.status = static_cast<AccountStatus>(row.integer(column + 3));
  account.tier = row.text(column + 4);
  account.ban_reason = row.text(column + 5);
  account.created = row.integer(column + 6);
  account.balance = row.integer(column + 7);
  account.reserved = row.integer(column + 8);
  return account;
}

namespace {

std::int64_t number(SqliteStatement statement) { return statement.step() ? statement.integer(0) : 0; }

std::int64_t count_active(SqliteConnection& connection) {
  return number(connection.query("SELECT count(*) FROM accounts WHERE status = 0"));
}

struct UsedCode {
  std::string tier;
  Micros credit = 0;
};

// Takes one use of the code.
std::optional<UsedCode> use_code(SqliteConnection& connection, const std::string& code, UnixSeconds now) {
  const std::string hash = sha256_hex(code);
  std::optional<UsedCode> used;
  {
    SqliteStatement row = connection.query(
        "SELECT tier, credit FROM codes WHERE hash = ? AND uses_left > 0 AND (expires = 0 OR expires > ?)", hash, now);
    if (row.step()) used = UsedCode{row.text(0), row.integer(1)};
  }
  if (used) connection.run("UPDATE codes SET uses_left = uses_left - 1 WHERE hash = ?", hash);
  return used;
}

std::int64_t count_waiting(SqliteConnection& connection) {
  return number(connection.query("SELECT count(*) FROM accounts WHERE status = 1"));
}

bool must_wait(SqliteConnection& connection, const NewAccount& account) {
  if (account.status == AccountStatus::waiting) return true;
  return account.capacity >= 0 && (count_active(connection) >= account.capacity || count_waiting(connection) > 0);
}

SignUpResult sign_up(SqliteConnection& connection, const NewAccount& wanted, UnixSeconds now) {
  SignUpResult result;
  if (connection.query("SELECT 1 FROM accounts WHERE name = ?", wanted.name).step()) {
    result.outcome = SignUp::name_taken;
    return result;
  }
  Account& account = result.account;
  account = {"acc_" + random_hex(8), wanted.name, wanted.role, wanted.status, wanted.tier, {}, now, 0, 0};
  Micros credit = 0;
  if (!wanted.code.empty()) {
    const std::optional<UsedCode> used = use_code(connection, wanted.code, now);
    if (!used) {
      result.outcome = SignUp::wrong_code;
      return result;
    }
    account.tier = used->tier;
    credit = used->credit;
  } else if (must_wait(connection, wanted)) {
    if (count_waiting(connection) >= wanted.most_waiting) {
      result.outcome = SignUp::list_full;
      return result;
    }
    account.status = AccountStatus::waiting;
  }
  connection.run(
      "INSERT INTO accounts (id, name, password_hash, role, status, tier, created) VALUES (?, ?, ?, ?, ?, ?, ?)",
      account.id, account.name, wanted.password_hash, static_cast<int>(account.role), static_cast<int>(account.status),
      account.tier, now);
  if (account.status == AccountStatus::waiting)
    connection.run("UPDATE accounts SET waiting = (SELECT coalesce(max(waiting), 0) + 1 FROM accounts) WHERE id = ?",
                   account.id);
  if (credit > 0) {
    LedgerEntry entry;
    entry.time = now;
    entry.account = account.id;
    entry.kind = EntryKind::grant;
    entry.amount = credit;
    entry.actor = "code";
    book(connection, entry);
    account.balance = credit;
  }
  return result;
}

}  // namespace

SignUpResult SqliteStorage::create_account(const NewAccount& account, UnixSeconds now) {
  return write([&](SqliteConnection& connection) { return sign_up(connection, account, now); });
}

std::optional<Account> SqliteStorage::account(const std::string& id) {
  return read([&](SqliteConnection& connection) -> std::optional<Account> {
    SqliteStatement row =
        connection.query("SELECT " LIMPID_ACCOUNT_COLUMNS " FROM accounts WHERE id = ? AND name IS NOT NULL", id);
    return row.step() ? std::optional(read_account(row, 0)) : std::nullopt;
  });
}

std::optional<Account> SqliteStorage::account_by_name(const std::string& name) {
  return read([&](SqliteConnection& connection) -> std::optional<Account> {
    SqliteStatement row = connection.query("SELECT " LIMPID_ACCOUNT_COLUMNS " FROM accounts WHERE name = ?", name);
    return row.step() ? std::optional(read_account(row, 0)) : std::nullopt;
  });
}

std::string SqliteStorage::password_hash(const std::string& account) {
  return read([&](SqliteConnection& connection) {
    SqliteStatement row = connection.query("SELECT password_hash FROM accounts WHERE id = ?", account);
    return row.step() ? row.text(0) : std::string();
  });
}

std::vector<Account> SqliteStorage::accounts(std::optional<AccountStatus> status, const std::string& after,
                                             std::int64_t limit) {
  return read([&](SqliteConnection& connection) {
    std::vector<Account> found;
    SqliteStatement row = connection.query("SELECT " LIMPID_ACCOUNT_COLUMNS
                                           " FROM accounts WHERE name > ?1 AND (?2 < 0 OR status = ?2)"
                                           " ORDER BY name LIMIT ?3",
                                           after, status ? static_cast<int>(*status) : -1, limit);
    while (row.step()) found.push_back(read_account(row, 0));
    return found;
  });
}

bool SqliteStorage::set_password(const std::string& account, const std::string& hash, bool end_sessions) {
  return write([&](SqliteConnection& connection) {
    connection.run("UPDATE accounts SET password_hash = ? WHERE id = ? AND name IS NOT NULL", hash, account);
    const bool there = connection.changed_rows() == 1;
    if (there && end_sessions) connection.run("DELETE FROM sessions WHERE account = ?", account);
    return there;
  });
}

bool SqliteStorage::set_tier(const std::string& account, const std::string& tier) {
  return write([&](SqliteConnection& connection) {
    connection.run("UPDATE accounts SET tier = ? WHERE id = ? AND name IS NOT NULL", tier, account);
    return connection.changed_rows() == 1;
  });
}

bool SqliteStorage::set_role(const std::string& account, Role role) {
  return write([&](SqliteConnection& connection) {
    connection.run("UPDATE accounts SET role = ? WHERE id = ? AND name IS NOT NULL", static_cast<int>(role), account);
    return connection.changed_rows() == 1;
  });
}

bool SqliteStorage::set_status(const std::string& account, AccountStatus status, const std::string& ban_reason) {
  return write([&](SqliteConnection& connection) {
    connection.run(
        "UPDATE accounts SET status = ?1, ban_reason = ?2, waiting = CASE WHEN ?1 = 1 THEN coalesce(waiting, (SELECT "
        "coalesce(max(waiting), 0) + 1 FROM accounts)) END WHERE id = ?3 AND name IS NOT NULL",
        static_cast<int>(status), ban_reason, account);
    const bool there = connection.changed_rows() == 1;
    if (there && status == AccountStatus::banned) connection.run("DELETE FROM sessions WHERE account = ?", account);
    return there;
  });
}

bool SqliteStorage::delete_account(const std::string& account, UnixSeconds now, const std::string& actor) {
  return write([&](SqliteConnection& connection) {
    Micros left = 0;
    {
      SqliteStatement row =
          connection.query("SELECT balance - reserved FROM accounts WHERE id = ? AND name IS NOT NULL", account);
      if (!row.step()) return false;
      left = row.integer(0);
    }
    if (left > 0) {
      LedgerEntry entry;
      entry.time = now;
      entry.account = account;
      entry.kind = EntryKind::closing;
      entry.amount = -left;
      entry.actor = actor;
      book(connection, entry);
    }
    connection.run("DELETE FROM sessions WHERE account = ?", account);
    connection.run("DELETE FROM keys WHERE account = ?", account);
    connection.run("DELETE FROM usage WHERE account = ?", account);
    connection.run("DELETE FROM requests WHERE account = ? AND state != 0", account);
    connection.run(
        "UPDATE accounts SET name = NULL, password_hash = '', role = 0, status = ?, ban_reason = '', waiting = NULL, "
        "created = 0 WHERE id = ?",
        kDeleted, account);
    return true;
  });
}

std::int64_t SqliteStorage::active_accounts() { return read(count_active); }

std::vector<std::string> SqliteStorage::tiers_in_use() {
  return read([](SqliteConnection& connection) {
    std::vector<std::string> tiers;
    SqliteStatement row = connection.query(
        "SELECT tier FROM accounts WHERE name IS NOT NULL UNION SELECT tier FROM codes WHERE uses_left > 0");
    while (row.step()) tiers.push_back(row.text(0));
    return tiers;
  });
}

WaitingPlace SqliteStorage::waiting_place(const std::string& account) {
  return read([&](SqliteConnection& connection) {
    WaitingPlace place;
    place.waiting = count_waiting(connection);
    place.place = number(connection.query(
        "SELECT count(*) FROM accounts WHERE status = 1 AND waiting <= (SELECT waiting FROM accounts WHERE id = ?)",
        account));
    return place;
  });
}

std::vector<std::string> SqliteStorage::let_in(std::int64_t capacity, std::int64_t most) {
  return write([&](SqliteConnection& connection) {
    const std::int64_t room = capacity < 0 ? most : std::min(most, capacity - count_active(connection));
    std::vector<std::string> ids;
    if (room <= 0) return ids;
    {
      SqliteStatement row = connection.query("SELECT id FROM accounts WHERE status = 1 ORDER BY waiting LIMIT ?", room);
      while (row.step()) ids.push_back(row.text(0));
    }
    for (const std::string& id : ids) connection.run("UPDATE accounts SET status = 0, waiting = NULL WHERE id = ?", id);
    return ids;
  });
}

}  // namespace limpid
