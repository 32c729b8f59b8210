#include "engine/row_shares.h"

#include <algorithm>
#include <functional>
#include <map>
#include <numeric>

namespace limpid {

namespace {

// Even shares, none above its need.
std::vector<int> even_shares(const std::vector<int>& needs, int rows) {
  std::vector<int> result(needs.size(), 0);
  if (rows < static_cast<int>(needs.size())) {
    std::fill_n(result.begin(), std::max(rows, 0), 1);
    return result;
  }
  std::vector<std::size_t> order(needs.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return needs[i]; });
  for (std::size_t i = 0; i < order.size(); ++i) {
    const int share = std::min(needs[order[i]], rows / static_cast<int>(order.size() - i));
    result[order[i]] = share;
    rows -= share;
  }
  return result;
}

struct Account {
  std::string_view name;
  std::vector<std::size_t> members;  // of the demands
  int need = 0;
};

}  // namespace

std::vector<int> share_rows(std::span<const RowDemand> demands, int rows) {
  std::map<int, std::vector<Account>, std::greater<>> priorities;
  for (std::size_t i = 0; i < demands.size(); ++i) {
    std::vector<Account>& accounts = priorities[demands[i].priority];
    auto account = std::ranges::find(accounts, demands[i].account, &Account::name);
    if (account == accounts.end()) account = accounts.insert(account, Account{demands[i].account, {}, 0});
    account->members.push_back(i);
    account->need += demands[i].rows;
  }
  std::vector<int> result(demands.size(), 0);
  for (const auto& [priority, accounts] : priorities) {
    std::vector<int> needs;
    for (const Account& account : accounts) needs.push_back(account.need);
    const std::vector<int> shares = even_shares(needs, rows);
    for (std::size_t a = 0; a < accounts.size(); ++a) {
      needs.clear();
      for (const std::size_t i : accounts[a].members) needs.push_back(demands[i].rows);
      const std::vector<int> own = even_shares(needs, shares[a]);
      for (std::size_t m = 0; m < own.size(); ++m) result[accounts[a].members[m]] = own[m];
      rows -= shares[a];
    }
  }
  return result;
}

}  // namespace limpid
