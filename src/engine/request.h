// What is asked of the engine and what it reports: token ids in, events out. Text is chat/'s.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/sampler.h"
#include "engine/thinking.h"

namespace limpid {

using RequestId = std::uint64_t;

enum class FinishReason {
  stop,       // an id of Request::stop_ids
  length,     // max_tokens, or the context is full
  requested,  // on_token returned false (a stop string)
  cancelled,
  error,
};
std::string_view name(FinishReason reason);

// The routed experts that a layer sent a row to, in descending order of the score that chose them.
struct LayerExperts {
  int layer = 0;  // of the model, counted from 0
  std::vector<std::int32_t> ids;
};

struct TokenEvent {
  RequestId request = 0;
  std::int32_t id = 0;
  std::int64_t position = 0;  // in the sequence, prompt included
  bool thinking = false;      // generated inside the thinking (the ids that close it too)
  bool forced = false;        // by the thinking budget or stop_thinking(), not the model's choice
  bool stop = false;          // an id of stop_ids: the last token, usually not shown
  int cached_tokens = 0;      // of the prompt, as in Usage
  float logprob = 0;          // where Sampling::logprobs >= 0
  std::vector<TokenLogprob> alternatives;
  std::vector<LayerExperts> experts;  // of the row whose logits this token comes from; where Request::report_experts
};

struct Usage {
  int prompt_tokens = 0;      // computed, or found in the cache: all of the prompt, or less where it ended before
  int cached_tokens = 0;      // of the prompt: found in the cache, not computed
  int completion_tokens = 0;  // the stop id and the thinking included
  int thinking_tokens = 0;
  int preemptions = 0;
  double queue_seconds = 0;    // submitted -> first computed
  double prefill_seconds = 0;  // first computed -> first token
  double decode_seconds = 0;   // first token -> end
};

struct FinishedEvent {
  RequestId request = 0;
  FinishReason reason = FinishReason::stop;
  std::string error;  // why, for FinishReason::error
  Usage usage;
  std::uint64_t logits_hash = 0;  // of the logits of the last token
};

struct Request {
  std::vector<std::int32_t> prompt;  // at least one id
  Sampling sampling;
  int max_tokens = 0;  // most ids generated; 0: as many as the context holds
  std::vector<std::int32_t> stop_ids;
  ThinkingRule thinking;
  std::vector<std::shared_ptr<LogitRule>> rules;
  std::string account;    // who is to get no more than a fair share; caches are not shared across accounts
  std::string user;       // within the account: caches are not shared across users either
  int priority = 0;       // larger goes first: in the queue, in the rows of a step; the smallest is preempted first
  bool use_cache = true;  // read and feed the prefix cache
  bool report_experts = false;  // TokenEvent::experts

  // Called on the engine's thread: quick, without blocking. An exception ends the request as an error. May call the
  // engine's submit(), cancel() and stop_thinking(). on_token: false ends the request at once
  // (FinishReason::requested). on_finished comes exactly once, last.
  std::function<bool(const TokenEvent&)> on_token;
  std::function<void(const FinishedEvent&)> on_finished;
};

}  // namespace limpid
