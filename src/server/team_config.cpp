#include "server/team_config.h"

#include <fstream>
#include <initializer_list>
#include <iterator>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "formats/json.h"

namespace limpid {

namespace {

// An object of the file, with the way to it for errors.
struct Node {
  const nlohmann::json& value;
  std::string path;

  [[noreturn]] void refuse(std::string_view field, std::string_view expected, const nlohmann::json& found) const {
    fail(ErrorKind::input, "{}{}: expected {}, found {}", path, field, expected, found.dump().substr(0, 60));
  }
  void only(std::initializer_list<std::string_view> names) const {
    if (!value.is_object()) refuse("", "an object", value);
    for (const auto& [key, field] : value.items()) {
      if (std::find(names.begin(), names.end(), key) != names.end()) continue;
      std::string known;
      for (const std::string_view name : names) known += (known.empty() ? "" : ", ") + std::string(name);
      fail(ErrorKind::input, "{}{}: expected one of {}", path, key, known);
    }
  }
  const nlohmann::json* find(const char* field) const {
    const auto found = value.find(field);
    return found == value.end() ? nullptr : &*found;
  }
  std::int64_t integer(const char* field, std::int64_t otherwise, std::int64_t least, std::int64_t most) const {
    const nlohmann::json* found = find(field);
    if (found == nullptr) return otherwise;
    const bool whole = found->is_number_integer() &&
                       !(found->is_number_unsigned() && found->get<std::uint64_t>() > std::uint64_t{INT64_MAX});
    if (!whole || found->get<std::int64_t>() < least || found->get<std::int64_t>() > most)
      refuse(field, fmt::format("a whole number from {} to {}", least, most), *found);
    return found->get<std::int64_t>();
  }
  bool boolean(const char* field, bool otherwise) const {
    const nlohmann::json* found = find(field);
    if (found == nullptr) return otherwise;
    if (!found->is_boolean()) refuse(field, "true or false", *found);
    return found->get<bool>();
  }
  std::string text(const char* field, std::string otherwise) const {
    const nlohmann::json* found = find(field);
    if (found == nullptr) return otherwise;
    if (!found->is_string()) refuse(field, "a text", *found);
    return found->get<std::string>();
  }
  double number(const char* field, double otherwise, double least, double most) const {
    const nlohmann::json* found = find(field);
    if (found == nullptr) return otherwise;
    if (!found->is_number() || found->get<double>() < least || found->get<double>() > most)
      refuse(field, fmt::format("a number from {} to {}", least, most), *found);
    return found->get<double>();
  }
};

constexpr std::int64_t kMost = 1'000'000'000'000;

WindowLimits parse_limits(const Node& tier, const char* field) {
  const nlohmann::json* found = tier.find(field);
  if (found == nullptr) return {};
  const Node node{*found, tier.path + field + "."};
  node.only({"minute", "day", "month"});
  return {node.integer("minute", 0, 0, kMost), node.integer("day", 0, 0, kMost), node.integer("month", 0, 0, kMost)};
}

Tier parse_tier(const Node& node) {
  node.only({"priority", "charged", "requests", "tokens", "concurrency", "context", "models", "shed_at"});
  Tier tier;
  tier.priority = static_cast<int>(node.integer("priority", 0, -1000, 1000));
  tier.charged = node.boolean("charged", false);
  tier.requests = parse_limits(node, "requests");
  tier.tokens = parse_limits(node, "tokens");
  tier.concurrency = static_cast<int>(node.integer("concurrency", 0, 0, 1'000'000));
  tier.context = node.integer("context", 0, 0, kMostTokens);
  tier.shed_at = node.number("shed_at", 1, 0, 1000);
  if (const nlohmann::json* models = node.find("models")) {
    if (!models->is_array()) node.refuse("models", "an array of model names", *models);
    for (const nlohmann::json& model : *models) {
      if (!model.is_string()) node.refuse("models", "an array of model names", model);
      tier.models.push_back(model.get<std::string>());
    }
  }
  return tier;
}

ModelPrice parse_price(const Node& node) {
  node.only({"cached", "prompt", "completion"});
  ModelPrice price;
  for (const auto& [field, amount] :
       {std::pair{"cached", &price.cached}, {"prompt", &price.prompt}, {"completion", &price.completion}}) {
    *amount = parse_money(node.text(field, "0"), node.path + field);
    // So that no price of a request leaves 63 bits.
    if (*amount < 0 || *amount > 1000 * kMicrosPerUnit)
      fail(ErrorKind::input, "{}{}: expected 0 to 1000 for a million tokens, found {}", node.path, field,
           format_money(*amount));
  }
  return price;
}

}  // namespace

const Tier& TeamConfig::tier(const std::string& name) const {
  const auto found = tiers.find(name);
  if (found != tiers.end()) return found->second;
  std::string known;
  for (const auto& [other, tier] : tiers) known += (known.empty() ? "" : ", ") + other;
  fail(ErrorKind::not_found, "tier: expected one of {}, found '{}'", known, name.substr(0, 60));
}

const ModelPrice& TeamConfig::price(const std::string& model) const {
  const auto found = prices.find(model);
  return found != prices.end() ? found->second : prices.at("*");
}

TeamConfig parse_team_config(std::string_view text, const std::string& name) {
  const nlohmann::json document =
      parse_json(text, name, {.bytes = std::size_t{1} << 20, .depth = 16, .unique_keys = true});
  const Node root{document, name + ": "};
  root.only({"currency", "default_tier", "waiting_list", "most_waiting", "capacity", "tiers", "prices"});
  TeamConfig config;
  config.currency = root.text("currency", "USD");
  config.default_tier = root.text("default_tier", "free");
  config.waiting_list = root.boolean("waiting_list", true);
  config.most_waiting = root.integer("most_waiting", 10'000, 0, kMost);
  config.capacity = root.integer("capacity", 0, -1, kMost);
  const nlohmann::json* tiers = root.find("tiers");
  if (tiers == nullptr || !tiers->is_object() || tiers->empty())
    root.refuse("tiers", "an object with at least one tier", tiers == nullptr ? nlohmann::json() : *tiers);
  for (const auto& [key, tier] : tiers->items())
    config.tiers.emplace(key, parse_tier({tier, root.path + "tiers." + key + "."}));
  if (const nlohmann::json* prices = root.find("prices")) {
    if (!prices->is_object()) root.refuse("prices", "an object", *prices);
    for (const auto& [key, price] : prices->items())
      config.prices.emplace(key, parse_price({price, root.path + "prices." + key + "."}));
  }
  config.prices.emplace("*", ModelPrice{});
  if (!config.tiers.contains(config.default_tier))
    root.refuse("default_tier", "the name of a tier", config.default_tier);
  return config;
}

TeamConfig read_team_config(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(ErrorKind::not_found, "there is no team configuration {}", path);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  return parse_team_config(text, path);
}

// Prices: DeepSeek's of the R1 days, for a million tokens. Limits: what a machine that writes some 50 tokens a second
// in all can give a few dozen people.
std::string_view default_team_config() {
  return R"json({
  "currency": "USD",
  "default_tier": "free",
  "waiting_list": true,
  "capacity": 20,
  "prices": {
    "*": {"cached": "0.14", "prompt": "0.55", "completion": "2.19"}
  },
  "tiers": {
    "free": {
      "priority": 0, "charged": false, "concurrency": 2, "context": 32768, "shed_at": 0.5,
      "requests": {"minute": 10, "day": 300, "month": 3000},
      "tokens": {"minute": 65536, "day": 500000, "month": 5000000}
    },
    "paid": {
      "priority": 10, "charged": true, "concurrency": 16, "shed_at": 0.9,
      "requests": {"minute": 120},
      "tokens": {"minute": 1000000}
    },
    "unlimited": {"priority": 20, "charged": false}
  }
}
)json";
}

}  // namespace limpid
