// An answer as it comes, on the thread that shows it: events are handed over from the engine's thread, so that a slow
// terminal never holds the engine up, and Ctrl-C is looked at between them.
#pragma once

#include <functional>
#include <string>

#include "app/interrupt.h"
#include "chat/chat.h"

namespace limpid {

// The engine must be started. show is called for every event, in order, on the caller's thread; what it throws cancels
// the answer and comes out; idle, if any, some fifty times a second, also while nothing comes. Ctrl-C: once while the
// model thinks, it stops thinking and answers; else, or again, or by SIGTERM and SIGHUP, the answer ends
// (ChatFinish::cancelled). Throws Error as ChatEngine::submit does.
ChatAnswer follow_answer(ChatEngine& chat, ChatRequest request, Interrupts& interrupts,
                         const std::function<void(const ChatEvent&)>& show, const std::function<void()>& idle = {});

// Why an answer ended early (ChatFinish::length): "cut off after 5 tokens, all of them thinking: -n allows no more".
std::string cut_off(const ChatAnswer& answer, const std::string& by);

}  // namespace limpid
