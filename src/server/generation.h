// Generation: one answer from submission to its end: its choices in the engine, who listens (one exchange, or none, or
// those that resumed it), and what they get.
//
// Events come on the engine's thread, one choice's in order; everything else on any thread. It lives as long as the
// engine works for it, and in the table (generation_table.h) for as long as it can be controlled or resumed.
//
// - The peer goes away: its requests are cancelled within a step. An answer asked for as resumable goes on for
//   `grace_seconds`, its events in a log of bounded size, from which GET .../stream takes up again.
// - Nothing to say for `keep_alive_seconds`: a keep-alive of the encoder in a stream; a blank line before the body
//   otherwise (then the status is 200 whatever comes, as in DeepSeek's API).
// - At its end the charge is settled and the lease given back, both by the table's thread.
#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "server/admission.h"
#include "server/answer_encoder.h"
#include "server/error_body.h"
#include "server/served_models.h"

namespace limpid {

class GenerationTable;

struct GenerationLimits {
  double keep_alive_seconds = 10;
  double grace_seconds = 60;                          // a broken stream, and an ended one, can be resumed for so long
  std::size_t log_bytes = std::size_t{4} << 20;       // of one resumable answer; older events are forgotten
  std::size_t all_log_bytes = std::size_t{64} << 20;  // of all of them
};

// Heads of answers, and an event as it is sent; id 0: without one.
HttpFields event_stream_fields();
HttpFields json_fields();
std::string event_bytes(const ServerSentEvent& event, std::uint64_t id = 0);

struct GenerationPlan {
  std::string id, request_id;
  Identity identity;
  std::shared_ptr<ModelLease> lease;
  std::unique_ptr<Charge> charge;
  std::shared_ptr<AnswerEncoder> encoder;
  ErrorBody error_body = openai_error_body;
  bool stream = false, resumable = false;
  bool head_sent = false;  // keep-alives came before it
};

class Generation : public std::enable_shared_from_this<Generation> {
 public:
  using Clock = std::chrono::steady_clock;

  Generation(GenerationPlan plan, GenerationTable& table);

  // Puts it into the table and submits one request for each prompt and choice, prompt by prompt; begins the
  // exchange's answer. Throws what ChatEngine::submit throws, before anything was answered; it is in no table then.
  void start(const ChatRequest& request, const std::vector<ChatPrompt>& prompts, int choices,
             std::shared_ptr<HttpExchange> exchange);

  const std::string& id() const { return plan_.id; }
  const Identity& identity() const { return plan_.identity; }

  void cancel();
  // False: it has ended. What is thinking answers now; a choice that does not think is not touched.
  bool stop_thinking();
  // Sends what came after the event `last` and goes on. Throws 404 where it is not resumable, 410 where the log has
  // forgotten.
  void resume(std::shared_ptr<HttpExchange> exchange, std::uint64_t last);

  // Keep-alives and the end of grace; by the table, about once a second. False: nothing holds it any longer.
  bool tick(Clock::time_point now);
  // It has left the table: its log is given up.
  void forget_log();

 private:
  struct Logged {
    std::uint64_t id;
    std::string bytes;
  };
  struct Prompt {
    std::int64_t tokens = 0, cached = 0;  // cached: what the first choice found in the cache
    bool read = false;                    // a token has come of it
  };

  bool event(int choice, const ChatEvent& event);
  void count_token(int choice, int cached_tokens);
  void say(SentEvents& events);
  void send_to_all(std::string_view bytes);
  void log(std::uint64_t id, const std::string& bytes);
  void forget_oldest();
  void finish();
  void answer_whole();
  void fail_whole(const ApiError& error);
  void lost(const HttpExchange* exchange);
  void listen(const std::shared_ptr<HttpExchange>& exchange);
  void cancel_choices();
  ApiError engine_error(const std::string& what) const;

  GenerationPlan plan_;  // lease and charge are taken out at the end
  GenerationTable& table_;

  std::mutex mutex_;  // guards what follows
  std::vector<RequestId> requests_;
  std::vector<ChatAnswer> answers_;  // of a stream: only their results
  std::vector<std::shared_ptr<HttpExchange>> listeners_;
  std::deque<Logged> log_;
  std::size_t log_bytes_ = 0;
  std::uint64_t next_event_ = 1;
  int ended_ = 0;  // choices
  bool finished_ = false, wanted_ = true, body_begun_ = false;
  Clock::time_point started_, last_sent_;
  bool first_token_ = false, keep_tokens_ = false;
  std::vector<Prompt> prompts_;              // their choices stand together in answers_
  Consumption so_far_;                       // of all prompts and choices
  std::optional<Clock::time_point> forget_;  // when nobody has listened for too long
};

}  // namespace limpid
