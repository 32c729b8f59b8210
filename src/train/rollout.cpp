#include "train/rollout.h"

#include <algorithm>

#include "base/error.h"
#include "tensor/layout.h"

namespace limpid {

namespace {

constexpr std::size_t kInFlight = 1024;  // requests submitted and not ended: bounds the engine's queue
constexpr std::size_t kReadAhead = 64;   // prompts that are read together, before any of their answers

}  // namespace

EngineOptions rollout_engine(int rows, int positions, CacheType cache, int threads, const KernelTable& kernels) {
  EngineOptions options;
  options.threads = threads;
  options.cache_type = cache;
  options.context = positions;
  options.limits.sequences = rows;
  options.limits.step_rows = std::max(rows, 512);
  options.limits.prefill_rows = options.limits.step_rows;  // nobody waits for single tokens
  options.pages = (rows + 1) * ((positions + kPageTokens - 1) / kPageTokens + 1);
  options.queue = static_cast<int>(kInFlight);
  options.kernels = &kernels;
  return options;
}

std::vector<Rollout> roll_out(Engine& engine, std::span<const std::vector<std::int32_t>> prompts,
                              const RolloutOptions& options) {
  if (options.samples < 1) fail(ErrorKind::input, "samples: {} is less than 1", options.samples);
  const auto samples = static_cast<std::size_t>(options.samples);
  std::vector<Rollout> rollouts(prompts.size() * samples);
  std::size_t submitted = 0, ended = 0;
  std::string error;
  bool wanted = true;
  std::vector<RequestId> ids;
  const auto submit = [&](std::size_t index) {
    Rollout& rollout = rollouts[index];
    Request request;
    request.prompt = prompts[index / samples];
    request.max_tokens = options.max_tokens;
    request.sampling = options.sampling;
    request.sampling.sequence = options.first_sequence + index;
    request.sampling.logprobs = 0;
    request.sampling.policy_logprobs = true;
    request.stop_ids = options.stop_ids;
    request.on_token = [&rollout](const TokenEvent& token) {
      rollout.ids.push_back(token.id);
      rollout.logprobs.push_back(token.logprob);
      return true;
    };
    request.on_finished = [&, index](const FinishedEvent& event) {
      ++ended;
      rollout.finished = event.reason == FinishReason::stop;
      if (event.reason == FinishReason::error && error.empty())
        error = fmt::format("answer {}: {}", index, event.error);
    };
    ids.push_back(engine.submit(std::move(request)));
  };
  // Several answers to a prompt: a request of one token reads it first, so that they find it in the prefix cache.
  std::size_t read = options.samples > 1 ? 0 : prompts.size(), reading = 0;
  const auto read_ahead = [&] {
    for (const std::size_t end = std::min(read + kReadAhead, prompts.size()); read < end; ++read, ++reading) {
      Request request;
      request.prompt = prompts[read];
      request.max_tokens = 1;
      request.sampling.temperature = 0;
      request.on_finished = [&, index = read](const FinishedEvent& event) {
        --reading;
        if (event.reason == FinishReason::error && error.empty())
          error = fmt::format("prompt {}: {}", index, event.error);
      };
      ids.push_back(engine.submit(std::move(request)));
    }
  };
  // Requests that are under way refer to what is here: an exception may not leave before they ended.
  std::size_t told = 0;
  try {
    while (ended < rollouts.size()) {
      while (submitted < rollouts.size() && submitted - ended < kInFlight - kReadAhead && reading == 0) {
        if (submitted / samples < read)
          submit(submitted++);
        else
          read_ahead();
      }
      engine.step();
      if (!error.empty()) fail(ErrorKind::system, "{}", error);
      if (options.progress && ended != told) wanted = options.progress(told = ended);
      if (!wanted) fail(ErrorKind::cancelled, "stopped after {} of {} answers", ended, rollouts.size());
    }
  } catch (...) {
    for (RequestId id : ids) engine.cancel(id);
    while (engine.step()) {
    }
    throw;
  }
  return rollouts;
}

}  // namespace limpid
