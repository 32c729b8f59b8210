// The ledger. An account's balance is the sum of its entries and is kept beside them, so that admission reads one row;
// its `reserved` is the sum over its open requests. audit() adds both up anew.
#include "base/error.h"
#include "server/storage_sqlite_impl.h"

namespace limpid {

bool book(SqliteConnection& connection, const LedgerEntry& entry) {
  Micros balance = 0, reserved = 0;
  {
    SqliteStatement row = connection.query("SELECT balance, reserved FROM accounts WHERE id = ?", entry.account);
    if (!row.step()) return false;
    balance = row.integer(0) + entry.amount;
    reserved = row.integer(1);
  }
  if (balance < reserved || balance > kMostMicros) return false;
  constexpr const char* insert =
      "INSERT INTO entries (time, account, kind, amount, balance, request, actor, note) VALUES (?, ?, ?, ?, ?, ?, ?, "
      "?)";
  const int kind = static_cast<int>(entry.kind);
  if (entry.kind == EntryKind::charge)
    connection.run(insert, entry.time, entry.account, kind, entry.amount, balance, entry.request, entry.actor,
                   entry.note);
  else
    connection.run(insert, entry.time, entry.account, kind, entry.amount, balance, nullptr, entry.actor, entry.note);
  connection.run("UPDATE accounts SET balance = ? WHERE id = ?", balance, entry.account);
  return true;
}

namespace {

constexpr const char* kOpenColumns =
    "SELECT id, account, key, model, opened, asked_prompt, asked_completion, price_cached, price_prompt, "
    "price_completion, reserved FROM requests WHERE state = 0";
constexpr const char* kOneOpen =
    "SELECT id, account, key, model, opened, asked_prompt, asked_completion, price_cached, price_prompt, "
    "price_completion, reserved FROM requests WHERE state = 0 AND id = ?";

OpenRequest read_open(const SqliteStatement& row) {
  OpenRequest request;
  request.id = row.integer(0);
  request.account = row.text(1);
  request.key = row.text(2);
  request.model = row.text(3);
  request.demand.model = request.model;
  request.opened = row.integer(4);
  request.demand.prompt_tokens = row.integer(5);
  request.demand.most_completion_tokens = row.integer(6);
  request.price = {row.integer(7), row.integer(8), row.integer(9)};
  request.reserved = row.integer(10);
  return request;
}

void count_usage(SqliteConnection& connection, const OpenRequest& request, const Consumption& tokens, Micros charged) {
  connection.run(
      "INSERT INTO usage (account, day, key, model, requests, cached_tokens, prompt_tokens, completion_tokens, cost) "
      "VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET requests = requests + 1, "
      "cached_tokens = cached_tokens + excluded.cached_tokens, prompt_tokens = prompt_tokens + excluded.prompt_tokens, "
      "completion_tokens = completion_tokens + excluded.completion_tokens, cost = cost + excluded.cost",
      request.account, start_of_day(request.opened), request.key, request.model, tokens.cached_tokens,
      tokens.prompt_tokens, tokens.completion_tokens, charged);
}

// Once: a request that is not open any more stays as it is.
void close_request(SqliteConnection& connection, const Closing& closing) {
  OpenRequest request;
  {
    SqliteStatement row = connection.query(kOneOpen, closing.request);
    if (!row.step()) return;
    request = read_open(row);
  }
  const Consumption& tokens = closing.consumption;
  // Never more than was reserved: the customer was told the most that it can cost.
  const Micros charged = std::min(cost(request.price, tokens), request.reserved);
  connection.run(
      "UPDATE requests SET state = ?, closed = ?, cached_tokens = ?, prompt_tokens = ?, completion_tokens = ?, cost = "
      "? "
      "WHERE id = ?",
      static_cast<int>(closing.state), closing.time, tokens.cached_tokens, tokens.prompt_tokens,
      tokens.completion_tokens, charged, request.id);
  connection.run("UPDATE accounts SET reserved = reserved - ? WHERE id = ?", request.reserved, request.account);
  LedgerEntry entry;
  entry.time = closing.time;
  entry.account = request.account;
  entry.kind = EntryKind::charge;
  entry.amount = -charged;
  entry.request = request.id;
  entry.actor = closing.state == RequestState::interrupted ? "recovery" : "request";
  if (!book(connection, entry)) fail(ErrorKind::system, "request {}: its charge does not fit its balance", request.id);

  Micros left = 0;
  bool deleted = false;
  {
    SqliteStatement row =
        connection.query("SELECT status, balance - reserved FROM accounts WHERE id = ?", request.account);
    deleted = row.step() && row.integer(0) == kDeleted;
    left = deleted ? row.integer(1) : 0;
  }
  if (!deleted) {
    if (closing.state != RequestState::released) count_usage(connection, request, tokens, charged);
    return;
  }
  connection.run("DELETE FROM requests WHERE id = ?", request.id);
  if (left == 0) return;
  entry = {0, closing.time, request.account, EntryKind::closing, -left, 0, 0, "request", {}};
  book(connection, entry);
}

OpenResult open_one(SqliteConnection& connection, const OpenRequest& request) {
  OpenResult result;
  {
    SqliteStatement row =
        connection.query("SELECT status, balance - reserved FROM accounts WHERE id = ?", request.account);
    if (!row.step() || row.integer(0) != static_cast<int>(AccountStatus::active)) {
      result.outcome = OpenOutcome::no_account;
      return result;
    }
    result.available = row.integer(1);
  }
  if (request.reserved > result.available) {
    result.outcome = OpenOutcome::no_balance;
    return result;
  }
  connection.run(
      "INSERT INTO requests (account, key, model, opened, asked_prompt, asked_completion, reserved, price_cached, "
      "price_prompt, price_completion) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      request.account, request.key, request.model, request.opened, request.demand.prompt_tokens,
      request.demand.most_completion_tokens, request.reserved, request.price.cached, request.price.prompt,
      request.price.completion);
  result.request = connection.last_row();
  if (request.reserved > 0)
    connection.run("UPDATE accounts SET reserved = reserved + ? WHERE id = ?", request.reserved, request.account);
  connection.run("UPDATE keys SET used = ?1 WHERE id = ?2 AND used < ?1 - 60", request.opened, request.key);
  return result;
}

}  // namespace

OpenResult SqliteStorage::open_request(const OpenRequest& request) {
  return write([&](SqliteConnection& connection) { return open_one(connection, request); });
}

void SqliteStorage::ask_open(const OpenRequest& request, std::function<void(OpenResult, std::exception_ptr)> opened) {
  const auto result = std::make_shared<OpenResult>();
  writer_->ask([result, request](SqliteConnection& connection) { *result = open_one(connection, request); },
               [result, opened = std::move(opened)](std::exception_ptr error) { opened(*result, std::move(error)); });
}

void SqliteStorage::post_close(const Closing& closing, std::function<void()> durable) {
  writer_->post([closing](SqliteConnection& connection) { close_request(connection, closing); }, std::move(durable));
}

std::vector<OpenRequest> SqliteStorage::open_requests() {
  return read([&](SqliteConnection& connection) {
    std::vector<OpenRequest> found;
    SqliteStatement row = connection.query(kOpenColumns);
    while (row.step()) found.push_back(read_open(row));
    return found;
  });
}

bool SqliteStorage::add_entry(const std::string& account, EntryKind kind, Micros amount, const std::string& actor,
                              const std::string& note, UnixSeconds now) {
  return write([&](SqliteConnection& connection) {
    if (!connection.query("SELECT 1 FROM accounts WHERE id = ? AND name IS NOT NULL", account).step()) return false;
    return book(connection, {0, now, account, kind, amount, 0, 0, actor, note});
  });
}

std::vector<LedgerEntry> SqliteStorage::entries(const std::string& account, std::int64_t before, std::int64_t limit) {
  return read([&](SqliteConnection& connection) {
    std::vector<LedgerEntry> found;
    SqliteStatement row = connection.query(
        "SELECT id, time, account, kind, amount, balance, request, actor, note FROM entries WHERE account = ? AND id < "
        "? "
        "ORDER BY id DESC LIMIT ?",
        account, before, limit);
    while (row.step())
      found.push_back({row.integer(0), row.integer(1), row.text(2), static_cast<EntryKind>(row.integer(3)),
                       row.integer(4), row.integer(5), row.integer(6), row.text(7), row.text(8)});
    return found;
  });
}

Micros SqliteStorage::granted_left(const std::string& account) {
  return read([&](SqliteConnection& connection) {
    SqliteStatement row = connection.query(
        "SELECT max(0, coalesce((SELECT sum(amount) FROM entries WHERE account = ?1 AND kind = 2), 0) + "
        "coalesce((SELECT sum(amount) FROM entries WHERE account = ?1 AND kind = 0), 0))",
        account);
    return row.step() ? row.integer(0) : 0;
  });
}

Audit SqliteStorage::audit() {
  return read([&](SqliteConnection& connection) {
    Audit audit;
    const auto number = [&](const char* sql) {
      SqliteStatement row = connection.query(sql);
      return row.step() ? row.integer(0) : 0;
    };
    audit.accounts = number("SELECT count(*) FROM accounts WHERE name IS NOT NULL");
    audit.entries = number("SELECT count(*) FROM entries");
    audit.requests = number("SELECT count(*) FROM requests");
    audit.open = number("SELECT count(*) FROM requests WHERE state = 0");
    const auto faults = [&](const char* sql, const char* words) {
      SqliteStatement row = connection.query(sql);
      while (row.step() && audit.faults.size() < 100)
        audit.faults.push_back(fmt::format(fmt::runtime(words), row.text(0), row.integer(1), row.integer(2)));
    };
    faults(
        "SELECT accounts.id, balance, coalesce(sum(amount), 0) AS total FROM accounts LEFT JOIN (SELECT account, "
        "amount "
        "FROM entries) AS e ON e.account = accounts.id GROUP BY accounts.id HAVING balance != total",
        "account {}: its balance is {}, its entries add up to {}");
    faults(
        "SELECT accounts.id, accounts.reserved, coalesce(sum(r.reserved), 0) AS total FROM accounts LEFT JOIN (SELECT "
        "account, reserved FROM requests WHERE state = 0) AS r ON r.account = accounts.id GROUP BY accounts.id HAVING "
        "accounts.reserved != total",
        "account {}: {} are reserved, its open requests add up to {}");
    faults(
        "SELECT r.id, r.cost, coalesce(-amount, 0) FROM requests AS r LEFT JOIN entries ON request = r.id WHERE "
        "r.state != 0 AND (amount IS NULL OR -amount != r.cost)",
        "request {}: closed with a cost of {}, charged {}");
    faults("SELECT r.id, r.state, -amount FROM requests AS r JOIN entries ON request = r.id WHERE r.state = 0",
           "request {}: still open (state {}), yet charged {}");
    faults(
        "SELECT id, balance, total FROM (SELECT id, balance, sum(amount) OVER (PARTITION BY account ORDER BY id) AS "
        "total FROM entries) WHERE balance != total",
        "entry {}: says a balance of {}, the entries up to it add up to {}");
    return audit;
  });
}

}  // namespace limpid
