// kill -9 at random moments: every request that was accepted is charged exactly once, for what it had delivered, and
// the books balance. ledger_worker is the process that dies; what it wrote to a pipe is the witness.
#include <signal.h>
#include <sys/wait.h>

#include <map>
#include <random>
#include <sstream>
#include <thread>

#include "server/storage_sqlite.h"
#include "tests/server/team_world.h"

namespace limpid {
namespace {

constexpr int kKills = 60;

// What is known of a request from outside.
struct Witnessed {
  std::int64_t prompt = 0, most = 0, cached = 0;
  bool admitted = false;
  std::int64_t begun = -1, noted = -1;  // the last token that was about to be noted, and that was
  std::int64_t settled = -1;            // about to be settled with so many
  bool released = false;
};

void read_witness(const std::string& text, std::map<std::string, Witnessed>& witnessed) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    char what = 0;
    std::string tag;
    words >> what >> tag;
    Witnessed& request = witnessed[tag];
    if (what == '?') words >> request.prompt >> request.most >> request.cached;
    if (what == '+') request.admitted = true;
    if (what == '>') words >> request.begun;
    if (what == '<') words >> request.noted;
    if (what == '=') words >> request.settled;
    if (what == '-') request.released = true;
  }
}

std::string run_and_kill(const std::vector<std::string>& command, int milliseconds) {
  int ends[2];
  if (pipe(ends) != 0) throw std::runtime_error("no pipe");
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDOUT_FILENO);
    close(ends[0]);
    close(ends[1]);
    std::vector<char*> arguments;
    for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    execv(arguments[0], arguments.data());
    _exit(127);
  }
  close(ends[1]);
  std::string text;
  char buffer[65536];
  // The clock runs from the first word on: before, the child only opens the database.
  std::thread killer;
  for (ssize_t count; (count = read(ends[0], buffer, sizeof buffer)) > 0;) {
    if (!killer.joinable())
      killer = std::thread([child, milliseconds] {
        std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
        kill(child, SIGKILL);
      });
    text.append(buffer, static_cast<std::size_t>(count));
  }
  if (killer.joinable()) killer.join();
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status << " " << text.substr(0, 200);
  return text;
}

TEST(LedgerKill, EveryAcceptedRequestIsChargedExactlyOnceForWhatItDelivered) {
  TeamWorld world;
  const Micros deposit = 10'000 * kMicrosPerUnit;
  const Account accounts[] = {world.account("ada", "paid", deposit), world.account("bob", "paid", deposit)};
  world.team.reset();
  const std::vector<std::string> command = {LEDGER_WORKER, world.folder / "team.db", world.folder / "team.json",
                                            accounts[0].id, accounts[1].id};
  std::map<std::string, Witnessed> witnessed;
  std::mt19937 random(std::random_device{}());
  for (int i = 0; i < kKills; ++i) {
    read_witness(run_and_kill(command, static_cast<int>(random() % 40)), witnessed);
    if (i % 20 == 10) {  // before recovery: nothing is out of balance even then
      const auto storage = open_sqlite_storage({world.folder / "team.db", false, true, 1, 0});
      EXPECT_TRUE(storage->audit().faults.empty());
    }
  }
  world.open();  // the last recovery
  Storage& storage = world.team->storage();
  const Audit audit = storage.audit();
  EXPECT_TRUE(audit.faults.empty()) << audit.faults[0];
  EXPECT_EQ(audit.open, 0);

  std::map<std::string, UsageRow> charged;
  Micros total = 0;
  for (const UsageRow& row : storage.usage({})) {
    EXPECT_TRUE(charged.emplace(row.model, row).second) << row.model;
    total += row.cost;
  }
  int settled = 0, cut_off = 0, cut_off_midway = 0;
  const ModelPrice price = world.team->config()->price("any");
  for (const auto& [tag, request] : witnessed) {
    const auto found = charged.find(tag);
    if (request.released) continue;  // free, whether its end was written or found by recovery
    if (found == charged.end()) {
      EXPECT_FALSE(request.admitted) << tag << " was accepted, and there is no charge";
      continue;
    }
    const UsageRow& row = found->second;
    EXPECT_EQ(row.requests, 1) << tag;
    EXPECT_EQ(row.cost, cost(price, row.tokens)) << tag;
    if (request.settled >= 0) {
      ++settled;
      EXPECT_EQ(row.tokens.completion_tokens, request.settled) << tag;
      EXPECT_EQ(row.tokens.prompt_tokens, request.prompt) << tag;
      EXPECT_EQ(row.tokens.cached_tokens, request.cached) << tag;
    } else {
      ++cut_off;
      cut_off_midway += request.noted > 0;
      EXPECT_GE(row.tokens.completion_tokens, std::max<std::int64_t>(0, request.noted)) << tag;
      EXPECT_LE(row.tokens.completion_tokens, std::max<std::int64_t>(0, request.begun)) << tag;
      if (request.noted >= 0) {
        EXPECT_EQ(row.tokens.prompt_tokens, request.prompt) << tag;
        EXPECT_EQ(row.tokens.cached_tokens, request.cached) << tag;
      }
    }
  }
  for (const auto& [tag, row] : charged) EXPECT_TRUE(witnessed.contains(tag)) << tag << " was never asked for";
  // The test means something only if kills met requests in every state.
  EXPECT_GT(settled, 10);
  EXPECT_GT(cut_off, 10);
  EXPECT_GT(cut_off_midway, 10);
  EXPECT_EQ(world.read(accounts[0]).balance + world.read(accounts[1]).balance, 2 * deposit - total);
  std::printf("%d kills, %zu requests: %d settled, %d cut off (%d midway)\n", kKills, charged.size(), settled, cut_off,
              cut_off_midway);
}

TEST(LedgerKill, ASecondServiceOnTheSameDatabaseIsRefused) {
  TeamWorld world;
  TeamOptions options;
  options.database = world.folder / "team.db";
  options.accounts = cheap_accounts();
  try {
    Team second(options);
    FAIL() << "two services on one database";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::resources);
    EXPECT_NE(std::string(error.what()).find("already"), std::string::npos);
  }
  options.serving = false;  // as `limpid admin` opens it
  Team beside(options);
  EXPECT_EQ(beside.storage().active_accounts(), 0);
}

}  // namespace
}  // namespace limpid
