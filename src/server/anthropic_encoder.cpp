#include "server/anthropic_encoder.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "server/openai_parts.h"
#include "server/random_id.h"

namespace limpid {

namespace {

// The format asks for a signature, by which its maker knows its own thinking again. Thinking here is in plain sight and
// may be edited: the value says so and nothing checks it.
constexpr std::string_view kSignature = "unsigned";

ServerSentEvent named(std::string_view type, std::string_view rest) {
  return {fmt::format(R"({{"type":"{}"{}}})", type, rest), std::string(type)};
}

std::string usage_fields(const AnswerUsage& usage) {
  // What was read from the cache is not part of input_tokens here, as it is of OpenAI's prompt_tokens.
  return fmt::format(
      R"("input_tokens":{},"cache_creation_input_tokens":0,"cache_read_input_tokens":{},"output_tokens":{},)"
      R"("output_tokens_details":{{"thinking_tokens":{}}})",
      usage.prompt_tokens - usage.cached_tokens, usage.cached_tokens, usage.completion_tokens, usage.thinking_tokens);
}

// The format takes an object only. A model that is not held to a schema may have written anything.
std::string input_of(const ToolCall& call) {
  const auto input = nlohmann::ordered_json::parse(call.arguments, nullptr, false);
  if (input.is_object()) return input.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  return fmt::format(R"({{"malformed_arguments":{}}})", json_string(call.arguments));
}

std::string call_id(const ToolCall& call) { return call.id.empty() ? random_id("toolu_") : call.id; }

std::string_view error_type(const ApiError& error) {
  switch (error.status) {
    case 401:
      return "authentication_error";
    case 402:
      return "billing_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 413:
      return "request_too_large";
    case 429:
      return "rate_limit_error";
    case 503:
      return "overloaded_error";
    default:
      return error.status < 500 ? "invalid_request_error" : "api_error";
  }
}

}  // namespace

std::string anthropic_error_body(const ApiError& error, const std::string& request_id) {
  std::string out = fmt::format(R"({{"type":"error","error":{{"type":"{}","message":{}}})", error_type(error),
                                json_string(error.what()));
  out += request_id.empty() ? std::string("}") : fmt::format(R"(,"request_id":{}}})", json_string(request_id));
  return out;
}

std::string AnthropicEncoder::stop_fields(const ChatResult& result) const {
  std::string_view reason = "end_turn";
  switch (result.finish) {
    case ChatFinish::tool_calls:
      reason = "tool_use";
      break;
    case ChatFinish::stop:
      reason = result.stop_string.empty() ? "end_turn" : "stop_sequence";
      break;
    case ChatFinish::length:
      reason = result.usage.completion_tokens < options_.max_tokens ? "model_context_window_exceeded" : "max_tokens";
      break;
    case ChatFinish::cancelled:
    case ChatFinish::error:
      reason = "max_tokens";  // cut: there is no reason of that kind
      break;
  }
  return fmt::format(R"("stop_reason":"{}","stop_sequence":{})", reason,
                     result.stop_string.empty() ? "null" : json_string(result.stop_string));
}

std::string AnthropicEncoder::message(std::string_view content, std::string_view stop, std::string_view usage) const {
  return fmt::format(R"({{"id":{},"type":"message","role":"assistant","model":{},"content":[{}],{},"usage":{{{}}}}})",
                     json_string(facts_.id), json_string(facts_.model), content, stop, usage);
}

void AnthropicEncoder::begin(SentEvents& out) {
  AnswerUsage usage;  // what the cache has is known at the end only: message_delta corrects it
  usage.prompt_tokens = facts_.prompt_tokens;
  const std::string begun = message("", R"("stop_reason":null,"stop_sequence":null)", usage_fields(usage));
  out.push_back(named("message_start", R"(,"message":)" + begun));
  out.push_back(named("ping", ""));
}

std::string AnthropicEncoder::delta(std::string_view type, std::string_view field, std::string_view text) const {
  std::string out = fmt::format(R"(,"index":{},"delta":{{"type":"{}","{}":)", index_, type, field);
  append_json_string(out, text);
  return out + "}";
}

void AnthropicEncoder::open(Block kind, SentEvents& out) {
  if (block_ == kind) return;
  close(out);
  block_ = kind;
  const std::string_view empty =
      kind == Block::thinking ? R"("thinking","thinking":"","signature":"")" : R"("text","text":"")";
  out.push_back(
      named("content_block_start", fmt::format(R"(,"index":{},"content_block":{{"type":{}}})", index_, empty)));
}

void AnthropicEncoder::close(SentEvents& out) {
  if (block_ == Block::none) return;
  if (block_ == Block::thinking)
    out.push_back(named("content_block_delta", delta("signature_delta", "signature", kSignature)));
  out.push_back(named("content_block_stop", fmt::format(R"(,"index":{})", index_)));
  block_ = Block::none;
  ++index_;
}

void AnthropicEncoder::open_call(const ToolCall& call, SentEvents& out) {
  close(out);
  block_ = Block::call;
  out.push_back(named("content_block_start",
                      fmt::format(R"(,"index":{},"content_block":{{"type":"tool_use","id":{},"name":{},"input":{{}}}})",
                                  index_, json_string(call_id(call)), json_string(call.name))));
}

void AnthropicEncoder::event(int, const ChatEvent& event, SentEvents& out) {
  switch (event.kind) {
    case ChatEvent::Kind::thinking:
      open(Block::thinking, out);
      if (options_.show_thinking)
        out.push_back(named("content_block_delta", delta("thinking_delta", "thinking", event.text)));
      return;
    case ChatEvent::Kind::answer:
      open(Block::text, out);
      out.push_back(named("content_block_delta", delta("text_delta", "text", event.text)));
      return;
    case ChatEvent::Kind::call_begin:
      open_call(event.call, out);
      return;
    case ChatEvent::Kind::call_arguments:
      out.push_back(named("content_block_delta", delta("input_json_delta", "partial_json", event.call.arguments)));
      return;
    case ChatEvent::Kind::tool_call:
      close(out);
      return;
    case ChatEvent::Kind::answer_was_thinking:
      close(out);  // nothing can be taken back in this format: the answer begins in a block of its own
      return;
    case ChatEvent::Kind::finished:
      close(out);
      return;
    case ChatEvent::Kind::token:
      return;
  }
}

void AnthropicEncoder::end(const std::vector<ChatResult>& results, SentEvents& out) {
  const AnswerUsage usage = usage_of(results, facts_.prompts.size());
  out.push_back(named("message_delta", fmt::format(R"(,"delta":{{{}}},"usage":{{{}}})", stop_fields(results.front()),
                                                   usage_fields(usage))));
  out.push_back(named("message_stop", ""));
}

void AnthropicEncoder::failed(const ApiError& error, SentEvents& out) {
  out.push_back({anthropic_error_body(error, {}), "error"});
}

std::string AnthropicEncoder::whole(const std::vector<ChatAnswer>& answers) {
  const ChatAnswer& answer = answers.front();
  std::string content;
  const auto add = [&content](const std::string& block) {
    if (!content.empty()) content += ',';
    content += block;
  };
  if (!answer.thinking.empty())
    add(fmt::format(R"({{"type":"thinking","thinking":{},"signature":"{}"}})",
                    json_string(options_.show_thinking ? answer.thinking : std::string()), kSignature));
  if (!answer.answer.empty()) add(fmt::format(R"({{"type":"text","text":{}}})", json_string(answer.answer)));
  for (const ToolCall& call : answer.calls)
    add(fmt::format(R"({{"type":"tool_use","id":{},"name":{},"input":{}}})", json_string(call_id(call)),
                    json_string(call.name), input_of(call)));
  const AnswerUsage usage = usage_of({answer.result}, 1);
  return message(content, stop_fields(answer.result), usage_fields(usage));
}

}  // namespace limpid
