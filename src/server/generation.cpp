#include "server/generation.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/seconds.h"
#include "server/generation_table.h"

namespace limpid {

namespace {

constexpr std::size_t kMostListeners = 8;

std::string labels(const std::string& model) { return fmt::format("model=\"{}\"", model); }

}  // namespace

HttpFields event_stream_fields() {
  return {
      {"Content-Type", "text/event-stream; charset=utf-8"}, {"Cache-Control", "no-cache"}, {"X-Accel-Buffering", "no"}};
}

HttpFields json_fields() { return {{"Content-Type", "application/json"}}; }

std::string event_bytes(const ServerSentEvent& event, std::uint64_t id) {
  std::string out;
  if (id > 0) out = fmt::format("id: {}\n", id);
  if (!event.name.empty()) out += fmt::format("event: {}\n", event.name);
  out.append("data: ").append(event.data).append("\n\n");
  return out;
}

AnswerUsage usage_of(const std::vector<ChatResult>& results, std::size_t prompts) {
  AnswerUsage usage;
  const std::size_t choices = std::max<std::size_t>(1, results.size() / std::max<std::size_t>(1, prompts));
  std::int64_t prompt = 0;  // of the one that stands at i
  for (std::size_t i = 0; i < results.size(); ++i) {
    const ChatResult& result = results[i];
    const bool first = i % choices == 0;
    if (first) usage.cached_tokens += result.usage.cached_tokens;
    const std::int64_t before = first ? 0 : prompt;
    prompt = std::max<std::int64_t>(before, result.usage.prompt_tokens);
    usage.prompt_tokens += prompt - before;
    usage.completion_tokens += result.usage.completion_tokens;
    usage.thinking_tokens += result.usage.thinking_tokens;
    usage.queue_seconds = std::max(usage.queue_seconds, result.usage.queue_seconds);
    usage.prefill_seconds = std::max(usage.prefill_seconds, result.usage.prefill_seconds);
    usage.decode_seconds = std::max(usage.decode_seconds, result.usage.decode_seconds);
  }
  usage.cached_tokens = std::min(usage.cached_tokens, usage.prompt_tokens);
  return usage;
}

Generation::Generation(GenerationPlan plan, GenerationTable& table)
    : plan_(std::move(plan)), table_(table), started_(Clock::now()), last_sent_(started_) {}

void Generation::start(const ChatRequest& request, const std::vector<ChatPrompt>& prompts, int choices,
                       std::shared_ptr<HttpExchange> exchange) {
  {
    // The engine's events wait at the lock until the answer has begun.
    std::lock_guard lock(mutex_);
    answers_.resize(prompts.size() * static_cast<std::size_t>(choices));
    for (const ChatPrompt& prompt : prompts) prompts_.push_back({static_cast<std::int64_t>(prompt.ids.size())});
    ChatEngine& chat = plan_.lease->chat();
    keep_tokens_ = request.token_events || request.report_experts || request.sampling.logprobs >= 0;
    try {
      for (std::size_t i = 0; i < answers_.size(); ++i) {
        ChatRequest one = request;
        one.token_events = true;  // counted for the charge
        one.sampling.sequence = i % static_cast<std::size_t>(choices);
        requests_.push_back(chat.submit(std::move(one), prompts[i / static_cast<std::size_t>(choices)],
                                        [self = shared_from_this(), i](const ChatEvent& event) {
                                          return self->event(static_cast<int>(i), event);
                                        }));
      }
    } catch (...) {
      wanted_ = false;
      finished_ = true;
      for (RequestId id : requests_) chat.cancel(id);
      throw;
    }
    table_.add(shared_from_this());
    listeners_.push_back(exchange);
    body_begun_ = plan_.head_sent;
    if (plan_.stream) {
      if (!plan_.head_sent) exchange->begin(200, event_stream_fields());
      SentEvents events;
      plan_.encoder->begin(events);
      say(events);
    }
  }
  listen(exchange);
}

void Generation::listen(const std::shared_ptr<HttpExchange>& exchange) {
  exchange->on_close([weak = weak_from_this(), gone = exchange.get()] {
    if (const std::shared_ptr<Generation> self = weak.lock()) self->lost(gone);
  });
}

bool Generation::event(int choice, const ChatEvent& event) {
  std::lock_guard lock(mutex_);
  if (finished_) return false;
  ChatAnswer& answer = answers_[static_cast<std::size_t>(choice)];
  const bool end = event.kind == ChatEvent::Kind::finished;
  if (event.kind == ChatEvent::Kind::token) {
    count_token(choice, event.token.cached_tokens);
    if (plan_.charge != nullptr) plan_.charge->progress(so_far_);
  }
  if (!first_token_ && !end) {
    first_token_ = true;
    table_.metrics().observe("limpid_time_to_first_token_seconds", labels(plan_.lease->info().id),
                             seconds(Clock::now() - started_));
  }
  if (end) {
    answer.result = event.result;
    ++ended_;
  }
  if (end && event.result.finish == ChatFinish::error) {
    const ApiError error = engine_error(event.result.error);
    if (plan_.stream) {
      SentEvents events;
      plan_.encoder->failed(error, events);
      say(events);
    } else {
      fail_whole(error);
    }
    finish();
    return false;
  }
  if (plan_.stream) {
    SentEvents events;
    plan_.encoder->event(choice, event, events);
    say(events);
  } else if (!end && (event.kind != ChatEvent::Kind::token || keep_tokens_)) {
    answer.add(event);
  }
  if (ended_ == static_cast<int>(answers_.size())) {
    if (plan_.stream) {
      std::vector<ChatResult> results;
      for (const ChatAnswer& one : answers_) results.push_back(one.result);
      SentEvents events;
      plan_.encoder->end(results, events);
      say(events);
    } else {
      answer_whole();
    }
    finish();
  }
  return wanted_;
}

// As usage_of() counts it at the end: an answer that is cut off costs no more than one that ends here.
void Generation::count_token(int choice, int cached_tokens) {
  const std::size_t choices = answers_.size() / prompts_.size();
  Prompt& prompt = prompts_[static_cast<std::size_t>(choice) / choices];
  ++so_far_.completion_tokens;
  if (!prompt.read) so_far_.prompt_tokens += prompt.tokens;
  if (!prompt.read || static_cast<std::size_t>(choice) % choices == 0) {
    so_far_.cached_tokens += cached_tokens - prompt.cached;
    prompt.cached = cached_tokens;
  }
  prompt.read = true;
}

ApiError Generation::engine_error(const std::string& what) const {
  table_.report(plan_.request_id, what);
  return internal_error(plan_.request_id);
}

void Generation::say(SentEvents& events) {
  std::string bytes;
  for (const ServerSentEvent& event : events) {
    const std::uint64_t id = next_event_++;
    const std::string one = event_bytes(event, plan_.resumable ? id : 0);
    if (plan_.resumable) log(id, one);
    bytes += one;
  }
  if (!bytes.empty()) send_to_all(bytes);
}

void Generation::send_to_all(std::string_view bytes) {
  last_sent_ = Clock::now();
  for (std::size_t i = 0; i < listeners_.size();) {
    if (listeners_[i]->send(bytes)) {
      ++i;
      continue;
    }
    table_.post([gone = std::move(listeners_[i])] {});
    listeners_.erase(listeners_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  if (!listeners_.empty() || forget_) return;
  if (plan_.resumable) {
    forget_ = last_sent_ +
              std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(table_.limits().grace_seconds));
  } else {
    wanted_ = false;
  }
}

void Generation::log(std::uint64_t id, const std::string& bytes) {
  const GenerationLimits& limits = table_.limits();
  while (!log_.empty() && log_bytes_ + bytes.size() > limits.log_bytes) forget_oldest();
  while (!table_.take_log_room(bytes.size())) {
    if (log_.empty()) return;  // a gap that resume() sees: the log begins later
    forget_oldest();
  }
  log_bytes_ += bytes.size();
  log_.push_back({id, bytes});
}

void Generation::forget_oldest() {
  table_.give_log_room(log_.front().bytes.size());
  log_bytes_ -= log_.front().bytes.size();
  log_.pop_front();
}

void Generation::forget_log() {
  std::lock_guard lock(mutex_);
  while (!log_.empty()) forget_oldest();
}

void Generation::answer_whole() {
  std::string body;
  try {
    body = plan_.encoder->whole(answers_);
  } catch (const std::exception& error) {
    fail_whole(engine_error(error.what()));
    return;
  }
  if (listeners_.empty()) return;
  if (body_begun_) {
    listeners_[0]->send(body);
    listeners_[0]->end();
  } else {
    listeners_[0]->respond({200, json_fields(), std::move(body)});
  }
}

void Generation::fail_whole(const ApiError& error) {
  if (listeners_.empty()) return;
  std::string body = plan_.error_body(error, plan_.request_id);
  if (body_begun_) {
    listeners_[0]->send(body);
    listeners_[0]->end();
  } else {
    listeners_[0]->respond({error.status, json_fields(), std::move(body)});
  }
}

void Generation::finish() {
  finished_ = true;
  const Clock::time_point now = Clock::now();
  if (plan_.stream)
    for (const std::shared_ptr<HttpExchange>& listener : listeners_) listener->end();
  if (plan_.resumable)
    forget_ =
        now + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(table_.limits().grace_seconds));
  if (ended_ < static_cast<int>(answers_.size())) cancel_choices();

  std::vector<ChatResult> results;
  bool failed = false;
  for (const ChatAnswer& answer : answers_) {
    results.push_back(answer.result);
    failed |= answer.result.finish == ChatFinish::error;
  }
  const AnswerUsage usage = usage_of(results, prompts_.size());
  const bool nothing = usage.prompt_tokens == 0 && usage.completion_tokens == 0;  // cancelled while it waited
  // What may block, or be the last to hold a model, is not for the engine's thread.
  struct Leftovers {
    std::unique_ptr<Charge> charge;
    std::shared_ptr<ModelLease> lease;
    std::vector<std::shared_ptr<HttpExchange>> listeners;
  };
  auto left =
      std::make_shared<Leftovers>(Leftovers{std::move(plan_.charge), std::move(plan_.lease), std::move(listeners_)});
  listeners_.clear();
  table_.post([left, usage, unpaid = failed || nothing, self = shared_from_this(), &table = table_,
               duration = seconds(now - started_)] {
    if (left->charge != nullptr && !unpaid)
      left->charge->settle({usage.cached_tokens, usage.prompt_tokens, usage.completion_tokens});
    left->charge.reset();
    const std::string model = labels(left->lease->info().id);
    Metrics& metrics = table.metrics();
    metrics.observe("limpid_answer_seconds", model, duration);
    metrics.observe("limpid_queue_seconds", model, usage.queue_seconds);
    metrics.count("limpid_prompt_tokens_total", model, static_cast<double>(usage.prompt_tokens));
    metrics.count("limpid_cached_tokens_total", model, static_cast<double>(usage.cached_tokens));
    metrics.count("limpid_completion_tokens_total", model, static_cast<double>(usage.completion_tokens));
    metrics.count("limpid_thinking_tokens_total", model, static_cast<double>(usage.thinking_tokens));
    left->lease.reset();
    left->listeners.clear();
    table.ended(self->id(), self->plan_.resumable);
  });
}

void Generation::cancel_choices() {
  if (plan_.lease == nullptr) return;
  for (RequestId id : requests_) plan_.lease->chat().cancel(id);
}

void Generation::cancel() {
  std::lock_guard lock(mutex_);
  if (!finished_) cancel_choices();
}

bool Generation::stop_thinking() {
  std::lock_guard lock(mutex_);
  if (finished_) return false;
  for (RequestId id : requests_) plan_.lease->chat().stop_thinking(id);
  return true;
}

void Generation::lost(const HttpExchange* exchange) {
  std::shared_ptr<HttpExchange> gone;  // released after the lock
  std::lock_guard lock(mutex_);
  const auto found = std::ranges::find(listeners_, exchange, &std::shared_ptr<HttpExchange>::get);
  if (found == listeners_.end()) return;
  gone = std::move(*found);
  listeners_.erase(found);
  if (!listeners_.empty() || finished_) return;
  if (plan_.resumable) {
    forget_ = Clock::now() +
              std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(table_.limits().grace_seconds));
  } else {
    wanted_ = false;
    cancel_choices();
  }
}

void Generation::resume(std::shared_ptr<HttpExchange> exchange, std::uint64_t last) {
  {
    std::lock_guard lock(mutex_);
    if (!plan_.resumable)
      throw not_found("this answer was not asked for as resumable (\"resumable\": true)", "not_resumable");
    if (last >= next_event_)
      throw bad_parameter(fmt::format("Last-Event-ID: {}, the last event so far is {}", last, next_event_ - 1),
                          "Last-Event-ID");
    const std::uint64_t oldest = log_.empty() ? next_event_ : log_.front().id;
    if (last + 1 < oldest)
      throw ApiError(410, "invalid_request_error",
                     fmt::format("events up to {} are no longer kept; the oldest is {}", oldest - 1, oldest),
                     "Last-Event-ID", "events_forgotten");
    if (listeners_.size() >= kMostListeners)
      throw too_many_requests(fmt::format("{} streams of this answer are open already", kMostListeners), 5);
    exchange->begin(200, event_stream_fields());
    std::string bytes;
    for (const Logged& logged : log_)
      if (logged.id > last) bytes += logged.bytes;
    exchange->send(bytes);
    if (finished_) {
      exchange->end();
      return;
    }
    listeners_.push_back(exchange);
    forget_.reset();
  }
  listen(exchange);
}

bool Generation::tick(Clock::time_point now) {
  std::lock_guard lock(mutex_);
  if (finished_) return plan_.resumable && forget_ && now < *forget_;
  if (forget_ && now >= *forget_) {
    wanted_ = false;
    cancel_choices();
    return true;
  }
  if (seconds(now - last_sent_) < table_.limits().keep_alive_seconds || listeners_.empty()) return true;
  if (plan_.stream) {
    send_to_all(plan_.encoder->keep_alive());
  } else {
    if (!body_begun_) listeners_[0]->begin(200, json_fields());
    body_begun_ = true;
    send_to_all("\n");
  }
  if (!wanted_) cancel_choices();
  return true;
}

}  // namespace limpid
