// An answer as it comes, on the thread that shows it: events are handed over from the engine's thread, so that a slow
// terminal never holds the engine up, and Ctrl-C is looked at between them.
#pragma once

#include <functional>
#include <vector>

#include "app/interrupt.h"
#include "chat/chat.h"

namespace limpid {

struct Answer {
  std::string thinking, answer;
  std::vector<ToolCall> calls;
  std::vector<ChatTokenInfo> tokens;  // every generated token, the one that ends it too
  ChatResult result;

  std::vector<std::int32_t> ids() const;
};

// The engine must be started. show is called for every event, in order, on the caller's thread; what it throws cancels
// the answer and comes out. Ctrl-C: once while the model thinks, it stops thinking and answers; else, or again, the
// answer ends (ChatFinish::cancelled). Throws Error as ChatEngine::submit does.
Answer follow_answer(ChatEngine& chat, ChatRequest request, Interrupts& interrupts,
                     const std::function<void(const ChatEvent&)>& show);

}  // namespace limpid
