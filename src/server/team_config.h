// TeamConfig: tiers, prices and how people get in, as data: a JSON file (docs/team.md describes it), or the built-in
// default. Unknown names are errors, so that a typing mistake does not become a limit that is not there.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "server/money.h"

namespace limpid {

struct WindowLimits {
  std::int64_t minute = 0, day = 0, month = 0;  // 0: no limit. Days and months are those of UTC
};

struct Tier {
  int priority = 0;      // Request::priority; the lowest is shed first
  bool charged = false;  // pays from its balance by the price of the model
  WindowLimits requests, tokens;
  int concurrency = 0;              // requests at the same time; 0: no limit
  std::int64_t context = 0;         // most tokens of a request, prompt and completion; 0: the model's
  std::vector<std::string> models;  // that it may use; empty: all
  double shed_at = 1;               // refused (503) from this load of the engine on, where 1 is full
};

struct TeamConfig {
  std::string currency = "USD";
  std::string default_tier;            // of a sign-up without a code
  bool waiting_list = true;            // may people sign up without a code?
  std::int64_t most_waiting = 10'000;  // on the list; beyond, sign-ups without a code are refused
  std::int64_t capacity = 0;           // so many accounts are let in without a code; the others wait. < 0: everybody
  std::map<std::string, Tier> tiers;
  std::map<std::string, ModelPrice> prices;  // by model; "*": of every other

  const Tier& tier(const std::string& name) const;  // throws Error(not_found) with the names there are
  const ModelPrice& price(const std::string& model) const;
};

// Throws Error(input) naming the field, what was expected and what was found.
TeamConfig parse_team_config(std::string_view text, const std::string& name);
TeamConfig read_team_config(const std::string& path);
std::string_view default_team_config();  // the text of the default: a file to start from

}  // namespace limpid
