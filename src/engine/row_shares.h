// How the rows of a step are shared among prompts that are being read. Pure.
#pragma once

#include <span>
#include <string_view>
#include <vector>

namespace limpid {

struct RowDemand {
  int priority = 0;
  std::string_view account;
  int rows = 0;  // at least 1
};

// Rows for each demand, in the order of the demands, which is that of arrival. A larger priority takes what it needs
// first. Within a priority the accounts get even shares, however many prompts each has, and within an account its
// prompts do; what somebody does not need goes to the others. Fewer rows than takers: the first of them get one each.
std::vector<int> share_rows(std::span<const RowDemand> demands, int rows);

}  // namespace limpid
