#include "app/answer.h"

#include <fmt/format.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <utility>

namespace limpid {

namespace {

constexpr std::chrono::milliseconds kLook{20};  // how soon Ctrl-C is seen

struct Queue {
  std::mutex mutex;
  std::condition_variable arrived;
  std::deque<ChatEvent> events;
};

}  // namespace

ChatAnswer follow_answer(ChatEngine& chat, ChatRequest request, Interrupts& interrupts,
                         const std::function<void(const ChatEvent&)>& show, const std::function<void()>& idle) {
  request.token_events = true;
  bool thinking = !request.raw && chat.prompt(request).inside_thinking;
  int seen = interrupts.count();
  bool asked_to_answer = false;
  const auto queue = std::make_shared<Queue>();  // outlives this call where show throws
  const RequestId id = chat.submit(std::move(request), [queue](const ChatEvent& event) {
    {
      std::lock_guard lock(queue->mutex);
      queue->events.push_back(event);
    }
    queue->arrived.notify_one();
    return true;
  });
  ChatAnswer answer;
  try {
    while (true) {
      std::deque<ChatEvent> events;
      {
        std::unique_lock lock(queue->mutex);
        queue->arrived.wait_for(lock, kLook, [&] { return !queue->events.empty(); });
        events.swap(queue->events);
      }
      if (idle) idle();
      for (const ChatEvent& event : events) {
        if (event.kind == ChatEvent::Kind::token) thinking = event.token.thinking;
        answer.add(event);
        show(event);
        if (event.kind == ChatEvent::Kind::finished) return answer;
      }
      for (const int now = interrupts.count(); seen < now; ++seen) {
        if (thinking && !interrupts.ended() && !std::exchange(asked_to_answer, true))
          chat.stop_thinking(id);
        else
          chat.cancel(id);
      }
    }
  } catch (...) {
    chat.cancel(id);
    throw;
  }
}

std::string cut_off(const ChatAnswer& answer, const std::string& by) {
  return fmt::format("cut off after {} tokens{}: {}", answer.result.usage.completion_tokens,
                     answer.answer.empty() && !answer.thinking.empty() ? ", all of them thinking" : "", by);
}

}  // namespace limpid
