// Rates of an evaluation and how sure they are. Pure functions.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace limpid {

// The chance that k answers drawn from n, of which c are right, hold a right one: 1 - C(n - c, k) / C(n, k), without bias
// (Chen et al., "Evaluating large language models trained on code", 2021, equation 1). k <= n.
double pass_at_k(std::int64_t n, std::int64_t c, std::int64_t k);

struct Interval {
  double low = 0, high = 1;
};
// Wilson's interval of 95 % for a mean of n independent values in [0, 1] (Wilson, 1927). For values that are not 0 or 1
// (the share of right answers of a problem) it is too wide rather than too narrow, because none vary more than 0 and 1.
Interval wilson(double mean, std::int64_t n);

// Which of the answers comes up most often, by its index; the first of equals. An empty text has no vote: it stands for
// an answer that is none. -1: nobody voted.
std::int64_t majority(std::span<const std::string> answers);
// What counts as the same answer in a vote: ASCII case, white space and a full stop behind it are left out.
std::string ballot(std::string_view answer);

}  // namespace limpid
