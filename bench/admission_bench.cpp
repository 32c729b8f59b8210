// Admissions of a team in a second: reserve durably, settle. By the number of threads that ask at once: they share a
// flush of the disk (group commit), so that their number counts, not the flush. TMPDIR chooses the disk.
#include <benchmark/benchmark.h>

#include <filesystem>
#include <memory>
#include <string>

#include "server/team.h"
#include "server/team_admission.h"

namespace {

using namespace limpid;

// One team for all benchmarks, on a folder of its own.
class World {
 public:
  World() : folder_(std::filesystem::temp_directory_path() / "limpid_admission_bench") {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    TeamOptions options;
    options.database = (folder_ / "team.db").string();
    options.accounts.password = {64, 1, 1, 1};
    team = std::make_unique<Team>(options);
    for (int i = 0; i < 64; ++i) {
      const Account account =
          team->accounts().create("person" + std::to_string(i), "long enough", "unlimited", Role::user);
      Identity& identity = identities[i];
      identity.account = account.id;
      identity.tier = account.tier;
      ServedRequest& request = requests[i];
      request.method = "POST";
      request.headers = {{"Authorization", "Bearer " + team->accounts().create_key(account, "", {}, 0).text}};
    }
  }
  ~World() {
    team.reset();
    std::filesystem::remove_all(folder_);
  }

  std::unique_ptr<Team> team;
  Identity identities[64];
  ServedRequest requests[64];

 private:
  std::filesystem::path folder_;
};

void admit_and_settle(benchmark::State& state, World* world) {
  const StorageStatistics before = world->team->storage().statistics();
  const Identity& identity = world->identities[state.thread_index() % 64];
  for (auto step : state) world->team->admission().admit(identity, {"m", 100, 100, 1})->settle({0, 100, 50});
  state.SetItemsProcessed(state.iterations());
  if (state.thread_index() != 0) return;
  world->team->storage().flush();
  const StorageStatistics after = world->team->storage().statistics();
  state.counters["writes/commit"] =
      static_cast<double>(after.writes - before.writes) / static_cast<double>(after.commits - before.commits);
}

void identify(benchmark::State& state, World* world) {
  const ServedRequest& request = world->requests[state.thread_index() % 64];
  for (auto step : state) benchmark::DoNotOptimize(world->team->admission().identify(request));
  state.SetItemsProcessed(state.iterations());
}

void wrong_key(benchmark::State& state, World* world) {
  ServedRequest request;
  request.headers = {{"Authorization", "Bearer " + make_api_key().text}};
  for (auto step : state) {
    try {
      world->team->admission().identify(request);
    } catch (const std::exception&) {
    }
  }
  state.SetItemsProcessed(state.iterations());
}

}  // namespace

int main(int count, char** arguments) {
  benchmark::Initialize(&count, arguments);
  World world;
  benchmark::RegisterBenchmark("admit_and_settle", admit_and_settle, &world)->UseRealTime()->ThreadRange(1, 64);
  benchmark::RegisterBenchmark("identify", identify, &world)->UseRealTime()->ThreadRange(1, 4);
  benchmark::RegisterBenchmark("wrong_key", wrong_key, &world)->UseRealTime();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
