#include "server/waiting_answer.h"

#include "server/generation_table.h"

namespace limpid {

WaitingAnswer::WaitingAnswer(const Call& call, bool stream, std::shared_ptr<AnswerEncoder> encoder,
                             GenerationTable& table)
    : call_(call), stream_(stream), encoder_(std::move(encoder)), table_(table) {}

bool WaitingAnswer::tick(Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  if (over_) return false;
  if (std::chrono::duration<double>(now - last_sent_).count() < table_.limits().keep_alive_seconds) return true;
  if (!head_sent_) call_.exchange->begin(200, stream_ ? event_stream_fields() : json_fields());
  head_sent_ = true;
  last_sent_ = now;
  over_ = !call_.exchange->send(stream_ ? encoder_->keep_alive() : "\n");
  return !over_;
}

bool WaitingAnswer::begins() {
  const std::lock_guard lock(mutex_);
  over_ = true;
  return head_sent_;
}

void WaitingAnswer::fail(const std::exception_ptr& thrown) {
  if (!begins()) return call_.fail(thrown);
  const ToldError told = told_error(thrown, call_.request_id);
  if (!told.log.empty()) table_.report(call_.request_id, told.log);
  if (stream_) {
    SentEvents events;
    encoder_->failed(told.error, events);
    for (const ServerSentEvent& event : events) call_.exchange->send(event_bytes(event));
  } else {
    call_.exchange->send(call_.error_body(told.error, call_.request_id));
  }
  call_.exchange->end();
}

}  // namespace limpid
