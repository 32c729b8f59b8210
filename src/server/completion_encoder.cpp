#include "server/completion_encoder.h"

#include <fmt/format.h>

#include <algorithm>

#include "server/openai_parts.h"

namespace limpid {

namespace {

std::size_t characters(std::string_view bytes) {
  return static_cast<std::size_t>(
      std::ranges::count_if(bytes, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string joined(const std::vector<std::string>& parts) { return fmt::format("[{}]", fmt::join(parts, ",")); }

}  // namespace

void CompletionEncoder::facts(const AnswerFacts& facts) {
  facts_ = facts;
  head_ = fmt::format(R"({{"id":{},"object":"text_completion","created":{},"model":{},"system_fingerprint":{},)",
                      json_string(facts.id), facts.created, json_string(facts.model), json_string(facts.fingerprint));
  tail_ = options_.include_usage ? R"(,"usage":null})" : "}";
  choices_.resize(static_cast<std::size_t>(facts.choices));
}

const std::string& CompletionEncoder::prompt_of(int choice) const {
  const int each = facts_.choices / static_cast<int>(facts_.prompts.size());
  return facts_.prompts[static_cast<std::size_t>(choice / each)];
}

std::string CompletionEncoder::logprobs_json(const std::vector<ChatTokenInfo>& tokens, std::size_t& offset) const {
  if (!options_.logprobs) return "null";
  std::vector<std::string> texts, numbers, tops, offsets;
  for (const ChatTokenInfo& info : tokens) {
    texts.push_back(json_string(info.token.bytes));
    numbers.push_back(json_number(info.token.logprob));
    // A text stands once in an object: of tokens whose bytes look alike the likeliest counts.
    std::vector<std::string> top, seen;
    for (const ChatToken& one : info.alternatives) {
      const std::string name = json_string(one.bytes);
      if (std::ranges::find(seen, name) != seen.end()) continue;
      seen.push_back(name);
      top.push_back(fmt::format("{}:{}", name, json_number(one.logprob)));
    }
    tops.push_back(fmt::format("{{{}}}", fmt::join(top, ",")));
    offsets.push_back(std::to_string(offset));
    offset += characters(info.token.bytes);
  }
  return fmt::format(R"({{"tokens":{},"token_logprobs":{},"top_logprobs":{},"text_offset":{}}})", joined(texts),
                     joined(numbers), joined(tops), joined(offsets));
}

std::string CompletionEncoder::choice_json(int choice, std::string_view text, const std::string& logprobs,
                                           std::string_view finish) const {
  std::string out = R"({"text":)";
  append_json_string(out, text);
  out += fmt::format(R"(,"index":{},"logprobs":{},"finish_reason":)", choice, logprobs);
  out += finish.empty() ? std::string("null") : fmt::format("\"{}\"", finish);
  return out + "}";
}

void CompletionEncoder::begin(SentEvents& out) {
  if (!options_.echo) return;
  for (int i = 0; i < facts_.choices; ++i)
    out.push_back({fmt::format(R"({}"choices":[{}]{})", head_, choice_json(i, prompt_of(i), "null", {}), tail_), {}});
}

void CompletionEncoder::event(int choice, const ChatEvent& event, SentEvents& out) {
  Choice& state = choices_[static_cast<std::size_t>(choice)];
  if (event.kind == ChatEvent::Kind::token) {
    if (options_.logprobs && !event.token.end) state.tokens.push_back(event.token);
    return;
  }
  const bool end = event.kind == ChatEvent::Kind::finished;
  const std::string logprobs = state.tokens.empty() ? std::string("null") : logprobs_json(state.tokens, state.offset);
  state.tokens.clear();
  const std::string one = choice_json(choice, end ? std::string() : event.text, logprobs,
                                      end ? finish_name(event.result.finish) : std::string_view());
  out.push_back({fmt::format(R"({}"choices":[{}]{})", head_, one, tail_), {}});
}

void CompletionEncoder::end(const std::vector<ChatResult>& results, SentEvents& out) {
  if (options_.include_usage) {
    const AnswerUsage usage = usage_of(results, facts_.prompts.size());
    out.push_back(
        {fmt::format(R"({}"choices":[],"usage":{},"timings":{}}})", head_, usage_json(usage), timings_json(usage)),
         {}});
  }
  out.push_back({"[DONE]", {}});
}

void CompletionEncoder::failed(const ApiError& error, SentEvents& out) { out.push_back({error_event(error), {}}); }

std::string CompletionEncoder::whole(const std::vector<ChatAnswer>& answers) {
  std::vector<std::string> choices;
  std::vector<ChatResult> results;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const ChatAnswer& answer = answers[i];
    std::vector<ChatTokenInfo> tokens = answer.tokens;
    std::erase_if(tokens, [](const ChatTokenInfo& token) { return token.end; });
    const std::string text =
        (options_.echo ? prompt_of(static_cast<int>(i)) : std::string()) + answer.thinking + answer.answer;
    std::size_t offset = 0;
    choices.push_back(
        choice_json(static_cast<int>(i), text, logprobs_json(tokens, offset), finish_name(answer.result.finish)));
    results.push_back(answer.result);
  }
  const AnswerUsage usage = usage_of(results, facts_.prompts.size());
  return fmt::format(R"({}"choices":{},"usage":{},"timings":{}}})", head_, joined(choices), usage_json(usage),
                     timings_json(usage));
}

}  // namespace limpid
