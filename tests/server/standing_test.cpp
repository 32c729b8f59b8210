// What is known of a request before anything of it is parsed: where it waits, and whether it is refused at once.
#include "tests/server/service_fixture.h"
#include "tests/server/team_world.h"

namespace limpid {
namespace {

ServedRequest asks_with(const std::string& key, const std::string& peer = "192.0.2.1") {
  ServedRequest request;
  request.method = "POST";
  request.path = "/v1/chat/completions";
  request.headers = {{"Authorization", "Bearer " + key}};
  request.peer = peer;
  return request;
}

TEST(Standing, AKeyIsKnownOnceItWasShownAndNoLongerThanItIsRight) {
  TeamWorld world;
  TeamAdmission& admission = world.team->admission();
  const Account ada = world.account("ada", "paid", 1000);
  const NewKey key = world.team->accounts().create_key(ada, "", {}, 0);
  const ServedRequest request = asks_with(key.text);
  EXPECT_EQ(admission.standing(request).rank, Standing::kStranger);
  admission.identify(request);
  EXPECT_EQ(admission.standing(request).rank, 10);
  EXPECT_EQ(admission.standing(request).account, ada.id);
  EXPECT_FALSE(admission.standing(request).refusal);
  EXPECT_EQ(admission.standing(asks_with(key.text.substr(1))).rank, Standing::kStranger);
  world.team->storage().set_tier(ada.id, "unlimited");
  admission.identify(request);
  EXPECT_EQ(admission.standing(request).rank, 20);
  world.team->storage().set_status(ada.id, AccountStatus::banned, "");
  EXPECT_EQ(refusal([&] { admission.identify(request); }).status, 403);
  EXPECT_EQ(admission.standing(request).rank, Standing::kStranger);
  world.team->storage().set_status(ada.id, AccountStatus::active, "");
  admission.identify(request);
  EXPECT_EQ(admission.standing(request).rank, 20);
  world.team->storage().revoke_key(ada.id, key.key.id, kNoon);
  EXPECT_EQ(refusal([&] { admission.identify(request); }).status, 401);
  EXPECT_EQ(admission.standing(request).rank, Standing::kStranger);
}

TEST(Standing, ASessionOfABrowserIsKnownToo) {
  TeamWorld world;
  world.account("ada", "paid");
  const LoggedIn in = world.team->accounts().log_in("ada", "password of ada", "192.0.2.1");
  ServedRequest request;
  request.method = "GET";
  request.headers = {{"Cookie", "limpid_session=" + in.token}};
  EXPECT_EQ(world.team->admission().standing(request).rank, Standing::kStranger);
  world.team->admission().identify(request);
  EXPECT_EQ(world.team->admission().standing(request).rank, 10);
}

TEST(Standing, WhatIsUsedUpAndTheLoadAreToldFromTheHead) {
  TeamWorld world;
  TeamAdmission& admission = world.team->admission();
  const Account ada = world.account("ada", "free");
  const ServedRequest request = asks_with(world.team->accounts().create_key(ada, "", {}, 0).text);
  const Identity identity = admission.identify(request);
  admission.check(identity);
  std::vector<std::unique_ptr<Charge>> charges;
  for (int i = 0; i < 2; ++i) charges.push_back(admission.admit(identity, {"small", 10, 10, 1}));
  EXPECT_EQ(admission.standing(request).refusal.value().status, 429) << "two at the same time";
  EXPECT_EQ(refusal([&] { admission.check(identity); }).status, 429);
  charges.clear();
  admission.check(identity);
  EXPECT_FALSE(admission.standing(request).refusal);
  EXPECT_EQ(admission.quota_use(ada.id).minute.requests, 0) << "asking books nothing";
  world.load = 0.5;
  EXPECT_EQ(admission.standing(request).refusal.value().status, 503);
  EXPECT_GT(admission.standing(request).refusal->retry_after_s, 0);
  EXPECT_EQ(refusal([&] { admission.check(identity); }).status, 503);
  world.load = 0;
  for (int i = 0; i < 3; ++i) admission.admit(identity, {"small", 10, 10, 1})->settle({0, 10, 5});
  EXPECT_EQ(admission.standing(request).refusal.value().status, 429) << "three a minute";
  world.time.advance(60);
  EXPECT_FALSE(admission.standing(request).refusal);
  // The tokens of a day, too.
  world.time.advance(60);
  admission.admit(identity, {"small", 900, 100, 1})->settle({0, 900, 100});
  world.time.advance(60);
  admission.admit(identity, {"small", 900, 100, 1})->settle({0, 1900, 3055});
  EXPECT_EQ(admission.standing(request).refusal.value().status, 429);
  EXPECT_EQ(admission.standing(request).refusal->retry_after_s,
            start_of_day(world.time.now()) + 86'400 - world.time.now());
}

TEST(Standing, WhoTriesManyKeysHasPausesAndNobodyElse) {
  TeamWorld world;
  TeamAdmission& admission = world.team->admission();
  const ServedRequest right =
      asks_with(world.team->accounts().create_key(world.account("ada"), "", {}, 0).text, "192.0.2.9");
  admission.identify(right);
  const auto guess = [&](const std::string& peer) {
    return refusal([&] { admission.identify(asks_with(make_api_key().text, peer)); }).status;
  };
  for (int i = 0; i < 30; ++i) EXPECT_EQ(guess("192.0.2.9"), 401);
  EXPECT_FALSE(admission.standing(asks_with("sk-x", "192.0.2.9")).refusal);
  for (int i = 0; i < 3; ++i) guess("192.0.2.9");
  EXPECT_EQ(admission.standing(asks_with("sk-x", "192.0.2.9")).refusal.value().status, 429);
  EXPECT_GT(admission.standing(asks_with("sk-x", "192.0.2.9")).refusal->retry_after_s, 0);
  EXPECT_FALSE(admission.standing(asks_with("sk-x", "192.0.2.8")).refusal);
  EXPECT_FALSE(admission.standing(right).refusal) << "whose key was right before";
  world.time.advance(100);
  EXPECT_FALSE(admission.standing(asks_with("sk-x", "192.0.2.9")).refusal);
}

TEST(Standing, WhatOnlyTokenizesIsCountedApart) {
  TeamWorld world;
  TeamAdmission& admission = world.team->admission();
  const Identity identity = world.identity(world.account("ada", "free"));
  for (int i = 0; i < 3; ++i) admission.count_text(identity);
  EXPECT_EQ(refusal([&] { admission.count_text(identity); }).status, 429);
  EXPECT_EQ(refusal([&] { admission.check(identity); }).status, 0) << "answers are others";
  EXPECT_EQ(admission.quota_use(identity.account).minute.requests, 0);
  world.time.advance(60);
  admission.count_text(identity);
  const Identity free_of_limits = world.identity(world.account("eve", "unlimited"));
  for (int i = 0; i < 1000; ++i) admission.count_text(free_of_limits);
}

TEST(KnownCallers, ForgetWhatIsOldest) {
  KnownCallers known(2);
  known.remember("a", {"acc_a", "t"});
  known.remember("b", {"acc_b", "t"});
  known.remember("a", {"acc_a", "u"});
  known.remember("c", {"acc_c", "t"});
  EXPECT_EQ(known.find("a").value().tier, "u");
  known.remember("d", {"acc_d", "t"});
  known.remember("e", {"acc_e", "t"});
  EXPECT_FALSE(known.find("a"));
  EXPECT_TRUE(known.find("d"));
  known.forget("d");
  EXPECT_FALSE(known.find("d"));
  EXPECT_TRUE(known.find("e"));
  known.remember("", {"acc_x", "t"});
  EXPECT_FALSE(known.find(""));
}

using AtTheDoor = ServiceFixture;

TEST_F(AtTheDoor, WhatComputesIsRefusedBeforeItIsParsed) {
  admission_->used_up = too_many_requests("used up", 7);
  for (const char* path : {"/v1/chat/completions", "/chat/completions", "/beta/chat/completions", "/v1/completions",
                           "/v1/messages", "/anthropic/v1/messages", "/v1/messages/count_tokens", "/tokenize",
                           "/v1/tokenize", "/detokenize", "/apply-template"}) {
    const auto told = call("POST", path, "no JSON");
    EXPECT_EQ(told->status(), 429) << path;
    EXPECT_EQ(told->header("Retry-After"), "7") << path;
    EXPECT_NE(told->body().find("used up"), std::string::npos);
  }
  EXPECT_EQ(admission_->texts, 0);
  EXPECT_EQ(call("GET", "/v1/models")->status(), 200);
  EXPECT_EQ(call("POST", "/v1/chat/completions/none/control", R"({"action": "cancel"})")->status(), 404)
      << "who is over a limit may end what runs";
  admission_->used_up.reset();
  EXPECT_EQ(call("POST", "/v1/chat/completions", "no JSON")->status(), 400);
  EXPECT_EQ(admission_->texts, 0);
  EXPECT_EQ(answer("/tokenize", {{"content", "Hi"}})["count"], 2);
  EXPECT_EQ(admission_->texts, 1);
  Json body = asks("Hi");
  body["max_tokens"] = 1;
  answer("/v1/messages/count_tokens", body);
  EXPECT_EQ(admission_->texts, 2);
}

TEST_F(AtTheDoor, AStandingBecomesAPlace) {
  ServedRequest request;
  request.method = "POST";
  request.path = "/v1/messages";
  request.peer = "192.0.2.1";
  admission_->stands.rank = 20;
  admission_->stands.account = "acc_1";
  HttpPlace place = service_->door()(request);
  EXPECT_EQ(place.rank, 20);
  EXPECT_EQ(place.share, "acc_1");
  EXPECT_FALSE(place.instead);
  admission_->stands.refusal = overloaded("full", 3);
  place = service_->door()(request);
  ASSERT_TRUE(place.instead);
  const auto told = std::make_shared<FakeExchange>(request);
  place.instead(told);
  EXPECT_EQ(told->status(), 503);
  EXPECT_EQ(told->header("Retry-After"), "3");
  EXPECT_NE(told->body().find("\"type\":\"error\""), std::string::npos)
      << "in the route's own format: " << told->body();
  service_->generations().flush();
  EXPECT_EQ(log_.back().account, "acc_1");
  request.method = "GET";
  request.path = "/v1/models";
  EXPECT_FALSE(service_->door()(request).instead) << "computes nothing";
  admission_->stands.rank = Standing::kStranger;
  EXPECT_TRUE(service_->door()(request).instead) << "but a stranger's key would be looked up";
  request.path = "/health";
  EXPECT_FALSE(service_->door()(request).instead);
}

}  // namespace
}  // namespace limpid
