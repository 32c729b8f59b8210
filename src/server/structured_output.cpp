#include "server/structured_output.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "chat/grammar.h"
#include "chat/messages.h"
#include "server/json_text.h"
#include "server/secrets.h"

namespace limpid {

namespace {

using Json = nlohmann::ordered_json;
using Shared = std::shared_ptr<const Grammar>;

Json read_tools(RequestFields& fields) {
  const Json* tools = fields.find("tools");
  if (tools == nullptr) return nullptr;
  Json checked;
  try {
    checked = check_tools(*tools);
  } catch (const Error& error) {
    throw wrong_message(error);
  }
  if (checked.size() > kMostTools)
    throw bad_parameter(fmt::format("tools: {} functions, at most {} are allowed", checked.size(), kMostTools),
                        "tools");
  return checked;
}

bool has_tool(const Json& tools, const std::string& name) {
  for (const Json& tool : tools)
    if (tool["function"]["name"] == name) return true;
  return false;
}

// Nothing: "none", the model is not told of the tools.
std::optional<ToolRules> read_choice(RequestFields& fields, const Json& tools) {
  ToolRules rules;
  rules.parallel = fields.boolean("parallel_tool_calls").value_or(true);
  const Json* choice = fields.find("tool_choice");
  if (choice == nullptr) return rules;
  if (choice->is_string()) {
    const std::string word = *fields.choice("tool_choice", {"none", "auto", "required"});
    if (word == "none") return std::nullopt;
    if (word == "required") rules.use = ToolUse::required;
  } else if (choice->is_object()) {
    RequestFields named = *fields.object("tool_choice");
    named.choice("type", {"function"});
    RequestFields function(named.required("function"), named.path("function"));
    rules.use = ToolUse::required;
    rules.name = function.required_text("name");
    if (!has_tool(tools, *rules.name))
      throw bad_parameter("tool_choice.function.name: it is none of the tools", "tool_choice.function.name");
  } else {
    fields.wrong_type("tool_choice", "none, auto, required or an object with a function", *choice);
  }
  if (rules.use == ToolUse::required && tools.is_null())
    throw bad_parameter("tool_choice: there are no tools to choose from", "tool_choice");
  return rules;
}

AnswerFormat read_format(RequestFields& fields) {
  std::optional<RequestFields> format = fields.object("response_format");
  if (!format) return {};
  format->required("type");
  const std::string type = *format->choice("type", {"text", "json_object", "json_schema"});
  if (type == "text") return {};
  if (type == "json_object")
    return {json_object_grammar, "object", std::make_shared<const Json>(Json{{"type", "object"}})};
  format->required("json_schema");
  RequestFields inner = *format->object("json_schema");
  return schema_format(inner.required("schema"), inner.path("schema"));
}

}  // namespace

ApiError wrong_message(const Error& error) {
  const std::string text = error.what();
  const std::string place = text.substr(0, text.find(':'));
  return bad_request(text, place.find(' ') == std::string::npos ? place : std::string());
}

// A schema that cannot be held is the request's to mend: 422, with its place.
AnswerFormat schema_format(const Json& schema, const std::string& place) {
  const auto kept = std::make_shared<const Json>(schema);
  return {[kept, place]() -> Shared {
            try {
              return json_schema_grammar(*kept);
            } catch (const Error& error) {
              throw bad_parameter(fmt::format("{}: {}", place, error.what()), place);
            }
          },
          sha256_hex(fmt::format("schema {}\n{}", place, json_text(schema))), kept};
}

void read_structure(RequestFields& fields, AnswerRequest& answer) {
  Json tools = read_tools(fields);
  const std::optional<ToolRules> rules = read_choice(fields, tools);
  set_structure(std::move(tools), rules, read_format(fields), answer);
}

void set_structure(Json tools, const std::optional<ToolRules>& rules, AnswerFormat format, AnswerRequest& answer) {
  const bool with_tools = !tools.is_null() && rules;
  if (!with_tools) {
    if (format.grammar) answer.grammar = [grammar = std::move(format.grammar)](ToolFormat) { return grammar(); };
    answer.grammar_key = std::move(format.key);
    return;
  }
  answer.grammar_key = sha256_hex(fmt::format("tools {} {} {} {}\n{}", rules->use == ToolUse::required,
                                              rules->name.value_or(""), rules->parallel, format.key, json_text(tools)));
  answer.grammar = [tools, rules = *rules, format = std::move(format)](ToolFormat model_format) -> Shared {
    Shared alone = format.grammar ? format.grammar() : nullptr;  // what is wrong with it is said of its own field
    if (model_format == ToolFormat::none && rules.use == ToolUse::automatic) return alone;
    try {
      return tool_grammar(tools, rules, model_format, format.schema.get());
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::unsupported)
        throw bad_request("tool_choice: this model knows no tool calls", "tool_choice");
      throw bad_parameter(error.what(), "tools");
    }
  };
  answer.chat.prompt.tools = std::move(tools);
}

}  // namespace limpid
