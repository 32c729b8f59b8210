#include "server/accounts.h"

#include <thread>

#include "base/error.h"
#include "server/sqlite.h"
#include "tests/server/team_world.h"

namespace limpid {
namespace {

constexpr const char* kHere = "192.0.2.1";

TEST(SignUp, TakesACodeWithItsTierCreditUsesAndExpiry) {
  TeamWorld world;
  Accounts& accounts = world.team->accounts();
  AccessCode code;
  code.tier = "paid";
  code.uses_left = 2;
  code.credit = 5'000'000;
  code.expires = kNoon + 100;
  const std::string text = accounts.create_code(code);
  const Account ada = accounts.sign_up("Ada", "long enough", text, kHere);
  EXPECT_EQ(ada.name, "ada");
  EXPECT_EQ(ada.tier, "paid");
  EXPECT_EQ(ada.status, AccountStatus::active);
  EXPECT_EQ(world.read(ada).balance, 5'000'000);
  EXPECT_EQ(world.team->storage().granted_left(ada.id), 5'000'000);
  ApiError error = refusal([&] { accounts.sign_up("bob", "long enough", text + "X", kHere); });
  EXPECT_EQ(error.status, 403);
  EXPECT_EQ(error.code, "invalid_code");
  // A name that is taken uses nothing up.
  EXPECT_EQ(refusal([&] { accounts.sign_up("ADA", "long enough", text, kHere); }).status, 409);
  EXPECT_EQ(world.team->storage().codes().at(0).uses_left, 1);
  world.time.advance(100);
  EXPECT_EQ(refusal([&] { accounts.sign_up("bob", "long enough", text, kHere); }).status, 403);
  world.time.advance(-1);
  accounts.sign_up("bob", "long enough", text, kHere);
  EXPECT_EQ(refusal([&] { accounts.sign_up("eve", "long enough", text, kHere); }).status, 403);
  EXPECT_THROW(accounts.create_code({"", "gold", 1, 0, 0, 0, ""}), Error);
  EXPECT_TRUE(world.team->storage().audit().faults.empty());
}

TEST(SignUp, RacingForTheLastUseOfACodeOneWins) {
  TeamWorld world;
  AccessCode code;
  code.tier = "paid";
  const std::string text = world.team->accounts().create_code(code);
  std::atomic<int> in{0}, out{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&, i] {
      const int status = refusal([&] {
                           world.team->accounts().sign_up("person" + std::to_string(i), "long enough", text, kHere);
                         }).status;
      ++(status == 0 ? in : out);
      EXPECT_TRUE(status == 0 || status == 403) << status;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(in, 1);
  EXPECT_EQ(out, 3);
}

TEST(SignUp, NamesAndPasswordsHaveAForm) {
  TeamWorld world;
  Accounts& accounts = world.team->accounts();
  for (const char* name : {"", "ab", ".abc", "a b c", "ada\n", "a\"b\"c", "<script>", "\xc3\xa4\xc3\xb6\xc3\xbc"})
    EXPECT_EQ(refusal([&] { accounts.sign_up(name, "long enough", "", kHere); }).param, "name") << name;
  EXPECT_EQ(refusal([&] { accounts.sign_up(std::string(65, 'a'), "long enough", "", kHere); }).status, 422);
  EXPECT_EQ(refusal([&] { accounts.sign_up("ada", "short", "", kHere); }).param, "password");
  EXPECT_EQ(accounts.sign_up("Ada.Lovelace+1@example.org", "long enough", "", kHere).name,
            "ada.lovelace+1@example.org");
}

TEST(WaitingList, ShowsThePlaceAndLetsInByCapacity) {
  TeamWorld world;  // capacity 2
  Accounts& accounts = world.team->accounts();
  Storage& storage = world.team->storage();
  std::vector<Account> people;
  for (const char* name : {"ann", "ben", "cas", "dot", "eli"})
    people.push_back(accounts.sign_up(name, "long enough", "", kHere));
  EXPECT_EQ(people[0].status, AccountStatus::active);
  EXPECT_EQ(people[1].status, AccountStatus::active);
  for (int i = 2; i < 5; ++i) {
    EXPECT_EQ(people[i].status, AccountStatus::waiting);
    EXPECT_EQ(storage.waiting_place(people[i].id).place, i - 1);
    EXPECT_EQ(storage.waiting_place(people[i].id).waiting, 3);
  }
  EXPECT_EQ(storage.waiting_place(people[0].id).place, 0);
  // Someone leaves: the first of the list comes in, by itself.
  accounts.delete_own(people[1], "long enough", kHere);
  EXPECT_EQ(world.read(people[2]).status, AccountStatus::active);
  EXPECT_EQ(storage.waiting_place(people[3].id).place, 1);
  // A larger capacity lets in as many as fit; an admin may let in beyond it.
  accounts.set_capacity(3);
  EXPECT_EQ(world.read(people[3]).status, AccountStatus::active);
  EXPECT_EQ(world.read(people[4]).status, AccountStatus::waiting);
  EXPECT_EQ(accounts.let_in(5), std::vector<std::string>{people[4].id});
  EXPECT_EQ(storage.active_accounts(), 4);
  world.reopen();
  EXPECT_EQ(world.team->accounts().capacity(), 3);
}

TEST(WaitingList, NobodyOvertakes) {
  TeamWorld world;
  Accounts& accounts = world.team->accounts();
  for (const char* name : {"ann", "ben", "cas"}) accounts.sign_up(name, "long enough", "", kHere);
  world.team->storage().set_setting("capacity", "10");  // by another process: nobody was let in yet
  const Account dot = accounts.sign_up("dot", "long enough", "", kHere);
  EXPECT_EQ(dot.status, AccountStatus::waiting);
  EXPECT_EQ(world.team->storage().waiting_place(dot.id).place, 2);
  EXPECT_EQ(accounts.let_in_by_capacity().size(), 2u);
}

TEST(WaitingList, IsBounded) {
  TeamWorld world;
  world.config_text.insert(1, R"("most_waiting": 1,)");
  world.reopen();
  Accounts& accounts = world.team->accounts();
  for (const char* name : {"ann", "ben", "cas"}) accounts.sign_up(name, "long enough", "", kHere);
  EXPECT_EQ(refusal([&] { accounts.sign_up("dot", "long enough", "", kHere); }).status, 403);
  AccessCode code;
  code.tier = "paid";
  EXPECT_EQ(accounts.sign_up("dot", "long enough", accounts.create_code(code), kHere).status, AccountStatus::active);
}

TEST(WaitingList, CanBeClosed) {
  TeamWorld world;
  world.config_text.insert(1, R"("waiting_list": false,)");
  world.reopen();
  EXPECT_EQ(refusal([&] { world.team->accounts().sign_up("ann", "long enough", "", kHere); }).status, 403);
}

TEST(LogIn, GivesASessionOfWhichOnlyTheHashIsStored) {
  TeamWorld world;
  const Account ada = world.account("ada");
  const LoggedIn in = world.team->accounts().log_in("ADA", "password of ada", kHere);
  EXPECT_EQ(in.account.id, ada.id);
  EXPECT_EQ(in.token.size(), 64u);
  EXPECT_EQ(world.team->accounts().session(in.token)->account.id, ada.id);
  EXPECT_FALSE(world.team->accounts().session(std::string(64, '0')));
  EXPECT_FALSE(world.team->accounts().session(""));
  const NewKey key = world.team->accounts().create_key(ada, "k", {}, 0);
  world.team.reset();
  std::ifstream file(world.folder / "team.db", std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  EXPECT_NE(bytes.find(sha256_hex(in.token)), std::string::npos);
  EXPECT_EQ(bytes.find(in.token), std::string::npos);
  EXPECT_EQ(bytes.find(key.text.substr(15)), std::string::npos);
  EXPECT_EQ(bytes.find("password of ada"), std::string::npos);
}

TEST(LogIn, AWrongNameAndAWrongPasswordCannotBeToldApart) {
  TeamWorld world;
  world.account("ada");
  const auto error = [&](const std::string& name, const std::string& password) {
    return refusal([&] { world.team->accounts().log_in(name, password, kHere); });
  };
  const ApiError wrong = error("ada", "not hers at all"), nobody = error("bob", "not hers at all"),
                 odd = error("no such\nname", "x"), huge = error("ada", std::string(100'000, 'x'));
  for (const ApiError* other : {&nobody, &odd, &huge}) {
    EXPECT_EQ(other->status, 401);
    EXPECT_STREQ(other->what(), wrong.what());
    EXPECT_EQ(other->code, wrong.code);
    EXPECT_EQ(other->param, wrong.param);
  }
}

TEST(LogIn, TakesAsLongForANameThatIsNotThere) {
  TeamWorld world;
  world.team.reset();
  TeamOptions options;
  options.database = world.folder / "team.db";
  options.accounts.password = {4096, 2, 1, 1};
  options.accounts.by_name.free_failures = options.accounts.by_name_and_address.free_failures =
      options.accounts.by_address.free_failures = 1000;
  Team team(options);
  team.accounts().create("ada", "password of ada", "paid", Role::user);
  const auto seconds = [&](const std::string& name) {
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_EQ(refusal([&] { team.accounts().log_in(name, "wrong password", kHere); }).status, 401);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  std::vector<double> known, unknown;
  for (int i = 0; i < 41; ++i) {
    known.push_back(seconds("ada"));
    unknown.push_back(seconds("bob"));
  }
  std::sort(known.begin(), known.end());
  std::sort(unknown.begin(), unknown.end());
  EXPECT_LT(unknown[20], 1.5 * known[20]);
  EXPECT_GT(unknown[20], known[20] / 1.5);
}

TEST(LogIn, IsThrottledByNameAndAddressThenForgiven) {
  TeamWorld world;
  world.account("ada");
  Accounts& accounts = world.team->accounts();
  const auto attempt = [&](const std::string& name, const std::string& password, const std::string& address) {
    return refusal([&] { accounts.log_in(name, password, address); });
  };
  for (int i = 0; i < 5; ++i) EXPECT_EQ(attempt("ada", "wrong password", kHere).status, 401);
  EXPECT_EQ(attempt("ada", "wrong password", kHere).status, 401);  // the sixth: from now on there are pauses
  ApiError error = attempt("ada", "password of ada", kHere);
  EXPECT_EQ(error.status, 429);  // the right one too: or the pause would be no pause
  EXPECT_EQ(error.retry_after_s, 1);
  // Somebody else's failures do not lock her out elsewhere.
  EXPECT_EQ(attempt("ada", "password of ada", "192.0.2.99").status, 0);
  world.time.advance(1);
  EXPECT_EQ(attempt("ada", "wrong password", kHere).status, 401);
  EXPECT_EQ(attempt("ada", "password of ada", kHere).retry_after_s, 2);
  world.time.advance(2);
  EXPECT_EQ(attempt("ada", "password of ada", kHere).status, 0);
  EXPECT_EQ(attempt("ada", "wrong password", kHere).status, 401);  // counted from the beginning again
  EXPECT_EQ(attempt("ada", "password of ada", kHere).status, 0);
  // A name that is not there is throttled alike.
  for (int i = 0; i < 6; ++i) EXPECT_EQ(attempt("bob", "wrong password", kHere).status, 401);
  EXPECT_EQ(attempt("bob", "wrong password", kHere).status, 429);
}

TEST(LogIn, IsThrottledByAddressAcrossNamesAndByNameAcrossAddresses) {
  TeamWorld world;
  TeamOptions options;
  options.database = world.folder / "other.db";
  options.clock = world.time.clock();
  options.accounts.password = {64, 1, 1, 1};
  Team team(options);
  const auto attempt = [&](const std::string& name, const std::string& address) {
    return refusal([&] { team.accounts().log_in(name, "wrong password", address); });
  };
  for (int i = 0; i < 21; ++i) EXPECT_EQ(attempt("name" + std::to_string(i), kHere).status, 401);
  EXPECT_EQ(attempt("another", kHere).status, 429);
  for (int i = 0; i < 101; ++i) EXPECT_EQ(attempt("ada", "198.51.100." + std::to_string(i)).status, 401);
  const ApiError error = attempt("ada", "203.0.113.1");
  EXPECT_EQ(error.status, 429);
  EXPECT_LE(error.retry_after_s, 60);  // nobody is locked out for long by others
}

TEST(SignUp, IsThrottledByAddress) {
  TeamWorld world;
  TeamOptions options;
  options.database = world.folder / "other.db";
  options.clock = world.time.clock();
  options.accounts.password = {64, 1, 1, 1};
  Team team(options);
  const auto attempt = [&](int i, const std::string& code) {
    return refusal([&] { team.accounts().sign_up("person" + std::to_string(i), "long enough", code, kHere); });
  };
  for (int i = 0; i < 10; ++i) EXPECT_EQ(attempt(i, "").status, 0);
  for (int i = 10; i < 21; ++i) EXPECT_EQ(attempt(i, "a guess").status, 403);
  EXPECT_EQ(attempt(21, "").status, 429);
  EXPECT_FALSE(team.storage().account_by_name("person21"));
  world.time.advance(1);
  EXPECT_EQ(attempt(21, "").status, 0);
  EXPECT_EQ(attempt(22, "").retry_after_s, 2);
}

TEST(Sessions, EndByTimeIdlenessLogoutAndPassword) {
  TeamWorld world;
  const Account ada = world.account("ada");
  Accounts& accounts = world.team->accounts();
  const std::string password = "password of ada";
  const auto log_in = [&] { return accounts.log_in("ada", password, kHere).token; };
  const std::string idle = log_in();
  world.time.advance(7 * 86'400 - 1);
  EXPECT_TRUE(accounts.session(idle));
  world.time.advance(7 * 86'400);
  EXPECT_FALSE(accounts.session(idle));
  const std::string busy = log_in();
  for (int i = 0; i < 29; ++i) {
    world.time.advance(86'400);
    EXPECT_TRUE(accounts.session(busy)) << i;
  }
  world.time.advance(86'400);
  EXPECT_FALSE(accounts.session(busy));
  const std::string one = log_in(), two = log_in();
  EXPECT_TRUE(world.team->storage().delete_session(accounts.session(one)->id));
  EXPECT_FALSE(accounts.session(one));
  EXPECT_TRUE(accounts.session(two));
  EXPECT_EQ(refusal([&] { accounts.change_password(ada, "wrong password", "another one", kHere); }).status, 401);
  EXPECT_TRUE(accounts.session(two));
  accounts.change_password(ada, password, "another one", kHere);
  EXPECT_FALSE(accounts.session(two));
  EXPECT_EQ(refusal([&] { accounts.log_in("ada", password, kHere); }).status, 401);
  const std::string three = accounts.log_in("ada", "another one", kHere).token;
  world.team->storage().set_status(ada.id, AccountStatus::banned, "spam");
  EXPECT_FALSE(accounts.session(three));
  const ApiError banned = refusal([&] { accounts.log_in("ada", "another one", kHere); });
  EXPECT_EQ(banned.status, 403);
  EXPECT_NE(std::string(banned.what()).find("spam"), std::string::npos);
  // Only who knows the password learns of the ban.
  EXPECT_EQ(refusal([&] { accounts.log_in("ada", "wrong password", kHere); }).status, 401);
}

TEST(Sessions, AnAccountKeepsItsNewestTwenty) {
  TeamWorld world;
  world.account("ada");
  std::vector<std::string> tokens;
  for (int i = 0; i < 25; ++i) {
    tokens.push_back(world.team->accounts().log_in("ada", "password of ada", kHere).token);
    world.time.advance(1);
  }
  for (int i = 0; i < 25; ++i) EXPECT_EQ(world.team->accounts().session(tokens[i]).has_value(), i >= 5) << i;
}

TEST(Sessions, TheCookieIsHttpOnlySameSiteAndSecureUnderTls) {
  EXPECT_EQ(session_cookie("abc", 60, false), "limpid_session=abc; Path=/; Max-Age=60; HttpOnly; SameSite=Lax");
  EXPECT_EQ(session_cookie("abc", 60, true), "limpid_session=abc; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure");
}

TEST(Passwords, AreHashedAnewWhenTheParametersHaveRisen) {
  TeamWorld world;
  const Account ada = world.account("ada");
  const std::string before = world.team->storage().password_hash(ada.id);
  world.team.reset();
  TeamOptions options;
  options.database = world.folder / "team.db";
  options.accounts.password = {256, 2, 1, 2};
  Team team(options);
  team.accounts().log_in("ada", "password of ada", kHere);
  const std::string after = team.storage().password_hash(ada.id);
  EXPECT_NE(before, after);
  EXPECT_TRUE(after.starts_with("$argon2id$v=19$m=256,t=2,p=1$"));
  team.accounts().log_in("ada", "password of ada", kHere);
  EXPECT_EQ(team.storage().password_hash(ada.id), after);
}

TEST(Keys, AreBounded) {
  TeamWorld world;
  const Account ada = world.account("ada");
  Accounts& accounts = world.team->accounts();
  std::string first;
  for (int i = 0; i < 100; ++i) {
    const std::string id = accounts.create_key(ada, "", {}, 0).key.id;
    if (i == 0) first = id;
  }
  EXPECT_EQ(refusal([&] { accounts.create_key(ada, "", {}, 0); }).status, 429);
  world.team->storage().revoke_key(ada.id, first, kNoon);
  EXPECT_EQ(refusal([&] { accounts.create_key(ada, "", {}, 0); }).status, 0);
  EXPECT_EQ(refusal([&] { accounts.create_key(ada, "", {"everything"}, 0); }).param, "scopes");
  EXPECT_EQ(refusal([&] { accounts.create_key(ada, "", {}, kNoon); }).param, "expires");
}

}  // namespace
}  // namespace limpid
