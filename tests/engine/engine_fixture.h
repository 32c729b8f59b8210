// What the tests of the engine with a fake model share.
#pragma once

#include <functional>
#include <random>
#include <vector>

#include "engine/engine.h"
#include "fake_model.h"

namespace limpid {

inline std::vector<std::int32_t> random_ids(std::size_t count, unsigned seed, int vocabulary = 101) {
  std::mt19937 random(seed);
  std::vector<std::int32_t> ids(count);
  for (std::int32_t& id : ids) id = static_cast<std::int32_t>(random() % static_cast<unsigned>(vocabulary));
  return ids;
}

inline EngineOptions options(int threads = 1, int pages = 64, int step_rows = 64) {
  EngineOptions result;
  result.threads = threads;
  result.pages = pages;
  result.limits.step_rows = result.limits.prefill_rows = step_rows;
  result.poison = true;
  return result;
}

inline Request request(std::vector<std::int32_t> prompt, int max_tokens, std::uint64_t seed = 5) {
  Request result;
  result.prompt = std::move(prompt);
  result.max_tokens = max_tokens;
  result.sampling.seed = seed;
  return result;
}

// Asked together, stepped to the end; `between` runs after every step.
inline std::vector<Completion> run_all(Engine& engine, std::vector<Request> requests,
                                       const std::function<void(const std::vector<RequestId>&)>& between = {}) {
  std::vector<Completion> results(requests.size());
  std::vector<RequestId> ids;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    requests[i].on_token = [&results, i](const TokenEvent& event) {
      results[i].tokens.push_back(event);
      return true;
    };
    requests[i].on_finished = [&results, i](const FinishedEvent& event) { results[i].finished = event; };
    ids.push_back(engine.submit(std::move(requests[i])));
  }
  while (engine.step())
    if (between) between(ids);
  return results;
}

}  // namespace limpid
