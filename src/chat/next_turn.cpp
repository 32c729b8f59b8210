#include "chat/next_turn.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace limpid {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMostTurns = 64;  // that wait to be rendered; the oldest are dropped

// Two things that a next turn might say, with no beginning in common.
constexpr const char* kProbes[] = {"A", "1"};

std::string call_id(std::size_t index) { return fmt::format("call_{}", index); }

Json answer_message(const std::string& answer, const std::vector<ToolCall>& calls) {
  Json message{{"role", "assistant"}, {"content", answer}};
  for (std::size_t i = 0; i < calls.size(); ++i)
    message["tool_calls"].push_back({{"id", call_id(i)},
                                     {"type", "function"},
                                     {"function", {{"name", calls[i].name}, {"arguments", calls[i].arguments}}}});
  return message;
}

}  // namespace

std::vector<TokenId> next_turn_ids(const PromptBuilder& builder, const PromptRequest& request,
                                   const std::string& answer, const std::vector<ToolCall>& calls) {
  PromptRequest next = request;
  next.start.reset();
  next.generation_prompt = true;
  next.messages.push_back(answer_message(request.start ? request.start->answer + answer : answer, calls));
  std::vector<TokenId> ids[2];
  for (std::size_t i = 0; i < 2; ++i) {
    PromptRequest probe = next;
    if (calls.empty())
      probe.messages.push_back({{"role", "user"}, {"content", kProbes[i]}});
    else
      probe.messages.push_back({{"role", "tool"}, {"tool_call_id", call_id(0)}, {"content", kProbes[i]}});
    ids[i] = builder.build(probe).ids;
  }
  const auto differs = std::ranges::mismatch(ids[0], ids[1]).in1;
  return {ids[0].begin(), differs};
}

ChatHandler NextTurn::listen(const ChatRequest& request, ChatHandler handler) {
  auto turn = std::make_shared<Turn>(Turn{request.prompt, request.account, request.user, {}});
  return [self = shared_from_this(), turn, handler = std::move(handler)](const ChatEvent& event) {
    if (event.kind != ChatEvent::Kind::token) turn->answer.add(event);
    const bool wanted = !handler || handler(event);
    const ChatResult& result = turn->answer.result;
    if (event.kind == ChatEvent::Kind::finished && result.finish != ChatFinish::cancelled &&
        result.finish != ChatFinish::error && result.usage.thinking_tokens > 0)
      self->add(std::move(*turn));
    return wanted;
  };
}

void NextTurn::add(Turn turn) {
  const std::lock_guard lock(mutex_);
  if (stopping_) return;
  if (turns_.size() >= kMostTurns) turns_.pop_front();
  turns_.push_back(std::move(turn));
  if (!thread_.joinable()) thread_ = std::thread([this] { loop(); });
  wake_.notify_all();
}

void NextTurn::settle() {
  std::unique_lock lock(mutex_);
  settled_.wait(lock, [&] { return stopping_ || (turns_.empty() && !busy_); });
}

void NextTurn::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    turns_.clear();
  }
  wake_.notify_all();
  settled_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void NextTurn::loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [&] { return stopping_ || !turns_.empty(); });
    if (stopping_) return;
    const Turn turn = std::move(turns_.front());
    turns_.pop_front();
    busy_ = true;
    lock.unlock();
    prepare(turn);
    lock.lock();
    busy_ = false;
    settled_.notify_all();
  }
}

void NextTurn::prepare(const Turn& turn) const {
  try {
    engine_.warm(next_turn_ids(builder_, turn.prompt, turn.answer.answer, turn.answer.calls), turn.account, turn.user);
  } catch (const std::exception&) {  // a template that wants other messages then: the next turn computes what it needs
  }
}

}  // namespace limpid
