// Admission of the team: who is let through and why not, and what happens to quotas and money on every road.
#include <future>
#include <random>
#include <thread>

#include "base/error.h"
#include "tests/server/team_world.h"

namespace limpid {
namespace {

ServedRequest with(const std::string& name, const std::string& value, const std::string& method = "POST") {
  ServedRequest request;
  request.method = method;
  request.path = "/v1/chat/completions";
  request.headers = {{name, value}};
  request.peer = "192.0.2.1";
  return request;
}

TEST(Identify, AKeyByEitherHeader) {
  TeamWorld world;
  const Account ada = world.account("ada");
  const NewKey key = world.team->accounts().create_key(ada, "laptop", {"chat"}, 0);
  TeamAdmission& admission = world.team->admission();
  for (const ServedRequest& request :
       {with("Authorization", "Bearer " + key.text), with("authorization", "bearer   " + key.text + " "),
        with("x-api-key", key.text)}) {
    const Identity identity = admission.identify(request);
    EXPECT_EQ(identity.account, ada.id);
    EXPECT_EQ(identity.key, key.key.id);
    EXPECT_EQ(identity.tier, "paid");
    EXPECT_EQ(identity.priority, 10);
    EXPECT_EQ(identity.scopes, std::vector<std::string>{"chat"});
    EXPECT_FALSE(identity.session);
  }
}

TEST(Identify, WhatIsNoKeyIs401) {
  TeamWorld world;
  const Account ada = world.account("ada");
  const std::string key = world.team->accounts().create_key(ada, "", {}, 0).text;
  std::string one_off = key, other_secret = key;
  one_off.back() = one_off.back() == '0' ? '1' : '0';
  other_secret.replace(15, 64, make_api_key().text.substr(15));
  for (const std::string& value : {std::string(), std::string("Bearer"), std::string("Bearer "), "Basic " + key, key,
                                   "Bearer " + one_off, "Bearer " + other_secret, "Bearer " + make_api_key().text,
                                   std::string("Bearer sk-' OR 1=1 --"), "Bearer " + std::string(10'000, 'a')}) {
    const ApiError error = refusal([&] { world.team->admission().identify(with("Authorization", value)); });
    EXPECT_EQ(error.status, 401) << value.substr(0, 40);
    EXPECT_EQ(std::string(error.what()).find(key.substr(20)), std::string::npos);
  }
}

TEST(Identify, RevokedAndExpiredKeysAndBannedAccounts) {
  TeamWorld world;
  const Account ada = world.account("ada");
  Accounts& accounts = world.team->accounts();
  const NewKey revoked = accounts.create_key(ada, "a", {}, 0), brief = accounts.create_key(ada, "b", {}, kNoon + 60),
               other = accounts.create_key(ada, "c", {}, 0);
  const auto status = [&](const NewKey& key) {
    return refusal([&] { world.team->admission().identify(with("Authorization", "Bearer " + key.text)); }).status;
  };
  EXPECT_EQ(status(revoked), 0);
  EXPECT_EQ(status(brief), 0);
  EXPECT_FALSE(world.team->storage().revoke_key(world.account("bob").id, revoked.key.id, kNoon));
  EXPECT_TRUE(world.team->storage().revoke_key(ada.id, revoked.key.id, kNoon));
  EXPECT_EQ(status(revoked), 401);
  world.time.advance(60);
  EXPECT_EQ(status(brief), 401);
  EXPECT_EQ(status(other), 0);
  world.team->storage().set_status(ada.id, AccountStatus::banned, "spam");
  EXPECT_EQ(status(other), 403);
  world.team->storage().set_status(ada.id, AccountStatus::waiting, "");
  EXPECT_EQ(status(other), 403);
  world.team->storage().set_status(ada.id, AccountStatus::active, "");
  EXPECT_EQ(status(other), 0);
  world.team->storage().delete_account(ada.id, kNoon, "root");
  EXPECT_EQ(status(other), 401);
}

TEST(Identify, ACookieNeedsTheCsrfHeaderToChangeAnything) {
  TeamWorld world;
  world.account("ada");
  const LoggedIn session = world.team->accounts().log_in("ada", "password of ada", "192.0.2.1");
  const std::string cookie = "theme=dark; limpid_session=" + session.token + "; x=y";
  const auto status = [&](ServedRequest request) {
    return refusal([&] { world.team->admission().identify(request); }).status;
  };
  EXPECT_EQ(status(with("Cookie", cookie, "GET")), 0);
  for (const char* method : {"POST", "PUT", "PATCH", "DELETE", "ANYTHING"}) {
    ServedRequest request = with("Cookie", cookie, method);
    EXPECT_EQ(status(request), 403) << method;
    request.headers.emplace_back("X-CSRF-Token", csrf_token(session.token + "x"));
    EXPECT_EQ(status(request), 403) << method;
    request.headers.back().second = session.csrf;
    EXPECT_EQ(status(request), 0) << method;
  }
  // A key that is shown counts alone.
  ServedRequest both = with("Cookie", cookie, "GET");
  both.headers.emplace_back("Authorization", "Bearer sk-wrong");
  EXPECT_EQ(status(both), 401);
  EXPECT_EQ(status(with("Cookie", "limpid_session=" + std::string(64, '0'), "GET")), 401);
}

TEST(Identify, AnAdminsKeyActsAsOneOnlyWithTheScope) {
  TeamWorld world;
  const Account root = world.account("root", "unlimited", 0, Role::admin), ada = world.account("ada");
  Accounts& accounts = world.team->accounts();
  const auto admin = [&](const std::vector<std::string>& scopes) {
    const NewKey key = accounts.create_key(root, "", scopes, 0);
    return world.team->admission().identify(with("x-api-key", key.text)).admin;
  };
  EXPECT_TRUE(admin({"admin"}));
  EXPECT_FALSE(admin({"chat"}));
  EXPECT_FALSE(admin({}));
  EXPECT_EQ(refusal([&] { accounts.create_key(ada, "", {"admin"}, 0); }).status, 403);
}

TEST(Admit, ScopeModelContextInThatOrder) {
  TeamWorld world;
  const Account ada = world.account("ada", "free");
  Identity identity = world.identity(ada);
  TeamAdmission& admission = world.team->admission();
  EXPECT_EQ(refusal([&] { admission.admit(identity, {"large", 10, 10, 1}); }).status, 403);
  ApiError error = refusal([&] { admission.admit(identity, {"small", 500, 501, 1}); });
  EXPECT_EQ(error.status, 400);
  EXPECT_EQ(error.code, "context_length_exceeded");
  EXPECT_EQ(error.param, "max_tokens");
  EXPECT_EQ(refusal([&] { admission.admit(identity, {"small", 1000, 1, 1}); }).param, "messages");
  identity.scopes = {"usage"};
  EXPECT_EQ(refusal([&] { admission.admit(identity, {"small", 10, 10, 1}); }).status, 403);
  identity.scopes = {"usage", "chat"};
  EXPECT_EQ(refusal([&] { admission.admit(identity, {"small", 500, 500, 1}); }).status, 0);
  EXPECT_TRUE(world.team->storage().audit().faults.empty());
}

TEST(Admit, WhatATierMayUseIsKnownBeforeItIsLoaded) {
  TeamWorld world;
  const Identity free = world.identity(world.account("ada", "free")), paid = world.identity(world.account("bob"));
  TeamAdmission& admission = world.team->admission();
  EXPECT_EQ(refusal([&] { admission.check_model(free, "large"); }).status, 403);
  EXPECT_EQ(refusal([&] { admission.check_model(free, "small"); }).status, 0);
  EXPECT_EQ(refusal([&] { admission.check_model(paid, "large"); }).status, 0);
}

TEST(Admit, ADefaultIsNoMoreThanWindowsAndBalanceAllow) {
  TeamWorld world;
  TeamAdmission& admission = world.team->admission();
  const Identity free = world.identity(world.account("ada", "free"));
  EXPECT_EQ(admission.most_completion(free, {"small", 100, 32'768, 1}), 2000 - 100) << "the minute's";
  EXPECT_EQ(admission.most_completion(free, {"small", 100, 50, 1}), 50);
  EXPECT_LT(admission.most_completion(free, {"small", 2000, 50, 1}), 1);
  const Identity paid = world.identity(world.account("bob", "paid", 1000));
  const Demand demand{"small", 101, 32'768, 1};  // 101 micros of prompt, then 2 for each token
  const std::int64_t most = admission.most_completion(paid, demand);
  EXPECT_EQ(most, 449);
  EXPECT_EQ(refusal([&] { admission.admit(paid, {"small", 101, most + 1, 1}); }).status, 402);
  const auto charge = admission.admit(paid, {"small", 101, most, 1});
  EXPECT_EQ(admission.most_completion(paid, demand), 0) << "all of it is reserved";
  EXPECT_EQ(admission.most_completion(world.identity(world.account("eve", "unlimited")), demand), 32'768);
}

TEST(Admit, RequestsAMinuteWithARetryAfterThatIsRight) {
  TeamWorld world;
  const Identity identity = world.identity(world.account("ada", "free"));
  TeamAdmission& admission = world.team->admission();
  for (int i = 0; i < 3; ++i) {
    admission.admit(identity, {"small", 10, 10, 1})->settle({0, 10, 5});
    world.time.advance(7);
  }
  const ApiError error = refusal([&] { admission.admit(identity, {"small", 10, 10, 1}); });
  EXPECT_EQ(error.status, 429);
  EXPECT_EQ(error.retry_after_s, 60 - 21);
  world.time.advance(error.retry_after_s - 1);
  EXPECT_EQ(refusal([&] { admission.admit(identity, {"small", 10, 10, 1}); }).status, 429);
  world.time.advance(1);
  EXPECT_EQ(refusal([&] { admission.admit(identity, {"small", 10, 10, 1})->settle({}); }).status, 0);
  EXPECT_EQ(admission.quota_use(identity.account).day.requests, 4);
}

TEST(Admit, ARestartForgetsNoQuota) {
  TeamWorld world;
  const Identity identity = world.identity(world.account("ada", "free"));
  for (int i = 0; i < 3; ++i) {
    world.team->admission().admit(identity, {"small", 10, 10, 1})->settle({0, 10, 5});
    world.time.advance(1);
  }
  world.reopen();
  EXPECT_EQ(world.team->admission().quota_use(identity.account).day.tokens, 45);
  EXPECT_EQ(world.team->admission().quota_use(identity.account).month.requests, 3);
  const ApiError error = refusal([&] { world.team->admission().admit(identity, {"small", 10, 10, 1}); });
  EXPECT_EQ(error.status, 429);
  EXPECT_EQ(error.retry_after_s, 57);
}

TEST(Admit, ConcurrencyIsGivenBackOnEveryRoad) {
  TeamWorld world;
  const Identity identity = world.identity(world.account("ada", "free"));
  TeamAdmission& admission = world.team->admission();
  auto first = admission.admit(identity, {"small", 10, 10, 1});
  auto second = admission.admit(identity, {"small", 10, 10, 1});
  EXPECT_EQ(refusal([&] { admission.admit(identity, {"small", 10, 10, 1}); }).status, 429);
  first.reset();  // never ran: neither the place nor the request counts
  EXPECT_EQ(admission.quota_use(identity.account).minute.requests, 1);
  first = admission.admit(identity, {"small", 10, 10, 1});
  second->settle({0, 10, 1});
  EXPECT_EQ(admission.quota_use(identity.account).running, 1);
  EXPECT_EQ(admission.statistics().running, 1);
}

TEST(Admit, MoreTokensThanTheLimitIsNotAMatterOfWaiting) {
  TeamWorld world;
  world.config_text = R"({"default_tier": "t", "tiers": {"t": {"tokens": {"minute": 100}}}})";
  world.reopen();
  const Identity identity = world.identity(world.account("ada", "t"));
  const ApiError error = refusal([&] { world.team->admission().admit(identity, {"m", 60, 50, 1}); });
  EXPECT_EQ(error.status, 422);
  EXPECT_EQ(error.param, "max_tokens");
}

TEST(Admit, TheBalanceIsUsedUp) {
  TeamWorld world;
  const Account ada = world.account("ada", "paid", 300);
  const Identity identity = world.identity(ada);
  TeamAdmission& admission = world.team->admission();
  auto charge = admission.admit(identity, {"small", 100, 100, 1});  // 100 + 200
  ApiError error = refusal([&] { admission.admit(identity, {"small", 1, 0, 1}); });
  EXPECT_EQ(error.status, 402);
  charge->settle({0, 100, 0});
  world.team->storage().flush();
  EXPECT_EQ(world.read(ada).balance, 200);
  error = refusal([&] { admission.admit(identity, {"dear", 3, 0, 1}); });
  EXPECT_EQ(error.status, 402);
  EXPECT_NE(std::string(error.what()).find("0.0003"), std::string::npos) << error.what();
  EXPECT_NE(std::string(error.what()).find("0.0002"), std::string::npos) << error.what();
  EXPECT_EQ(admission.statistics().no_balance, 2u);
  EXPECT_EQ(admission.quota_use(ada.id).running, 0);
  world.team->storage().add_entry(ada.id, EntryKind::top_up, 1000, "root", "", kNoon);
  EXPECT_EQ(refusal([&] { admission.admit(identity, {"dear", 3, 0, 1}); }).status, 0);
}

TEST(Admit, FreeAndUnlimitedTiersPayNothingAndAreCountedAllTheSame) {
  TeamWorld world;
  const Account ada = world.account("ada", "unlimited");
  world.team->admission().admit(world.identity(ada), {"dear", 1000, 1000, 1})->settle({0, 1000, 1000});
  world.team->storage().flush();
  const std::vector<UsageRow> rows = world.team->storage().usage({});
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].cost, 0);
  EXPECT_EQ(rows[0].tokens.completion_tokens, 1000);
  EXPECT_EQ(world.team->storage().audit().entries, 1);
}

TEST(Admit, OverloadShedsTheLowestTierFirst) {
  TeamWorld world;
  const Identity low = world.identity(world.account("ada", "free")),
                 middle = world.identity(world.account("bob", "paid", 1'000'000)),
                 high = world.identity(world.account("eve", "unlimited"));
  const auto status = [&](const Identity& identity) {
    return refusal([&] { world.team->admission().admit(identity, {"small", 1, 1, 1}); }).status;
  };
  const struct {
    double load;
    int low, middle, high;
  } cases[] = {{0, 0, 0, 0},      {0.49, 0, 0, 0},    {0.5, 503, 0, 0},
               {0.89, 503, 0, 0}, {0.9, 503, 503, 0}, {1, 503, 503, 503}};
  for (const auto& entry : cases) {
    world.load = entry.load;
    EXPECT_EQ(status(low), entry.low) << entry.load;
    EXPECT_EQ(status(middle), entry.middle) << entry.load;
    EXPECT_EQ(status(high), entry.high) << entry.load;
  }
  world.load = 1;
  EXPECT_GT(refusal([&] { world.team->admission().admit(low, {"small", 1, 1, 1}); }).retry_after_s, 0);
  EXPECT_GT(world.team->admission().statistics().shed, 0u);
}

// Who was admitted counts before the engine knows of it, and no longer when it has ended, was refused or was given up.
TEST(Admit, WhatIsOnItsWayIsLoadToo) {
  TeamWorld world;
  world.places = 10;
  const Identity low = world.identity(world.account("ada", "free")),
                 high = world.identity(world.account("eve", "unlimited"));
  TeamAdmission& admission = world.team->admission();
  const auto ask = [&](const Identity& identity) { return admission.admit(identity, {"small", 1, 1, 1}); };
  std::vector<std::unique_ptr<Charge>> charges;
  for (int i = 0; i < 5; ++i) charges.push_back(ask(high));
  EXPECT_EQ(refusal([&] { ask(low); }).status, 503);
  for (int i = 0; i < 5; ++i) charges.push_back(ask(high));
  EXPECT_EQ(refusal([&] { ask(high); }).status, 503);
  charges.resize(4);              // given up
  charges[0]->settle({0, 1, 1});  // ended
  EXPECT_EQ(refusal([&] { ask(low); }).status, 0);
  EXPECT_EQ(refusal([&] { admission.admit(low, {"none", 1, 1, 1}); }).status, 403);
  charges.clear();
  for (int i = 0; i < 10; ++i) charges.push_back(ask(high));
  EXPECT_EQ(refusal([&] { ask(high); }).status, 503);
}

TEST(Admit, AnAccountBannedSinceItWasIdentified) {
  TeamWorld world;
  const Account ada = world.account("ada", "paid", 1000);
  const Identity identity = world.identity(ada);
  world.team->storage().set_status(ada.id, AccountStatus::banned, "");
  EXPECT_EQ(refusal([&] { world.team->admission().admit(identity, {"small", 1, 1, 1}); }).status, 403);
  EXPECT_EQ(world.team->admission().quota_use(ada.id).running, 0);
}

// The same as with waiting: yes and no, and nothing is held after a no.
TEST(Admit, WhoDoesNotWaitIsToldWhenItIsOnTheDisk) {
  TeamWorld world;
  const Account ada = world.account("ada", "paid", 300);
  const Identity identity = world.identity(ada);
  TeamAdmission& admission = world.team->admission();
  struct Told {
    std::unique_ptr<Charge> charge;
    std::exception_ptr error;
  };
  const auto ask = [&](const Demand& demand) {
    std::promise<Told> told;
    admission.admit(identity, demand, [&](std::unique_ptr<Charge> charge, std::exception_ptr error) {
      told.set_value({std::move(charge), std::move(error)});
    });
    return told.get_future().get();
  };
  Told yes = ask({"small", 100, 100, 1});
  ASSERT_NE(yes.charge, nullptr);
  EXPECT_EQ(world.read(ada).reserved, 300);
  const Told no = ask({"small", 1, 0, 1});
  EXPECT_EQ(no.charge, nullptr);
  EXPECT_EQ(refusal([&] { std::rethrow_exception(no.error); }).status, 402);
  EXPECT_EQ(admission.quota_use(ada.id).running, 1);
  yes.charge->settle({0, 100, 0});
  world.team->storage().set_status(ada.id, AccountStatus::banned, "");
  EXPECT_EQ(refusal([&] { std::rethrow_exception(ask({"small", 1, 0, 1}).error); }).status, 403);
  // What needs no disk is thrown at once.
  world.load = 1;
  EXPECT_EQ(refusal([&] { admission.admit(identity, {"small", 1, 0, 1}, {}); }).status, 503);
  EXPECT_EQ(admission.quota_use(ada.id).running, 0);
  EXPECT_EQ(admission.statistics().no_balance, 1u);
  world.team->storage().flush();
  EXPECT_EQ(world.read(ada).balance, 200);
  EXPECT_TRUE(world.team->storage().audit().faults.empty());
}

TEST(Admit, MoreAtOnceThanTheJournalHolds) {
  TeamWorld world;
  const Identity identity = world.identity(world.account("ada", "unlimited"));
  std::vector<std::unique_ptr<Charge>> charges;
  for (int i = 0; i < 256; ++i) charges.push_back(world.team->admission().admit(identity, {"small", 1, 1, 1}));
  EXPECT_EQ(refusal([&] { world.team->admission().admit(identity, {"small", 1, 1, 1}); }).status, 503);
  charges.clear();
  world.team->storage().flush();
  EXPECT_EQ(refusal([&] { world.team->admission().admit(identity, {"small", 1, 1, 1}); }).status, 0);
}

TEST(Admit, WhatWasCutOffIsChargedAtTheNextStartForWhatItHadDelivered) {
  TeamWorld world;
  const Account ada = world.account("ada", "paid", 10'000);
  // As after a kill: the rows and the journal as they are, no Charge that ends.
  auto* running = world.team->admission().admit(world.identity(ada), {"small", 100, 100, 1}).release();
  auto* waiting = world.team->admission().admit(world.identity(ada), {"small", 100, 100, 1}).release();
  running->progress({50, 100, 7});
  running->progress({50, 100, 8});
  const ScratchFolder copy;
  for (const char* name : {"team.db", "team.db-wal", "team.db-progress"})
    std::filesystem::copy(world.folder / name, copy / name);
  delete running;  // here it ends by being dropped, with the same charge
  delete waiting;
  world.team->storage().flush();
  EXPECT_EQ(world.read(ada).balance, 10'000 - (5 + 50 + 16));
  EXPECT_EQ(world.read(ada).reserved, 0);
  TeamOptions options;
  options.database = copy / "team.db";
  options.config_file = world.folder / "team.json";
  options.clock = world.time.clock();
  options.accounts = cheap_accounts();
  Team team(options);
  EXPECT_EQ(team.admission().statistics().recovered, 2u);
  EXPECT_EQ(team.storage().account(ada.id)->balance, 10'000 - (5 + 50 + 16));
  EXPECT_EQ(team.storage().account(ada.id)->reserved, 0);
  EXPECT_TRUE(team.storage().audit().faults.empty());
  EXPECT_EQ(team.storage().entries(ada.id, INT64_MAX, 10).at(0).actor, "recovery");
}

TEST(Admit, ATierThatTheConfigurationHasNotIsFoundAtTheStart) {
  TeamWorld world;
  world.account("ada", "paid");
  world.team.reset();
  world.config_text = R"({"default_tier": "free", "tiers": {"free": {}}})";
  try {
    world.open();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::input);
    EXPECT_NE(std::string(error.what()).find("'paid'"), std::string::npos);
  }
}

TEST(Admit, TheConfigurationIsReadAgainAndAFaultyOneIsNot) {
  TeamWorld world;
  const Identity identity = world.identity(world.account("ada", "free"));
  const auto write = [&](const char* text) { std::ofstream(world.folder / "team.json") << text; };
  write("{");
  EXPECT_THROW(world.team->reload_config(), Error);
  EXPECT_EQ(world.team->config()->tier("free").concurrency, 2);
  write(R"({"tiers": {"free": {"concurrency": 1}}})");
  world.team->reload_config();
  const auto charge = world.team->admission().admit(identity, {"any", 1, 1, 1});
  EXPECT_EQ(refusal([&] { world.team->admission().admit(identity, {"any", 1, 1, 1}); }).status, 429);
}

// Threads admit, settle, drop and change the account at the same time; afterwards nothing runs, the meter and the
// database say the same, and the books balance.
TEST(Admit, ThreadsOnOneAccount) {
  TeamWorld world;
  const Account ada = world.account("ada", "paid", 100 * kMicrosPerUnit);
  const Identity identity = world.identity(ada);
  TeamAdmission& admission = world.team->admission();
  std::atomic<std::int64_t> settled{0}, tokens{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t)
    threads.emplace_back([&, t] {
      std::mt19937 random(static_cast<unsigned>(t));
      for (int i = 0; i < 50; ++i) {
        try {
          const auto charge = admission.admit(identity, {"m" + std::to_string(t), 100, 100, 1});
          if (random() % 4 == 0) continue;
          charge->progress({0, 100, 1});
          const auto written = static_cast<std::int64_t>(random() % 100);
          std::thread([&] { charge->settle({0, 100, written}); }).join();  // the engine's thread is another one
          ++settled;
          tokens += 100 + written;
        } catch (const ApiError& error) {
          EXPECT_EQ(error.status, 402);
        }
      }
    });
  threads.emplace_back([&] {
    for (int i = 0; i < 30; ++i) {
      world.team->storage().add_entry(ada.id, EntryKind::top_up, 10, "root", "", kNoon);
      world.team->reload_config();
    }
  });
  for (std::thread& thread : threads) thread.join();
  world.team->storage().flush();
  const Audit audit = world.team->storage().audit();
  EXPECT_TRUE(audit.faults.empty()) << audit.faults[0];
  EXPECT_EQ(audit.open, 0);
  const QuotaUse use = admission.quota_use(ada.id);
  EXPECT_EQ(use.running, 0);
  EXPECT_EQ(use.day.requests, settled);
  EXPECT_EQ(use.day.tokens, tokens);
  const UsageTotals totals = world.team->storage().usage_totals(ada.id, start_of_day(kNoon));
  EXPECT_EQ(totals.requests, settled);
  EXPECT_EQ(totals.tokens, tokens);
}

}  // namespace
}  // namespace limpid
