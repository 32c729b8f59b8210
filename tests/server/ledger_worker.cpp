// ledger_worker DATABASE CONFIG ACCOUNT...: admits and settles requests as fast as it can on four threads, until it is
// killed (ledger_kill_test.cpp does that). What it does it says on standard output, a line before and a line after each
// step, so that the books can be held against a witness:
//   ? TAG PROMPT MOST CACHED   about to admit  + TAG              admitted
//   > TAG N             about to note N tokens < TAG N            noted
//   = TAG N             about to settle with N - TAG              about to release
// TAG is the request's model, so that the books tell it by name.
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <future>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "server/team.h"
#include "server/team_admission.h"

namespace {

using namespace limpid;

void say(const std::string& line) {
  const std::string text = line + "\n";
  if (write(STDOUT_FILENO, text.data(), text.size()) != static_cast<ssize_t>(text.size())) _exit(3);
}

// By waiting for the disk, or by being called when it is done.
std::unique_ptr<Charge> admitted(Admission& admission, const Identity& identity, const Demand& demand, bool waits) {
  if (waits) return admission.admit(identity, demand);
  std::promise<std::unique_ptr<Charge>> promise;
  admission.admit(identity, demand, [&](std::unique_ptr<Charge> charge, const std::exception_ptr& error) {
    error ? promise.set_exception(error) : promise.set_value(std::move(charge));
  });
  return promise.get_future().get();
}

void work(Admission& admission, const std::vector<std::string>& accounts, int thread) {
  std::mt19937 random(std::random_device{}());
  for (int n = 0;; ++n) {
    const std::string tag = fmt::format("{}.{}.{}", getpid(), thread, n);
    Identity identity;
    identity.account = accounts[random() % accounts.size()];
    identity.key = "k";
    identity.tier = "paid";
    const auto prompt = static_cast<std::int64_t>(random() % 1000 + 1),
               most = static_cast<std::int64_t>(random() % 2000),
               cached = static_cast<std::int64_t>(random()) % (prompt + 1);  // known with the first token
    say(fmt::format("? {} {} {} {}", tag, prompt, most, cached));
    const std::unique_ptr<Charge> charge = admitted(admission, identity, {tag, prompt, most, 1}, n % 2 == 0);
    say(fmt::format("+ {}", tag));
    const auto tokens = static_cast<std::int64_t>(random() % static_cast<unsigned>(most + 1));
    for (std::int64_t i = 0; i <= tokens; ++i) {
      say(fmt::format("> {} {}", tag, i));
      charge->progress({cached, prompt, i});
      say(fmt::format("< {} {}", tag, i));
      if (i % 32 == 31) std::this_thread::sleep_for(std::chrono::milliseconds(1));  // or all would wait for the disk
    }
    if (random() % 10 == 0) {
      say(fmt::format("- {}", tag));
    } else {
      say(fmt::format("= {} {}", tag, tokens));
      charge->settle({cached, prompt, tokens});
    }
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 4) return 2;
  TeamOptions options;
  options.database = arguments[1];
  options.config_file = arguments[2];
  options.accounts.password = {64, 1, 1, 1};
  const std::unique_ptr<Admission> admission = make_team_admission(std::make_shared<Team>(options));
  const std::vector<std::string> accounts(arguments + 3, arguments + count);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) threads.emplace_back([&, t] { work(*admission, accounts, t); });
  for (std::thread& thread : threads) thread.join();
}
