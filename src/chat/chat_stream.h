// ChatStream: the tokens of one answer as events. Lives as long as the engine's request; called on the engine's thread
// only.
#pragma once

#include <chrono>
#include <set>
#include <string>
#include <vector>

#include "chat/chat.h"
#include "chat/stop_strings.h"

namespace limpid {

class ChatStream {
 public:
  // shown: by id, whether its bytes are text (chat.h); it and the tokenizer must outlive the stream.
  ChatStream(const Tokenizer& tokenizer, const std::vector<bool>& shown, StreamParser::Options options,
             StopStrings stops, bool tokens, ChatHandler handler);

  bool token(const TokenEvent& event);  // false: the answer ends here
  void finished(const FinishedEvent& event);

 private:
  void emit(ChatEvent event);
  void say_tokens(const TokenEvent& event);
  void deliver(std::vector<StreamEvent> events);
  void answer(std::string text);
  void name_once(ToolCall& call);
  ChatToken with_bytes(std::int32_t id, float logprob) const;

  const Tokenizer& tokenizer_;
  const std::vector<bool>& shown_;
  StreamParser parser_;
  StopStrings stops_;
  const bool tokens_;
  const ChatHandler handler_;
  RequestId request_ = 0;
  bool wanted_ = true;  // the handler still listens
  int calls_ = 0;
  std::set<std::string> call_ids_;
  std::string call_id_;  // of the call that has begun
  std::chrono::steady_clock::time_point first_token_{}, thinking_end_{};
  bool any_token_ = false, thought_ = false;
};

}  // namespace limpid
