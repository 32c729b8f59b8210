#include "chat/chat_stream.h"

#include <utility>

namespace limpid {

ChatStream::ChatStream(const Tokenizer& tokenizer, const std::vector<bool>& shown, StreamParser::Options options,
                       StopStrings stops, bool tokens, ChatHandler handler)
    : tokenizer_(tokenizer),
      shown_(shown),
      parser_(options),
      stops_(std::move(stops)),
      tokens_(tokens),
      handler_(std::move(handler)) {}

void ChatStream::emit(ChatEvent event) {
  if (!handler_ || (!wanted_ && event.kind != ChatEvent::Kind::finished)) return;
  event.request = request_;
  if (!handler_(event)) wanted_ = false;
}

ChatToken ChatStream::with_bytes(std::int32_t id, float logprob) const {
  ChatToken token{id, {}, logprob};
  // A model's vocabulary may be padded beyond the tokenizer's.
  if (static_cast<std::size_t>(id) < tokenizer_.vocabulary_size()) token.bytes = tokenizer_.token_bytes(id);
  return token;
}

void ChatStream::say_tokens(const TokenEvent& event) {
  ChatEvent out;
  out.kind = ChatEvent::Kind::token;
  out.token.token = with_bytes(event.id, event.logprob);
  for (const TokenLogprob& other : event.alternatives)
    out.token.alternatives.push_back(with_bytes(other.id, other.logprob));
  out.token.position = event.position;
  out.token.thinking = event.thinking;
  out.token.forced = event.forced;
  out.token.end = event.stop;
  out.token.cached_tokens = event.cached_tokens;
  out.token.experts = event.experts;
  emit(std::move(out));
}

bool ChatStream::token(const TokenEvent& event) {
  request_ = event.request;
  const auto now = std::chrono::steady_clock::now();
  if (!std::exchange(any_token_, true)) first_token_ = now;
  if (event.thinking) {
    thinking_end_ = now;
    thought_ = true;
  }
  if (tokens_) say_tokens(event);
  const auto id = static_cast<std::size_t>(event.id);
  if (!event.stop && id < shown_.size() && shown_[id]) deliver(parser_.push(tokenizer_.token_bytes(event.id)));
  return wanted_ && !stops_.stopped();
}

void ChatStream::deliver(std::vector<StreamEvent> events) {
  for (StreamEvent& event : events) {
    if (stops_.stopped()) return;
    if (event.kind == StreamEvent::Kind::answer) {
      answer(stops_.push(event.text));
      continue;
    }
    answer(stops_.finish());  // a stop string does not reach across something else
    ChatEvent out;
    switch (event.kind) {
      case StreamEvent::Kind::thinking:
        out.kind = ChatEvent::Kind::thinking;
        break;
      case StreamEvent::Kind::call_begin:
        out.kind = ChatEvent::Kind::call_begin;
        name_once(event.call);
        call_id_ = event.call.id;
        break;
      case StreamEvent::Kind::call_arguments:
        out.kind = ChatEvent::Kind::call_arguments;
        break;
      case StreamEvent::Kind::tool_call:
        out.kind = ChatEvent::Kind::tool_call;
        event.call.id = call_id_;
        ++calls_;
        break;
      case StreamEvent::Kind::answer_was_thinking:
        out.kind = ChatEvent::Kind::answer_was_thinking;
        break;
      case StreamEvent::Kind::answer:
        break;
    }
    out.text = std::move(event.text);
    out.call = std::move(event.call);
    emit(std::move(out));
  }
}

// A model that writes ids of its own ("functions.search:0") may write one twice: whoever answers a call must be able to
// name it. The later one gets the next number that is free, in the model's own form.
void ChatStream::name_once(ToolCall& call) {
  if (call.id.empty() || call_ids_.insert(call.id).second) return;
  const std::string stem = call.id.substr(0, call.id.rfind(':'));
  for (int number = call.index;; ++number) {
    call.id = stem + ":" + std::to_string(number);
    if (call_ids_.insert(call.id).second) return;
  }
}

void ChatStream::answer(std::string text) {
  if (text.empty()) return;
  ChatEvent out;
  out.kind = ChatEvent::Kind::answer;
  out.text = std::move(text);
  emit(std::move(out));
}

void ChatStream::finished(const FinishedEvent& event) {
  request_ = event.request;
  if (!stops_.stopped()) {
    // A call that max_tokens or a cancellation cut off is no text.
    deliver(parser_.finish(event.reason != FinishReason::stop));
    if (!stops_.stopped()) answer(stops_.finish());
  }
  ChatEvent out;
  out.kind = ChatEvent::Kind::finished;
  ChatResult& result = out.result;
  result.error = event.error;
  result.usage = event.usage;
  result.logits_hash = event.logits_hash;
  if (thought_) result.thinking_seconds = std::chrono::duration<double>(thinking_end_ - first_token_).count();
  if (stops_.stopped()) result.stop_string = stops_.matched();
  switch (event.reason) {
    case FinishReason::stop:
      result.finish = calls_ > 0 ? ChatFinish::tool_calls : ChatFinish::stop;
      break;
    case FinishReason::requested:
      result.finish = stops_.stopped() ? ChatFinish::stop : ChatFinish::cancelled;
      break;
    case FinishReason::length:
      result.finish = stops_.stopped() ? ChatFinish::stop : ChatFinish::length;
      break;
    case FinishReason::cancelled:
      result.finish = ChatFinish::cancelled;
      break;
    case FinishReason::error:
      result.finish = ChatFinish::error;
      break;
  }
  emit(std::move(out));
}

}  // namespace limpid
