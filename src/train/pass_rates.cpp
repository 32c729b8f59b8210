#include "train/pass_rates.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <map>
#include <string_view>

namespace limpid {

double pass_at_k(std::int64_t n, std::int64_t c, std::int64_t k) {
  assert(k >= 1 && k <= n && c >= 0 && c <= n);
  if (n - c < k) return 1;
  double none = 1;
  for (std::int64_t i = n - c + 1; i <= n; ++i) none *= 1 - static_cast<double>(k) / static_cast<double>(i);
  return 1 - none;
}

Interval wilson(double mean, std::int64_t count) {
  if (count < 1) return {};
  constexpr double z = 1.959963984540054;
  const auto n = static_cast<double>(count);
  const double centre = (mean + z * z / (2 * n)) / (1 + z * z / n);
  const double half = z / (1 + z * z / n) * std::sqrt(mean * (1 - mean) / n + z * z / (4 * n * n));
  return {std::clamp(centre - half, 0.0, mean), std::clamp(centre + half, mean, 1.0)};
}

std::int64_t majority(std::span<const std::string> answers) {
  std::map<std::string_view, std::pair<std::int64_t, std::int64_t>> votes;  // text -> votes, first index
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (answers[i].empty()) continue;
    ++votes.try_emplace(answers[i], 0, static_cast<std::int64_t>(i)).first->second.first;
  }
  std::int64_t best = -1, most = 0;
  for (const auto& [text, vote] : votes) {
    if (vote.first < most || (vote.first == most && best >= 0 && vote.second > best)) continue;
    most = vote.first;
    best = vote.second;
  }
  return best;
}

std::string ballot(std::string_view answer) {
  std::string out;
  for (char c : answer) {
    if (c == ' ' || c == '\n' || c == '\r' || c == '\t') continue;
    out += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  }
  if (out.ends_with(".")) out.pop_back();
  if (out.ends_with("。")) out.resize(out.size() - std::string_view("。").size());
  return out;
}

}  // namespace limpid
