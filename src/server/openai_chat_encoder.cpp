#include "server/openai_chat_encoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "server/openai_parts.h"
#include "server/random_id.h"

namespace limpid {

namespace {

// The fields of a call; of one that begins in a stream the arguments are still empty.
std::string call_fields(const ToolCall& call) {
  const std::string id = call.id.empty() ? random_id("call_") : call.id;
  return fmt::format(R"("id":{},"type":"function","function":{{"name":{},"arguments":{}}})", json_string(id),
                     json_string(call.name), json_string(call.arguments));
}

std::string delta_of_call(int index, std::string_view fields) {
  return fmt::format(R"("tool_calls":[{{"index":{},{}}}])", index, fields);
}

// {"content": [...], "reasoning_content": [...]}; the second as DeepSeek has it, where the model thinks.
std::string logprobs_json(std::string_view answer, std::string_view thinking, bool thinks) {
  std::string out = fmt::format(R"({{"content":[{}],"refusal":null)", answer);
  if (thinks) out += fmt::format(R"(,"reasoning_content":[{}])", thinking);
  return out + "}";
}

// {"token": "...", "id": 5, "thinking": true, "layers": [{"layer": 3, "ids": [1, 7]}]}
std::string experts_json(const ChatTokenInfo& info) {
  std::string out = R"({"token":)";
  append_json_string(out, info.token.bytes);
  out += fmt::format(R"(,"id":{},"thinking":{},"layers":[)", info.token.id, info.thinking);
  for (std::size_t i = 0; i < info.experts.size(); ++i)
    out += fmt::format(R"({}{{"layer":{},"ids":[{}]}})", i == 0 ? "" : ",", info.experts[i].layer,
                       fmt::join(info.experts[i].ids, ","));
  return out + "]}";
}

void append(std::string& list, std::string one) {
  if (!list.empty()) list += ',';
  list += one;
}

}  // namespace

void OpenaiChatEncoder::facts(const AnswerFacts& facts) {
  facts_ = facts;
  head_ = fmt::format(R"({{"id":{},"object":"chat.completion.chunk","created":{},"model":{},"system_fingerprint":{},)",
                      json_string(facts.id), facts.created, json_string(facts.model), json_string(facts.fingerprint));
  tail_ = options_.include_usage ? R"(,"usage":null})" : "}";
  choices_.resize(static_cast<std::size_t>(facts.choices));
}

std::string OpenaiChatEncoder::chunk(int choice, std::string_view delta, std::string_view logprobs,
                                     std::string_view finish, std::string_view own) const {
  std::string out = head_;
  out += fmt::format(R"("choices":[{{"index":{},"delta":{{{}}},"logprobs":{},"finish_reason":)", choice, delta,
                     logprobs.empty() ? "null" : logprobs);
  out += finish.empty() ? std::string("null") : fmt::format("\"{}\"", finish);
  if (!own.empty()) out += fmt::format(R"(,"limpid":{{{}}})", own);
  out += "}]";
  if (options_.running_usage) return out + fmt::format(R"(,"usage":{}}})", usage_so_far());
  out += tail_;
  return out;
}

std::string OpenaiChatEncoder::usage_so_far() const {
  AnswerUsage usage;
  usage.prompt_tokens = facts_.prompt_tokens;
  for (const Choice& choice : choices_) {
    usage.completion_tokens += choice.written;
    usage.thinking_tokens += choice.thought;
  }
  // A conversation is one prompt: as in usage_of(), what its first choice found in the cache.
  if (!choices_.empty()) usage.cached_tokens = std::min(choices_.front().cached, usage.prompt_tokens);
  return usage_json(usage);
}

std::string OpenaiChatEncoder::delta_of_text(std::string_view text, bool thinking) const {
  std::string out = thinking ? R"("content":null,"reasoning_content":)" : R"("content":)";
  append_json_string(out, text);
  if (!thinking && facts_.thinks) out += R"(,"reasoning_content":null)";
  return out;
}

void OpenaiChatEncoder::begin(SentEvents& out) {
  for (int i = 0; i < facts_.choices; ++i)
    out.push_back({chunk(i,
                         facts_.thinks ? R"("role":"assistant","content":"","reasoning_content":null)"
                                       : R"("role":"assistant","content":"")",
                         {}, {}),
                   {}});
}

std::string OpenaiChatEncoder::take_logprobs(std::string& mine, std::string& other, bool thinking) {
  if (!options_.logprobs || (mine.empty() && other.empty())) return {};
  std::string json = thinking ? logprobs_json(other, mine, facts_.thinks) : logprobs_json(mine, other, facts_.thinks);
  mine.clear();
  other.clear();
  return json;
}

std::string OpenaiChatEncoder::take_experts(Choice& state) const {
  if (state.experts.empty()) return {};
  return fmt::format(R"("experts":[{}])", std::exchange(state.experts, {}));
}

void OpenaiChatEncoder::say(int choice, const std::string& delta, bool thinking, std::string_view finish,
                            SentEvents& out) {
  Choice& state = choices_[static_cast<std::size_t>(choice)];
  std::string& mine = thinking ? state.thinking : state.answer;
  std::string& other = thinking ? state.answer : state.thinking;
  out.push_back({chunk(choice, delta, take_logprobs(mine, other, thinking), finish, take_experts(state)), {}});
}

void OpenaiChatEncoder::event(int choice, const ChatEvent& event, SentEvents& out) {
  Choice& state = choices_[static_cast<std::size_t>(choice)];
  switch (event.kind) {
    case ChatEvent::Kind::token:
      ++state.written;
      state.thought += event.token.thinking ? 1 : 0;
      state.cached = event.token.cached_tokens;
      if (options_.logprobs && !event.token.end)
        append(event.token.thinking ? state.thinking : state.answer, logprob_json(event.token, options_.top_logprobs));
      if (options_.experts && !event.token.experts.empty()) append(state.experts, experts_json(event.token));
      return;
    case ChatEvent::Kind::thinking:
      return say(choice, delta_of_text(event.text, true), true, {}, out);
    case ChatEvent::Kind::answer:
      return say(choice, delta_of_text(event.text, false), false, {}, out);
    case ChatEvent::Kind::call_begin:
      return say(choice, delta_of_call(event.call.index, call_fields(event.call)), false, {}, out);
    case ChatEvent::Kind::call_arguments:
      return say(choice,
                 delta_of_call(event.call.index,
                               fmt::format(R"("function":{{"arguments":{}}})", json_string(event.call.arguments))),
                 false, {}, out);
    case ChatEvent::Kind::tool_call:  // its pieces have been said
      return;
    case ChatEvent::Kind::answer_was_thinking:
      // Nothing can be taken back in this format: a field of our own says it.
      out.push_back({chunk(choice, "", {}, {}, R"("content_was_reasoning":true)"), {}});
      return;
    case ChatEvent::Kind::finished:
      return say(choice, facts_.thinks ? R"("content":"","reasoning_content":null)" : R"("content":"")", false,
                 finish_name(event.result.finish), out);
  }
}

void OpenaiChatEncoder::end(const std::vector<ChatResult>& results, SentEvents& out) {
  if (options_.include_usage) {
    const AnswerUsage usage = usage_of(results, facts_.prompts.size());
    out.push_back(
        {fmt::format(R"({}"choices":[],"usage":{},"timings":{}}})", head_, usage_json(usage), timings_json(usage)),
         {}});
  }
  out.push_back({"[DONE]", {}});
}

void OpenaiChatEncoder::failed(const ApiError& error, SentEvents& out) { out.push_back({error_event(error), {}}); }

std::string OpenaiChatEncoder::whole_choice(int index, const ChatAnswer& answer) const {
  std::string out = fmt::format(R"({{"index":{},"message":{{"role":"assistant","content":)", index);
  out += answer.answer.empty() && !answer.calls.empty() ? "null" : json_string(answer.answer);
  if (facts_.thinks) {
    out += R"(,"reasoning_content":)";
    out += answer.thinking.empty() ? "null" : json_string(answer.thinking);
  }
  if (!answer.calls.empty()) {
    std::string calls;
    for (const ToolCall& call : answer.calls) append(calls, "{" + call_fields(call) + "}");
    out += fmt::format(R"(,"tool_calls":[{}])", calls);
  }
  out += R"(},"logprobs":)";
  if (options_.logprobs) {
    std::string said, thought;
    for (const ChatTokenInfo& token : answer.tokens)
      if (!token.end) append(token.thinking ? thought : said, logprob_json(token, options_.top_logprobs));
    out += logprobs_json(said, thought, facts_.thinks);
  } else {
    out += "null";
  }
  out += fmt::format(R"(,"finish_reason":"{}")", finish_name(answer.result.finish));
  if (options_.experts) {
    std::string experts;
    for (const ChatTokenInfo& token : answer.tokens)
      if (!token.experts.empty()) append(experts, experts_json(token));
    out += fmt::format(R"(,"limpid":{{"experts":[{}]}})", experts);
  }
  return out + "}";
}

std::string OpenaiChatEncoder::whole(const std::vector<ChatAnswer>& answers) {
  std::string choices;
  std::vector<ChatResult> results;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    append(choices, whole_choice(static_cast<int>(i), answers[i]));
    results.push_back(answers[i].result);
  }
  const AnswerUsage usage = usage_of(results, facts_.prompts.size());
  return fmt::format(R"({{"id":{},"object":"chat.completion","created":{},"model":{},"choices":[{}],"usage":{},)"
                     R"("system_fingerprint":{},"timings":{}}})",
                     json_string(facts_.id), facts_.created, json_string(facts_.model), choices, usage_json(usage),
                     json_string(facts_.fingerprint), timings_json(usage));
}

}  // namespace limpid
