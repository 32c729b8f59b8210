#include "server/openai_chat_request.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "chat/messages.h"
#include "server/model_name.h"
#include "server/request_fields.h"
#include "server/sampling_fields.h"
#include "server/structured_output.h"

namespace limpid {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kMostChatTokens = std::int64_t{1} << 31;

bool is_prefix(const Json& message) {
  const auto prefix = message.find("prefix");
  if (prefix == message.end() || prefix->is_null()) return false;
  if (!prefix->is_boolean()) throw bad_request("prefix: expected true or false in the last message", "messages");
  return prefix->get<bool>();
}

std::string text_of(const Json& message, const char* field) {
  const auto found = message.find(field);
  return found != message.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// "content", which check_messages() has seen: text, or parts of text, a line each as in every other message.
std::string content_of(const Json& message) {
  const auto content = message.find("content");
  if (content == message.end() || !content->is_array()) return text_of(message, "content");
  std::string text;
  for (std::size_t i = 0; i < content->size(); ++i)
    text += (i > 0 ? "\n" : "") + (*content)[i]["text"].get<std::string>();
  return text;
}

// The last message, with "prefix": true, is the beginning of the answer.
void take_prefix(Json& messages, PromptRequest& prompt) {
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (!is_prefix(messages[i])) continue;
    const std::string place = fmt::format("messages[{}]", i);
    if (i + 1 < messages.size()) throw bad_request(place + ".prefix: only the last message can have it", place);
    if (text_of(messages[i], "role") != "assistant")
      throw bad_request(place + ".prefix: the message must be the assistant's", place + ".role");
    AnswerStart start;
    start.thinking = text_of(messages[i], "reasoning_content");
    start.answer = content_of(messages[i]);
    start.thinking_done = !start.answer.empty();
    if (const auto done = messages[i].find("reasoning_done"); done != messages[i].end() && done->is_boolean())
      start.thinking_done = start.thinking_done || done->get<bool>();
    prompt.start = std::move(start);
    messages.erase(i);
    break;
  }
  if (messages.empty()) throw bad_request("messages: there is nothing before the prefix", "messages");
}

// What deepseek-reasoner could not do in the R1 days was an error; temperature and the like were no more than ignored.
void check_reasoner(RequestFields& fields) {
  const auto refuse = [](const std::string& field, const char* what) {
    throw bad_request(fmt::format("{}: deepseek-reasoner does not support {}", field, what), field);
  };
  if (const Json* tools = fields.find("tools"); tools != nullptr && tools->is_array() && !tools->empty())
    refuse("tools", "function calling");
  if (std::optional<RequestFields> format = fields.object("response_format"))
    if (const auto type = format->text("type"); type && type->starts_with("json"))
      refuse("response_format", "JSON output");
  if (fields.boolean("logprobs").value_or(false)) refuse("logprobs", "it");
  if (fields.has("top_logprobs")) refuse("top_logprobs", "it");
}

void check_sent_back(const Json& messages, ApiRules rules, bool thinking) {
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const bool reasoning = !text_of(messages[i], "reasoning_content").empty();
    const std::string place = fmt::format("messages[{}].reasoning_content", i);
    if (rules == ApiRules::r1 && reasoning)
      throw bad_request(place + ": deepseek-reasoner takes no reasoning back: send role and content only", place);
    const auto calls = messages[i].find("tool_calls");
    if (rules == ApiRules::current && thinking && !reasoning && calls != messages[i].end() && !calls->empty())
      throw bad_request(place + ": in thinking mode the reasoning of a message with tool calls must be sent back",
                        place);
  }
}

void read_messages(RequestFields& fields, AnswerRequest& answer) {
  const Json& messages = fields.required("messages");
  PromptRequest& prompt = answer.chat.prompt;
  try {
    prompt.messages = check_messages(messages);
  } catch (const Error& error) {
    throw wrong_message(error);
  }
  take_prefix(prompt.messages, prompt);
}

// On or off where the request says so, and the budget.
std::optional<bool> read_thinking(RequestFields& fields, AnswerRequest& answer) {
  std::optional<bool> on;
  if (const std::optional<std::string> effort = fields.text("reasoning_effort")) {
    const auto budget = effort_budget(*effort);
    if (!budget)
      throw bad_parameter("reasoning_effort: expected none, minimal, low, medium, high, xhigh, max or ultra",
                          "reasoning_effort");
    if (*effort == "none")
      on = false;
    else
      answer.effort_budget = *budget;
  }
  if (std::optional<RequestFields> variables = fields.object("chat_template_kwargs")) {
    answer.chat.prompt.template_variables = *fields.find("chat_template_kwargs");
    for (const char* name : {"enable_thinking", "thinking"})
      if (const auto value = variables->boolean(name)) on = *value;
  }
  if (std::optional<RequestFields> thinking = fields.object("thinking")) {
    if (const auto type = thinking->choice("type", {"enabled", "disabled", "auto"}); type && *type != "auto")
      on = *type == "enabled";
    if (const auto budget = thinking->integer("budget_tokens", 0, kMostChatTokens))
      answer.chat.thinking_budget = static_cast<int>(std::min<std::int64_t>(*budget, 1 << 30));
    answer.chat.thinking_seconds = thinking->number("budget_seconds", 0, 86400);
  }
  return on;
}

}  // namespace

OpenaiChatRequest parse_openai_chat(std::string_view body, const std::vector<std::string>& served,
                                    std::set<std::string>* names) {
  const Json json = parse_body(body);
  RequestFields fields(json, "");
  fields.record(names);
  OpenaiChatRequest out;
  AnswerRequest& answer = out.answer;
  answer.model = fields.text("model").value_or("");
  const ModelName name = model_name(answer.model, served);
  answer.served = name.rules == ApiRules::own ? answer.model : "default";
  answer.default_max_tokens = name.default_max_tokens;

  read_messages(fields, answer);
  if (name.rules == ApiRules::r1) check_reasoner(fields);
  read_structure(fields, answer);
  read_sampling(fields, answer);
  std::optional<bool> thinking = read_thinking(fields, answer);
  if (name.rules == ApiRules::r1 || !thinking) thinking = name.thinking;
  if (thinking) answer.chat.prompt.thinking = *thinking ? Thinking::on : Thinking::off;

  answer.max_tokens = fields.integer("max_completion_tokens", 1, kMostChatTokens);
  if (const auto most = fields.integer("max_tokens", 1, kMostChatTokens); most && !answer.max_tokens)
    answer.max_tokens = most;
  out.options.logprobs = fields.boolean("logprobs").value_or(false);
  const auto top = fields.integer("top_logprobs", 0, 20);
  if (top && !out.options.logprobs) throw bad_parameter("top_logprobs: needs \"logprobs\": true", "top_logprobs");
  out.options.top_logprobs = static_cast<int>(top.value_or(0));
  if (std::optional<RequestFields> stream = fields.object("stream_options")) {
    out.options.include_usage = stream->boolean("include_usage").value_or(false);
    const bool running = stream->boolean("continuous_usage_stats").value_or(false);
    out.options.running_usage = out.options.include_usage && running;
    answer.chat.token_events = answer.chat.token_events || out.options.running_usage;
  }
  if (std::optional<RequestFields> own = fields.object("limpid"))
    answer.chat.report_experts = own->boolean("experts").value_or(false);
  out.options.experts = answer.chat.report_experts;

  check_sent_back(answer.chat.prompt.messages, name.rules, thinking.value_or(false));
  if (name.rules != ApiRules::own && thinking.value_or(false)) ignore_sampling(answer, name.rules == ApiRules::r1);
  if (out.options.logprobs) answer.chat.sampling.logprobs = out.options.top_logprobs;
  return out;
}

}  // namespace limpid
