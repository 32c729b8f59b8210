#include "server/team_config.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace limpid {
namespace {

TEST(TeamConfig, TheDefaultHasTheThreeTiers) {
  const TeamConfig config = parse_team_config(default_team_config(), "default");
  EXPECT_EQ(config.tiers.size(), 3u);
  EXPECT_FALSE(config.tier("free").charged);
  EXPECT_TRUE(config.tier("paid").charged);
  EXPECT_FALSE(config.tier("unlimited").charged);
  EXPECT_LT(config.tier("free").priority, config.tier("paid").priority);
  EXPECT_LT(config.tier("free").shed_at, config.tier("paid").shed_at);
  EXPECT_EQ(config.tier("free").requests.minute, 10);
  EXPECT_EQ(config.price("whatever"), (ModelPrice{140'000, 550'000, 2'190'000}));
  EXPECT_THROW(config.tier("gold"), Error);
}

TEST(TeamConfig, AFaultIsNamedWithItsField) {
  const struct {
    const char *text, *words;
  } cases[] = {
      {"[]", "expected an object"},
      {"{}", "tiers: expected an object with at least one tier"},
      {R"({"tiers": {}})", "at least one tier"},
      {R"({"tiers": {"free": {}}, "tires": 1})", "tires"},
      {R"({"tiers": {"free": {"priorty": 1}}})", "tiers.free.priorty"},
      {R"({"tiers": {"free": {"requests": {"minute": -1}}}})", "tiers.free.requests.minute"},
      {R"({"tiers": {"free": {"requests": {"minute": 1.5}}}})", "1.5"},
      {R"({"tiers": {"free": {"requests": {"hour": 1}}}})", "tiers.free.requests.hour"},
      {R"({"tiers": {"free": {"tokens": {"day": 18446744073709551615}}}})", "tiers.free.tokens.day"},
      {R"({"tiers": {"free": {"charged": "yes"}}})", "tiers.free.charged"},
      {R"({"tiers": {"free": {"models": ["a", 1]}}})", "tiers.free.models"},
      {R"({"tiers": {"free": {"shed_at": "1"}}})", "tiers.free.shed_at"},
      {R"({"tiers": {"free": {}}, "default_tier": "gold"})", "default_tier"},
      {R"({"tiers": {"free": {}}, "prices": {"*": {"cached": 0.1}}})", "prices.*.cached"},
      {R"({"tiers": {"free": {}}, "prices": {"*": {"prompt": "-1"}}})", "prices.*.prompt"},
      {R"({"tiers": {"free": {}}, "prices": {"*": {"prompt": "1001"}}})", "0 to 1000"},
      {R"({"tiers": {"free": {}, "free": {}}})", "free"},
      {R"({"tiers": )", "team.json"},
  };
  for (const auto& entry : cases) {
    try {
      parse_team_config(entry.text, "team.json");
      ADD_FAILURE() << entry.text;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::input) << entry.text;
      EXPECT_NE(std::string(error.what()).find(entry.words), std::string::npos) << error.what();
    }
  }
  EXPECT_THROW(read_team_config("/nowhere/team.json"), Error);
}

}  // namespace
}  // namespace limpid
