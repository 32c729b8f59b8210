#include "server/anthropic_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "chat/stop_strings.h"
#include "server/anthropic_messages.h"
#include "server/model_name.h"
#include "server/request_fields.h"
#include "server/sampling_fields.h"
#include "server/structured_output.h"

namespace limpid {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kMostAnswerTokens = std::int64_t{1} << 31;

// Off unless asked for, as in Anthropic's API: a client that did not ask may take the first block for the answer.
bool read_thinking(RequestFields& fields, const ModelName& name, AnthropicRequest& out) {
  bool on = name.thinking.value_or(false);
  if (std::optional<RequestFields> thinking = fields.object("thinking")) {
    thinking->required("type");
    const std::string type = *thinking->choice("type", {"enabled", "disabled", "adaptive", "between_tools"});
    on = type != "disabled";
    if (type == "enabled") {
      thinking->required("budget_tokens");
      out.answer.chat.thinking_budget = static_cast<int>(*thinking->integer("budget_tokens", 1, 1 << 30));
    }
    if (const auto display = thinking->choice("display", {"summarized", "omitted"}))
      out.options.show_thinking = *display != "omitted";
  }
  if (name.rules == ApiRules::r1) on = true;
  out.answer.chat.prompt.thinking = on ? Thinking::on : Thinking::off;
  return on;
}

// A wrong value is 400 in this format, also where it is found later.
void tell_as_400(AnswerRequest& answer) {
  if (!answer.grammar) return;
  answer.grammar_key += " 400";
  answer.grammar = [grammar = std::move(answer.grammar)](ToolFormat format) {
    try {
      return grammar(format);
    } catch (ApiError& error) {
      if (error.status == 422) error.status = 400;
      throw;
    }
  };
}

AnswerFormat read_output_config(RequestFields& fields, AnswerRequest& answer) {
  std::optional<RequestFields> config = fields.object("output_config");
  if (!config) return {};
  if (const auto effort = config->choice("effort", {"low", "medium", "high", "xhigh", "max"}))
    answer.effort_budget = *effort_budget(*effort);
  std::optional<RequestFields> format = config->object("format");
  if (!format) return {};
  format->required("type");
  format->choice("type", {"json_schema"});
  return schema_format(format->required("schema"), format->path("schema"));
}

// Nothing: "none", the model is not told of the tools.
std::optional<ToolRules> read_tool_choice(RequestFields& fields, const Json& tools) {
  ToolRules rules;
  std::optional<RequestFields> choice = fields.object("tool_choice");
  if (!choice) return rules;
  choice->required("type");
  const std::string type = *choice->choice("type", {"auto", "any", "tool", "none"});
  rules.parallel = !choice->boolean("disable_parallel_tool_use").value_or(false);
  if (type == "none") return std::nullopt;
  if (type == "auto") return rules;
  rules.use = ToolUse::required;
  if (tools.is_null()) throw bad_request("tool_choice: there are no tools", "tool_choice");
  if (type == "any") return rules;
  rules.name = choice->required_text("name");
  if (std::ranges::none_of(tools, [&](const Json& tool) { return tool["function"]["name"] == *rules.name; }))
    throw bad_request(fmt::format("tool_choice.name: \"{}\" is none of the tools", rules.name->substr(0, 64)),
                      "tool_choice.name");
  return rules;
}

void read_sampling_of(RequestFields& fields, AnswerRequest& answer) {
  const auto real = [&](const char* name, double least, double most) {
    const std::optional<double> value = fields.number(name, least, most);
    return value ? std::optional<float>(static_cast<float>(*value)) : std::nullopt;
  };
  answer.sampling.temperature = real("temperature", 0, 2);
  answer.sampling.top_p = real("top_p", 0, 1);
  if (answer.sampling.top_p && *answer.sampling.top_p == 0) answer.sampling.top_p = std::numeric_limits<float>::min();
  if (const auto k = fields.integer("top_k", 0, 1'000'000)) answer.sampling.top_k = static_cast<int>(*k);
  if (const auto seed =
          fields.integer("seed", std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()))
    answer.sampling.seed = static_cast<std::uint64_t>(*seed);
  answer.chat.stop = fields.texts("stop_sequences", kMostStops);
  for (const std::string& stop : answer.chat.stop)
    if (stop.empty() || stop.size() > StopStrings::kMostBytes)
      throw bad_request(
          fmt::format("stop_sequences: a string of {} bytes; they have 1 to {}", stop.size(), StopStrings::kMostBytes),
          "stop_sequences");
}

}  // namespace

AnthropicRequest parse_anthropic(std::string_view body, bool counting, const std::vector<std::string>& served,
                                 std::set<std::string>* names, ClaudeNames claude) {
  try {
    const Json json = parse_body(body);
    RequestFields fields(json, "");
    fields.record(names);
    AnthropicRequest out;
    AnswerRequest& answer = out.answer;
    answer.model = fields.required_text("model");
    const ModelName name = model_name(answer.model, served);
    answer.served = name.rules == ApiRules::own ? answer.model : "default";
    if (claude == ClaudeNames::the_default && answer.model.starts_with("claude") &&
        std::ranges::find(served, answer.model) == served.end())
      answer.served = "default";
    const bool thinking = read_thinking(fields, name, out);
    read_anthropic_messages(fields, thinking, answer.chat.prompt);
    Json tools = read_anthropic_tools(fields);
    const std::optional<ToolRules> rules = read_tool_choice(fields, tools);
    set_structure(std::move(tools), rules, read_output_config(fields, answer), answer);
    tell_as_400(answer);
    if (counting) return out;
    fields.required("max_tokens");
    answer.max_tokens = *fields.integer("max_tokens", 1, kMostAnswerTokens);
    out.options.max_tokens = *answer.max_tokens;
    read_sampling_of(fields, answer);
    if (name.rules != ApiRules::own && thinking) ignore_sampling(answer, name.rules == ApiRules::r1);
    answer.stream = fields.boolean("stream").value_or(false);
    if (std::optional<RequestFields> metadata = fields.object("metadata"))
      answer.user = metadata->text("user_id").value_or("");
    if (answer.user.size() > 512) throw bad_request("metadata.user_id: more than 512 bytes", "metadata.user_id");
    return out;
  } catch (ApiError& error) {
    if (error.status == 422) error.status = 400;
    throw;
  }
}

}  // namespace limpid
