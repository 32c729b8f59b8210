#include "engine/engine.h"

#include <algorithm>
#include <cassert>
#include <future>
#include <utility>

#include "base/error.h"
#include "base/seconds.h"

namespace limpid {

namespace {

using Clock = Sequence::Clock;

int pool_pages(const Model& model, const EngineOptions& options) {
  if (options.pages > 0) return options.pages;
  return ((options.context > 0 ? options.context : model.info().context_length) + kPageTokens - 1) / kPageTokens;
}

int usable_context(const Model& model, const EngineOptions& options) {
  const int most = model.info().context_length;
  const int wanted = options.context > 0 ? options.context : most;
  if (wanted > most) fail(ErrorKind::input, "context of {} tokens: the model has {}", wanted, most);
  return std::min(
      wanted, static_cast<int>(std::min<std::int64_t>(std::int64_t{pool_pages(model, options)} * kPageTokens, most)));
}

int most_outputs(const EngineOptions& options) { return std::min(options.limits.sequences, options.limits.step_rows); }

int thread_count(const EngineOptions& options) { return options.threads > 0 ? options.threads : default_threads(); }

std::uint64_t hash_logits(std::span<const float> logits) { return siphash128({}, std::as_bytes(logits)).low; }

std::string text_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& caught) {
    return caught.what();
  } catch (...) {
    return "an unknown exception";
  }
}

void check_ids(std::span<const std::int32_t> ids, const ModelInfo& info) {
  for (std::int32_t id : ids)
    if (id < 0 || id >= info.vocabulary)
      fail(ErrorKind::input, "prompt: token {} is not in the vocabulary of {}", id, info.vocabulary);
}

void check_request(const Request& request, const ModelInfo& info, int context) {
  if (request.prompt.empty()) fail(ErrorKind::input, "prompt: it has no tokens");
  if (static_cast<std::int64_t>(request.prompt.size()) >= context)
    fail(ErrorKind::input, "prompt: {} tokens leave no room for an answer in a context of {}", request.prompt.size(),
         context);
  check_ids(request.prompt, info);
  if (request.max_tokens < 0) fail(ErrorKind::input, "max_tokens: {} is negative", request.max_tokens);
  check_sampling(request.sampling, info.vocabulary);
  check_thinking(request.thinking, info.vocabulary);
}

bool needs_counts(const Sampling& sampling) {
  return sampling.repetition_penalty != 1.0F || sampling.frequency_penalty != 0.0F || sampling.presence_penalty != 0.0F;
}

}  // namespace

std::string_view name(FinishReason reason) {
  switch (reason) {
    case FinishReason::stop:
      return "stop";
    case FinishReason::length:
      return "length";
    case FinishReason::requested:
      return "requested";
    case FinishReason::cancelled:
      return "cancelled";
    case FinishReason::error:
      return "error";
  }
  return "unknown";
}

std::vector<std::int32_t> Completion::ids() const {
  std::vector<std::int32_t> result;
  for (const TokenEvent& token : tokens) result.push_back(token.id);
  return result;
}

std::size_t Engine::work_bytes(const Model& model, const EngineOptions& options) {
  const auto threads = static_cast<std::size_t>(thread_count(options));
  const std::size_t sampler = static_cast<std::size_t>(model.info().vocabulary) * 4 * sizeof(float);
  return model.arena_bytes(options.limits.step_rows, most_outputs(options)) +
         threads * (model.scratch_bytes(options.limits.step_rows) + sampler);
}

Engine::Engine(const Model& model, EngineOptions options)
    : model_(model),
      options_(std::move(options)),
      pool_(model.cache_layout(options_.cache_type), model.info().layers, pool_pages(model, options_), options_.poison),
      cache_(pool_),
      disk_(options_.page_store == nullptr ? nullptr
                                           : std::make_unique<DiskPages>(pool_, cache_, options_.page_store,
                                                                         [this] {
                                                                           const std::lock_guard lock(mutex_);
                                                                           wake_.notify_all();
                                                                         })),
      context_(usable_context(model, options_)),
      scheduler_(pool_, cache_, disk_.get(),
                 CacheScope{model.info().fingerprint, kNumericsVersion, options_.cache_type, options_.adapter, {}, {}},
                 options_.limits),
      team_(thread_count(options_)),
      memory_(model.arena_bytes(options_.limits.step_rows, most_outputs(options_)),
              model.scratch_bytes(options_.limits.step_rows), team_.threads()),
      samplers_(static_cast<std::size_t>(team_.threads())) {
  if (options_.queue < 1 || options_.account_queue < 0)
    fail(ErrorKind::input, "queue of {} requests, {} of an account; at least 1 and 0 are needed", options_.queue,
         options_.account_queue);
  load_.queue = options_.queue;
  load_.sequences = options_.limits.sequences;
  publish();
}

Engine::~Engine() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
  take_messages();
  for (Sequence* sequence : scheduler_.all()) finish(*sequence, FinishReason::cancelled);
  scheduler_.drop_background();
  disk_.reset();  // while what it wakes is there
}

void Engine::start() {
  if (!thread_.joinable()) thread_ = std::thread([this] { loop(); });
}

RequestId Engine::submit(Request request) {
  check_request(request, model_.info(), context_);
  std::lock_guard lock(mutex_);
  if (stopping_) fail(ErrorKind::cancelled, "the engine is stopping");
  const int waiting = load_.all.waiting + static_cast<int>(arrivals_.size());
  if (waiting >= options_.queue) fail(ErrorKind::resources, "the queue is full: {} requests are waiting", waiting);
  if (options_.account_queue > 0) {
    const auto own = load_.accounts.find(request.account);
    const auto new_ones =
        std::ranges::count_if(arrivals_, [&](const auto& other) { return other->request.account == request.account; });
    const int mine = (own == load_.accounts.end() ? 0 : own->second.waiting) + static_cast<int>(new_ones);
    if (mine >= options_.account_queue)
      fail(ErrorKind::resources, "the account's part of the queue is full: {} of its requests are waiting", mine);
  }
  const RequestId id = next_id_++;
  live_.emplace(id, Orders{});
  arrivals_.push_back(std::make_unique<Sequence>(id, std::move(request), Clock::now()));
  wake_.notify_all();
  return id;
}

void Engine::cancel(RequestId id) { order(id, &Orders::cancel); }

void Engine::stop_thinking(RequestId id) { order(id, &Orders::stop_thinking); }

void Engine::order(RequestId id, bool Orders::*what) {
  std::lock_guard lock(mutex_);
  const auto live = live_.find(id);
  if (live == live_.end()) return;
  live->second.*what = ordered_ = true;
  wake_.notify_all();
}

EngineLoad Engine::load() const {
  std::lock_guard lock(mutex_);
  EngineLoad load = load_;
  for (const auto& sequence : arrivals_) {
    ++load.all.waiting;
    ++load.priorities[sequence->request.priority].waiting;
    ++load.accounts[sequence->request.account].waiting;
  }
  return load;
}

void Engine::warm(std::vector<std::int32_t> ids, std::string account, std::string user) {
  check_ids(ids, model_.info());
  if (ids.size() >= static_cast<std::size_t>(context_)) ids.resize(static_cast<std::size_t>(context_) - 1);
  if (ids.empty()) return;
  Request request;
  request.prompt = std::move(ids);
  request.account = std::move(account);
  request.user = std::move(user);
  std::lock_guard lock(mutex_);
  if (background_.size() >= Scheduler::kMostBackground) background_.pop_front();
  background_.push_back(std::make_unique<Sequence>(next_id_++, std::move(request), Clock::now()));
  wake_.notify_all();
}

EngineStatistics Engine::statistics() const {
  std::lock_guard lock(mutex_);
  return statistics_;
}

Completion Engine::generate(Request request) {
  struct State {  // shared: the engine's thread still holds it when this thread has seen the end
    Completion result;
    std::promise<void> done;
  };
  const auto state = std::make_shared<State>();
  request.on_token = [state, on_token = std::move(request.on_token)](const TokenEvent& event) {
    state->result.tokens.push_back(event);
    return !on_token || on_token(event);
  };
  request.on_finished = [state, on_finished = std::move(request.on_finished)](const FinishedEvent& event) {
    state->result.finished = event;
    if (on_finished) on_finished(event);
    state->done.set_value();
  };
  std::future<void> finished = state->done.get_future();
  submit(std::move(request));
  if (!started())
    while (finished.wait_for(std::chrono::seconds(0)) != std::future_status::ready && step()) {
    }
  finished.wait();
  return std::move(state->result);
}

bool Engine::step() {
  if (thread_.joinable()) fail(ErrorKind::input, "step(): the engine runs on its own thread");
  return step_once();
}

bool Engine::preempt(RequestId id) {
  Sequence* sequence = scheduler_.find(id);
  if (!sequence || !sequence->running) return false;
  scheduler_.preempt(sequence);
  return true;
}

void Engine::forget_prefixes() {
  if (thread_.joinable()) fail(ErrorKind::input, "forget_prefixes(): the engine runs on its own thread");
  if (disk_ != nullptr) fail(ErrorKind::input, "forget_prefixes(): the page store would remember them");
  take_messages();
  scheduler_.drop_background();
  if (!scheduler_.empty())
    fail(ErrorKind::input, "forget_prefixes(): {} requests are running", scheduler_.all().size());
  cache_.clear();
}

void Engine::loop() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] {
        return stopping_ || ordered_ || !arrivals_.empty() || !background_.empty() || !scheduler_.empty() ||
               (disk_ != nullptr && disk_->any_written());
      });
      if (stopping_) return;
    }
    try {
      step_once();
    } catch (...) {  // out of memory while planning: nobody hangs
      std::vector<RequestId> everybody;
      for (const Sequence* sequence : scheduler_.all()) everybody.push_back(sequence->id);
      fail_all(everybody, text_of(std::current_exception()));
      scheduler_.drop_background();
    }
  }
}

bool Engine::step_once() {
  take_messages();
  if (disk_ != nullptr) disk_->release_written();
  const std::vector<Planned> plan = scheduler_.plan();
  if (!plan.empty()) {
    gather(plan);
    std::vector<RequestId> planned_ids;
    for (const Planned& planned : plan) planned_ids.push_back(planned.sequence->id);
    try {
      compute(plan.front().sequence->background);
      deliver(plan);
    } catch (...) {  // the model failed: what this step was for is lost, the engine goes on
      ++counters_.failed_steps;
      scheduler_.drop_background();
      fail_all(planned_ids, text_of(std::current_exception()));
    }
  }
  publish();
  return !plan.empty() || !scheduler_.empty();
}

void Engine::take_messages() {
  std::vector<std::unique_ptr<Sequence>> arrivals;
  std::deque<std::unique_ptr<Sequence>> background;
  std::vector<std::pair<RequestId, Orders>> orders;
  {
    std::lock_guard lock(mutex_);
    arrivals.swap(arrivals_);
    background.swap(background_);
    statistics_.waiting += static_cast<int>(arrivals.size());
    for (const auto& sequence : arrivals) {  // so that the queue's bounds hold until the next publish()
      ++load_.all.waiting;
      ++load_.priorities[sequence->request.priority].waiting;
      ++load_.accounts[sequence->request.account].waiting;
    }
    if (std::exchange(ordered_, false))
      for (auto& [id, what] : live_)
        if (what.cancel || what.stop_thinking) orders.emplace_back(id, std::exchange(what, Orders{}));
  }
  for (auto& sequence : arrivals) {
    const auto prompt = static_cast<std::int64_t>(sequence->request.prompt.size());
    const std::int64_t most = sequence->request.max_tokens > 0 ? prompt + sequence->request.max_tokens : context_;
    sequence->limit = static_cast<int>(std::min<std::int64_t>(context_, most));
    sequence->ids.reserve(static_cast<std::size_t>(std::min(sequence->limit, static_cast<int>(prompt) + 4096)));
    if (needs_counts(sequence->request.sampling))
      for (std::int32_t id : sequence->request.prompt) ++sequence->counts.prompt[id];
    ++counters_.submitted;
    scheduler_.add(std::move(sequence));
  }
  for (auto& sequence : background) scheduler_.add_background(std::move(sequence));
  for (const auto& [id, what] : orders) {
    Sequence* sequence = scheduler_.find(id);
    if (!sequence) continue;
    if (what.cancel)
      finish(*sequence, FinishReason::cancelled);
    else
      sequence->thinking.stop();
  }
}

void Engine::gather(const std::vector<Planned>& plan) {
  work_.ids.clear(), work_.positions.clear(), work_.outputs.clear();
  work_.sequences.clear(), work_.picking.clear();
  work_.experts.rows.clear(), work_.experts.layers.clear();
  const Clock::time_point now = Clock::now();
  for (const Planned& planned : plan) {
    Sequence& sequence = *planned.sequence;
    if (sequence.started == Clock::time_point{}) sequence.started = now;
    work_.sequences.push_back(
        {static_cast<std::int32_t>(work_.ids.size()), planned.rows, sequence.computed, sequence.pages.data()});
    for (int row = 0; row < planned.rows; ++row) {
      work_.ids.push_back(sequence.ids[static_cast<std::size_t>(sequence.computed + row)]);
      work_.positions.push_back(sequence.computed + row);
    }
    if (!planned.output) continue;
    work_.outputs.push_back(static_cast<std::int32_t>(work_.ids.size()) - 1);
    work_.picking.push_back(&sequence);
    if (sequence.request.report_experts) work_.experts.rows.push_back(work_.outputs.back());
  }
  work_.picks.assign(work_.picking.size(), Pick{});
}

void Engine::compute(bool background) {
  const Batch batch{work_.ids, work_.positions, work_.sequences, work_.outputs};
  std::unique_lock<StepTurns> turn;
  if (options_.turns != nullptr) turn = std::unique_lock(*options_.turns);
  const Clock::time_point begin = Clock::now();
  StepStatus status;
  team_.run([&](int thread) {
    Exec ex = memory_.exec(team_, thread, options_.kernels);
    ex.poison = options_.poison;
    ex.status = &status;
    if (!work_.experts.rows.empty()) ex.experts = &work_.experts;
    const Tensor logits = model_.forward(ex, batch, pool_.layers());
    if (thread == 0) counters_.barriers += static_cast<std::uint64_t>(ex.barriers);
    if (ex.failed()) return;
    if (thread == 0) work_.logits = logits;
    assert(logits.rows() == static_cast<std::int64_t>(work_.outputs.size()) &&
           logits.columns() == model_.info().vocabulary);
    // The rows of logits are shared out; each is picked from by one thread.
    for (std::size_t output = static_cast<std::size_t>(thread); output < work_.picks.size();
         output += static_cast<std::size_t>(ex.threads)) {
      Sequence& sequence = *work_.picking[output];
      Pick& pick = work_.picks[output];
      try {
        std::vector<LogitRule*> rules;
        for (const auto& rule : sequence.request.rules) rules.push_back(rule.get());
        const std::span row(logits.row(static_cast<std::int64_t>(output)), static_cast<std::size_t>(logits.columns()));
        pick = samplers_[static_cast<std::size_t>(thread)].pick(row, sequence.request.sampling, sequence.counts, rules,
                                                                sequence.ids.size(),
                                                                sequence.thinking.forced().value_or(-1));
      } catch (...) {
        pick.error = text_of(std::current_exception());
      }
    }
  });
  if (turn) turn.unlock();
  if (status.failed) fail(ErrorKind::system, "{}", status.what);
  ++counters_.steps;
  counters_.rows += work_.ids.size();
  if (background) counters_.background_rows += work_.ids.size();
  counters_.outputs += work_.outputs.size();
  counters_.busy_seconds += seconds(Clock::now() - begin);
}

void Engine::deliver(const std::vector<Planned>& plan) {
  std::size_t output = 0;
  for (const Planned& planned : plan) {
    scheduler_.commit(planned);
    if (!planned.output) continue;
    const std::span row(work_.logits.row(static_cast<std::int64_t>(output)),
                        static_cast<std::size_t>(work_.logits.columns()));
    std::vector<LayerExperts> experts;
    if (planned.sequence->request.report_experts) experts = experts_of(work_.outputs[output]);
    deliver_token(*planned.sequence, std::move(work_.picks[output]), std::move(experts), row);
    ++output;
  }
}

std::vector<LayerExperts> Engine::experts_of(std::int32_t row) const {
  const auto place = std::ranges::lower_bound(work_.experts.rows, row) - work_.experts.rows.begin();
  std::vector<LayerExperts> result;
  for (const ExpertLog::Layer& layer : work_.experts.layers) {
    const auto first = layer.ids.begin() + place * layer.chosen;
    result.push_back({layer.layer, {first, first + layer.chosen}});
  }
  return result;
}

void Engine::deliver_token(Sequence& sequence, Pick pick, std::vector<LayerExperts> experts,
                           std::span<const float> logits) {
  if (!pick.error.empty()) return finish(sequence, FinishReason::error, std::move(pick.error), hash_logits(logits));
  const Clock::time_point now = Clock::now();
  if (sequence.usage.completion_tokens == 0) sequence.first_token = now;
  TokenEvent event;
  event.request = sequence.id;
  event.id = pick.id;
  event.position = static_cast<std::int64_t>(sequence.ids.size());
  event.forced = sequence.thinking.forced().has_value();
  event.thinking = sequence.thinking.inside();
  event.stop = std::ranges::find(sequence.request.stop_ids, pick.id) != sequence.request.stop_ids.end();
  event.cached_tokens = sequence.usage.cached_tokens;
  event.logprob = pick.logprob;
  event.alternatives = std::move(pick.alternatives);
  event.experts = std::move(experts);

  sequence.ids.push_back(pick.id);
  ++sequence.usage.completion_tokens;
  if (needs_counts(sequence.request.sampling)) ++sequence.counts.answer[pick.id];
  sequence.thinking.accept(pick.id, now);
  event.thinking = event.thinking || sequence.thinking.inside();
  bool wanted = true;
  try {
    for (const auto& rule : sequence.request.rules) rule->accept(pick.id);
    if (sequence.request.on_token) wanted = sequence.request.on_token(event);
  } catch (...) {
    return finish(sequence, FinishReason::error, text_of(std::current_exception()), hash_logits(logits));
  }
  if (event.stop) return finish(sequence, FinishReason::stop, {}, hash_logits(logits));
  if (!wanted) return finish(sequence, FinishReason::requested, {}, hash_logits(logits));
  if (static_cast<int>(sequence.ids.size()) >= sequence.limit)
    finish(sequence, FinishReason::length, {}, hash_logits(logits));
}

void Engine::finish(Sequence& sequence, FinishReason reason, std::string error, std::uint64_t logits_hash) {
  const int read = std::max(sequence.computed, sequence.longest_computed);  // remove() gives the pages back
  const std::unique_ptr<Sequence> owned = scheduler_.remove(&sequence, reason != FinishReason::error);
  ++counters_.finished;
  const Clock::time_point now = Clock::now(), never{};
  Usage& usage = owned->usage;
  usage.prompt_tokens = std::min(read, static_cast<int>(owned->request.prompt.size()));
  usage.thinking_tokens = owned->thinking.tokens();
  const Clock::time_point started = owned->started == never ? now : owned->started;
  const Clock::time_point first = owned->first_token == never ? now : owned->first_token;
  usage.queue_seconds = seconds(started - owned->submitted);
  usage.prefill_seconds = seconds(first - started);
  usage.decode_seconds = seconds(now - first);
  {
    std::lock_guard lock(mutex_);
    live_.erase(owned->id);
  }
  publish();
  if (!owned->request.on_finished) return;
  try {
    owned->request.on_finished({owned->id, reason, std::move(error), usage, logits_hash});
  } catch (...) {  // there is nobody left to tell
  }
}

void Engine::fail_all(const std::vector<RequestId>& ids, const std::string& error) {
  for (RequestId id : ids)
    if (Sequence* sequence = scheduler_.find(id)) finish(*sequence, FinishReason::error, error);
}

void Engine::publish() {
  counters_.reused_tokens = scheduler_.reused_tokens();
  counters_.restored_tokens = scheduler_.restored_tokens();
  counters_.preemptions = scheduler_.preemptions();
  counters_.evictions = cache_.evictions();
  counters_.waiting = scheduler_.waiting();
  counters_.running = scheduler_.running();
  counters_.pages = pool_.pages();
  counters_.free_pages = pool_.free_pages();
  counters_.kept_pages = pool_.kept_pages();
  std::lock_guard lock(mutex_);
  statistics_ = counters_;
  if (published_load_ != scheduler_.changes()) publish_load();
}

void Engine::publish_load() {
  published_load_ = scheduler_.changes();
  load_.all = {};
  load_.priorities.clear();
  load_.accounts.clear();
  for (const Sequence* sequence : scheduler_.all()) {
    const auto field = sequence->running ? &EngineLoad::Count::running : &EngineLoad::Count::waiting;
    ++(load_.all.*field);
    ++(load_.priorities[sequence->request.priority].*field);
    ++(load_.accounts[sequence->request.account].*field);
  }
}

}  // namespace limpid
