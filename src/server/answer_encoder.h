// AnswerEncoder: words one answer in a wire format, as server-sent events while it comes or as one body at its end. The
// seam where a format is added: implement it, write a parser that makes an AnswerRequest, and call answer() (answer.h).
//
// One per request. The generation calls it, one call at a time, mostly on the engine's thread: quick, no blocking. What
// it gives becomes bytes there: `id:` lines for streams that can be resumed, keep-alives, the resume log.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "chat/chat.h"
#include "server/api_error.h"

namespace limpid {

struct ServerSentEvent {
  std::string data;  // one line
  std::string name;  // of the `event:` line; empty: none
};
using SentEvents = std::vector<ServerSentEvent>;

// What an answer knows of itself before it begins.
struct AnswerFacts {
  std::string id;  // "chatcmpl-..."
  std::string model, fingerprint;
  std::int64_t created = 0;  // Unix seconds
  int choices = 1;
  bool thinks = false;  // the model knows thinking
  std::int64_t prompt_tokens = 0;
  std::vector<std::string> prompts;  // their texts, where the format wants them back
};

class AnswerEncoder {
 public:
  virtual ~AnswerEncoder() = default;
  // Once, first.
  virtual void facts(const AnswerFacts& facts) = 0;

  // --- A stream: begin, event..., end or failed ---
  virtual void begin(SentEvents& out) = 0;
  // `finished` too: the end of that choice.
  virtual void event(int choice, const ChatEvent& event, SentEvents& out) = 0;
  // All choices have ended; their results in order.
  virtual void end(const std::vector<ChatResult>& results, SentEvents& out) = 0;
  // The engine failed in the middle.
  virtual void failed(const ApiError& error, SentEvents& out) = 0;
  // While nothing else comes.
  virtual std::string_view keep_alive() const { return ": keep-alive\n\n"; }

  // --- At once: the body, JSON ---
  virtual std::string whole(const std::vector<ChatAnswer>& answers) = 0;
};

// Sums over the choices of one answer: what a format's usage is made of, and what is charged.
struct AnswerUsage {
  std::int64_t prompt_tokens = 0, cached_tokens = 0, completion_tokens = 0, thinking_tokens = 0;
  double queue_seconds = 0, prefill_seconds = 0, decode_seconds = 0;  // the longest of the choices
};
// The choices of one prompt stand together and share it, so it counts once: as far as it was computed or found in the
// cache (not at all where they were cancelled before they began), and what the first of them found there is what the
// request was spared.
AnswerUsage usage_of(const std::vector<ChatResult>& results, std::size_t prompts);

}  // namespace limpid
