#include "app/serve_team.h"

#include <algorithm>

#include "app/team_setup.h"

namespace limpid {

std::shared_ptr<Team> open_team(const ServeSettings& settings, const ServedModels& models) {
  TeamOptions options = team_files(settings.data);
  const auto queue = static_cast<double>(std::max<std::int64_t>(1, settings.queue));
  // How much of the queue of the fullest model is taken, with what is on its way there: that is what a new request waits
  // for.
  options.load = [&models, queue](std::int64_t held) {
    double load = 0;
    std::int64_t running = 0;
    for (const auto& [name, engine] : models.queues()) {
      load = std::max(load, engine.all.waiting / queue);
      running += engine.sequences;
    }
    return std::max(load, static_cast<double>(held - running) / queue);
  };
  options.queue = [&models] {
    std::vector<QueueFacts> facts;
    for (const auto& [name, load] : models.queues()) {
      QueueFacts& model = facts.emplace_back();
      model.model = name;
      model.waiting = load.all.waiting;
      model.running = load.all.running;
      model.most_waiting = load.queue;
      model.most_running = load.sequences;
      for (const auto& [account, count] : load.accounts) model.accounts[account] = {count.waiting, count.running};
    }
    return facts;
  };
  // A password takes a worker for a moment: never all of them, or a flood of logins would hold up everybody.
  options.accounts.password.concurrent = static_cast<int>(std::max<std::int64_t>(1, settings.workers / 2));
  return std::make_shared<Team>(std::move(options));
}

}  // namespace limpid
