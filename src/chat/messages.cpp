#include "chat/messages.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/error.h"

namespace limpid {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::array<std::string_view, 6> kRoles{"system", "developer", "user", "assistant", "tool", "function"};
constexpr std::string_view kOpen = "<think>", kClose = "</think>";

[[noreturn]] void wrong(const std::string& place, std::string_view expected, const Json& found) {
  fail(ErrorKind::input, "{}: expected {}, found {}", place, expected, found.type_name());
}

std::string join_parts(const Json& parts, const std::string& place) {
  std::string text;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const Json& part = parts[i];
    const std::string here = fmt::format("{}[{}]", place, i);
    if (!part.is_object() || !part.contains("type") || !part["type"].is_string())
      wrong(here, "an object with a type", part);
    if (part["type"] != "text")
      fail(ErrorKind::unsupported, "{}: a part of type \"{}\"; this model reads text only", here,
           part["type"].get_ref<const std::string&>());
    if (!part.contains("text") || !part["text"].is_string())
      wrong(here + ".text", "a string", part.value("text", Json()));
    text += part["text"].get_ref<const std::string&>();
  }
  return text;
}

std::string content_text(const Json& message, const std::string& place) {
  const auto content = message.find("content");
  if (content == message.end() || content->is_null()) return {};
  if (content->is_string()) return content->get<std::string>();
  if (content->is_array()) return join_parts(*content, place);
  wrong(place, "a string or a list of parts", *content);
}

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

void split_thinking(Json& message) {
  const std::string content = message["content"];
  const std::size_t close = content.find(kClose);
  if (close == std::string::npos) return;
  std::string_view thinking = trim(std::string_view(content).substr(0, close));
  if (thinking.starts_with(kOpen)) thinking = trim(thinking.substr(kOpen.size()));
  if (!thinking.empty() && !message.contains("reasoning_content")) message["reasoning_content"] = thinking;
  const std::size_t answer = content.find_first_not_of("\r\n", close + kClose.size());
  message["content"] = answer == std::string::npos ? std::string() : content.substr(answer);
}

// Nested no deeper than what may be parsed and rendered by recursion.
bool is_shallow(std::string_view json) {
  constexpr int kDepth = 64;
  int depth = 0;
  bool string = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    if (string && json[i] == '\\') {
      ++i;
    } else if (json[i] == '"') {
      string = !string;
    } else if (!string) {
      depth += json[i] == '{' || json[i] == '[';
      depth -= json[i] == '}' || json[i] == ']';
      if (depth > kDepth) return false;
    }
  }
  return true;
}

void check_call(Json& call, const std::string& place, ToolFormat format) {
  if (!call.is_object() || !call.contains("function") || !call["function"].is_object())
    wrong(place, "an object with a function", call);
  if (!call.contains("type")) call["type"] = "function";  // before any reference: a new member moves the others
  Json& function = call["function"];
  if (!function.contains("name") || !function["name"].is_string())
    wrong(place + ".function.name", "a string", function.value("name", Json()));
  Json& arguments = function["arguments"];
  if (arguments.is_null()) arguments = Json::object();
  if (!arguments.is_string() && !arguments.is_object())
    wrong(place + ".function.arguments", "JSON text or an object", arguments);
  if (format == ToolFormat::deepseek && arguments.is_object())
    arguments = arguments.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (format != ToolFormat::deepseek && arguments.is_string()) {
    const std::string& text = arguments.get_ref<const std::string&>();
    // What a model wrote may be no JSON, and then goes back as it was.
    Json parsed = is_shallow(text) ? Json::parse(text, nullptr, false) : Json();
    if (parsed.is_object()) arguments = std::move(parsed);
  }
}

Json normalise(const Json& message, const std::string& place, ToolFormat format) {
  if (!message.is_object()) wrong(place, "an object", message);
  const auto role = message.find("role");
  if (role == message.end() || !role->is_string())
    wrong(place + ".role", "a string", role == message.end() ? Json() : *role);
  const std::string& name = role->get_ref<const std::string&>();
  if (std::ranges::find(kRoles, name) == kRoles.end())
    fail(ErrorKind::input, "{}.role: \"{}\" is none of system, developer, user, assistant, tool, function", place,
         name);
  Json result = message;
  if (name == "developer") result["role"] = "system";
  if (name == "function") result["role"] = "tool";
  result["content"] = content_text(message, place + ".content");
  if (result.contains("reasoning_content") && !result["reasoning_content"].is_string())
    result.erase("reasoning_content");
  if (name != "assistant") return result;
  split_thinking(result);
  const auto calls = result.find("tool_calls");
  if (calls == result.end()) return result;
  if (calls->is_null() || (calls->is_array() && calls->empty())) {
    result.erase("tool_calls");
    return result;
  }
  if (!calls->is_array()) wrong(place + ".tool_calls", "a list", *calls);
  for (std::size_t i = 0; i < calls->size(); ++i)
    check_call((*calls)[i], fmt::format("{}.tool_calls[{}]", place, i), format);
  return result;
}

}  // namespace

nlohmann::ordered_json normalise_messages(const nlohmann::ordered_json& messages, ToolFormat format) {
  if (!messages.is_array()) wrong("messages", "a list", messages);
  if (messages.empty()) fail(ErrorKind::input, "messages: the list is empty");
  Json result = Json::array();
  for (std::size_t i = 0; i < messages.size(); ++i)
    result.push_back(normalise(messages[i], fmt::format("messages[{}]", i), format));
  return result;
}

nlohmann::ordered_json normalise_tools(const nlohmann::ordered_json& tools) {
  if (tools.is_null() || (tools.is_array() && tools.empty())) return nullptr;
  if (!tools.is_array()) wrong("tools", "a list", tools);
  for (std::size_t i = 0; i < tools.size(); ++i) {
    const std::string place = fmt::format("tools[{}]", i);
    if (!tools[i].is_object() || !tools[i].contains("function") || !tools[i]["function"].is_object())
      wrong(place, "an object with a function", tools[i]);
    const Json name = tools[i]["function"].value("name", Json());
    if (!name.is_string()) wrong(place + ".function.name", "a string", name);
  }
  return tools;
}

}  // namespace limpid
