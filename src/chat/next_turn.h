// NextTurn: what a model that thinks will read next, prefilled while nobody asks for anything. Its template drops
// earlier thinking, so the keys and values of an answer, computed behind its thinking, are of no use to the next turn.
// When an answer ends, the conversation is rendered as the next turn will begin, whatever it asks, and given to
// Engine::warm.
//
// Rendering a long conversation takes milliseconds, so a thread of its own does it, not the engine's. Any thread.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "chat/chat.h"

namespace limpid {

// The ids that every next turn begins with: of the messages, the answer, and what the template puts before what comes
// then (a user's message; the tools' results where the answer called some). Throws what PromptBuilder::build throws.
std::vector<TokenId> next_turn_ids(const PromptBuilder& builder, const PromptRequest& request,
                                   const std::string& answer, const std::vector<ToolCall>& calls);

class NextTurn : public std::enable_shared_from_this<NextTurn> {
 public:
  // Both must outlive stop().
  NextTurn(const PromptBuilder& builder, Engine& engine) : builder_(builder), engine_(engine) {}
  ~NextTurn() { stop(); }
  NextTurn(const NextTurn&) = delete;
  NextTurn& operator=(const NextTurn&) = delete;

  // The handler, with ears: an answer that was thought about and came to its end is prepared for.
  ChatHandler listen(const ChatRequest& request, ChatHandler handler);
  void settle();  // waits until everything heard of was given to the engine
  void stop();    // ends the thread; what waits is dropped, what is heard later too

 private:
  struct Turn {
    PromptRequest prompt;
    std::string account, user;
    ChatAnswer answer;
  };
  void add(Turn turn);
  void loop();
  void prepare(const Turn& turn) const;

  const PromptBuilder& builder_;
  Engine& engine_;
  std::mutex mutex_;
  std::condition_variable wake_, settled_;
  std::deque<Turn> turns_;
  bool busy_ = false, stopping_ = false;
  std::thread thread_;  // from the first turn on
};

}  // namespace limpid
