// Usage: what was charged, by day, account, key and model. Rows are written with the charge, in the same transaction.
#include "server/storage_sqlite_impl.h"

namespace limpid {

std::vector<UsageRow> SqliteStorage::usage(const UsageFilter& filter) {
  return read([&](SqliteConnection& connection) {
    std::vector<UsageRow> found;
    const UsagePlace after = filter.after.value_or(UsagePlace{-1, {}, {}, {}});  // before every row
    SqliteStatement row = connection.query(
        "SELECT day, account, key, model, requests, cached_tokens, prompt_tokens, completion_tokens, cost FROM usage "
        "WHERE (?1 = '' OR account = ?1) AND (?2 = '' OR key = ?2) AND (?3 = '' OR model = ?3) AND day >= ?4 AND "
        "day < ?5 AND (day, account, key, model) > (?7, ?8, ?9, ?10) ORDER BY day, account, key, model LIMIT ?6",
        filter.account, filter.key, filter.model, filter.from, filter.to, filter.limit, after.day, after.account,
        after.key, after.model);
    while (row.step())
      found.push_back({row.integer(0),
                       row.text(1),
                       row.text(2),
                       row.text(3),
                       row.integer(4),
                       {row.integer(5), row.integer(6), row.integer(7)},
                       row.integer(8)});
    return found;
  });
}

UsageTotals SqliteStorage::usage_totals(const std::string& account, UnixSeconds from) {
  return read([&](SqliteConnection& connection) {
    SqliteStatement row = connection.query(
        "SELECT coalesce(sum(requests), 0), coalesce(sum(prompt_tokens + completion_tokens), 0) FROM usage WHERE "
        "account = ? AND day >= ?",
        account, from);
    return row.step() ? UsageTotals{row.integer(0), row.integer(1)} : UsageTotals{};
  });
}

std::vector<RecentRequest> SqliteStorage::recent_requests(const std::string& account, UnixSeconds after) {
  return read([&](SqliteConnection& connection) {
    std::vector<RecentRequest> found;
    SqliteStatement row = connection.query(
        "SELECT opened, prompt_tokens + completion_tokens FROM requests WHERE account = ? AND opened > ? AND state IN "
        "(1, 3)",
        account, after);
    while (row.step()) found.push_back({row.integer(0), row.integer(1)});
    return found;
  });
}

}  // namespace limpid
