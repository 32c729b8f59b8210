#include "server/model_name.h"

#include <algorithm>
#include <array>

namespace limpid {

namespace {

struct Known {
  std::string_view name;
  ModelName is;
};

// Lengths: max_tokens defaults to 4K for deepseek-chat and, thinking included, to 32K for deepseek-reasoner.
constexpr std::array<Known, 5> kKnown{{{"deepseek-chat", {ApiRules::current, false, 4096}},
                                       {"deepseek-reasoner", {ApiRules::r1, true, 32768}},
                                       {"deepseek-flash", {ApiRules::current, true, 0}},
                                       {"deepseek-v4-flash", {ApiRules::current, true, 0}},
                                       {"deepseek-v4-pro", {ApiRules::current, true, 0}}}};

}  // namespace

ModelName model_name(std::string_view name, const std::vector<std::string>& served) {
  if (std::ranges::find(served, name) != served.end()) return {};
  for (const Known& known : kKnown)
    if (known.name == name) return known.is;
  return {};
}

std::vector<std::string> deepseek_names() {
  std::vector<std::string> names;
  for (const Known& known : kKnown) names.emplace_back(known.name);
  return names;
}

std::optional<std::optional<std::int64_t>> effort_budget(std::string_view effort) {
  using Budget = std::optional<std::int64_t>;
  if (effort == "none") return Budget(0);
  if (effort == "minimal" || effort == "low") return Budget(2048);
  if (effort == "medium" || effort == "high" || effort == "xhigh") return Budget(16384);
  if (effort == "max" || effort == "ultra") return Budget();
  return std::nullopt;
}

}  // namespace limpid
