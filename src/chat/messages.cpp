#include "chat/messages.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/error.h"

namespace limpid {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::array<std::string_view, 6> kRoles{"system", "developer", "user", "assistant", "tool", "function"};
constexpr int kArgumentDepth = 64;

[[noreturn]] void wrong_type(const std::string& place, std::string_view expected, const Json& found) {
  fail(ErrorKind::input, "{}: expected {}, found {}", place, expected, found.type_name());
}

void check_content(const Json& content, const std::string& place) {
  if (content.is_null() || content.is_string()) return;
  if (!content.is_array()) wrong_type(place, "a string or a list of parts", content);
  for (std::size_t i = 0; i < content.size(); ++i) {
    const Json& part = content[i];
    const std::string here = fmt::format("{}[{}]", place, i);
    if (!part.is_object() || !part.contains("type") || !part["type"].is_string())
      wrong_type(here, "an object with a type", part);
    const std::string& type = part["type"].get_ref<const std::string&>();
    if (type != "text")
      fail(ErrorKind::unsupported, "{}: a part of type \"{}\"; this model reads text only", here, type);
    if (!part.contains("text") || !part["text"].is_string())
      wrong_type(here + ".text", "a string", part.value("text", Json()));
  }
}

// Whether JSON text is nested no deeper than what may be parsed and rendered by recursion.
bool is_shallow(std::string_view json) {
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
      if (depth > kArgumentDepth) return false;
    }
  }
  return true;
}

void check_call(const Json& call, const std::string& place) {
  if (!call.is_object() || !call.contains("function") || !call["function"].is_object())
    wrong_type(place, "an object with a function", call);
  const Json& function = call["function"];
  if (!function.contains("name") || !function["name"].is_string())
    wrong_type(place + ".function.name", "a string", function.value("name", Json()));
  const Json arguments = function.value("arguments", Json());
  if (!arguments.is_null() && !arguments.is_string() && !arguments.is_object())
    wrong_type(place + ".function.arguments", "JSON text or an object", arguments);
  if (arguments.is_string() && !is_shallow(arguments.get_ref<const std::string&>()))
    fail(ErrorKind::input, "{}.function.arguments: nested deeper than {}", place, kArgumentDepth);
}

void check(Json& message, const std::string& place) {
  if (!message.is_object()) wrong_type(place, "an object", message);
  if (!message.contains("role") || !message["role"].is_string())
    wrong_type(place + ".role", "a string", message.value("role", Json()));
  const std::string role = message["role"];
  if (std::ranges::find(kRoles, role) == kRoles.end())
    fail(ErrorKind::input, "{}.role: \"{}\" is none of system, developer, user, assistant, tool, function", place,
         role);
  if (role == "function") message["role"] = "tool";
  if (role != "assistant" && message.value("content", Json()).is_null())  // that of the assistant may be calls alone
    wrong_type(place + ".content", "a string or a list of parts", message.value("content", Json()));
  check_content(message.value("content", Json()), place + ".content");
  if (message.contains("reasoning_content") && !message["reasoning_content"].is_string())
    message.erase("reasoning_content");
  const Json calls = message.value("tool_calls", Json());
  if (!calls.is_null() && !calls.is_array()) wrong_type(place + ".tool_calls", "a list", calls);
  for (std::size_t i = 0; i < calls.size(); ++i) check_call(calls[i], fmt::format("{}.tool_calls[{}]", place, i));
}

}  // namespace

nlohmann::ordered_json check_messages(nlohmann::ordered_json messages) {
  if (!messages.is_array()) wrong_type("messages", "a list", messages);
  if (messages.empty()) fail(ErrorKind::input, "messages: the list is empty");
  for (std::size_t i = 0; i < messages.size(); ++i) check(messages[i], fmt::format("messages[{}]", i));
  return messages;
}

nlohmann::ordered_json check_tools(nlohmann::ordered_json tools) {
  if (tools.is_null() || (tools.is_array() && tools.empty())) return nullptr;
  if (!tools.is_array()) wrong_type("tools", "a list", tools);
  for (std::size_t i = 0; i < tools.size(); ++i) {
    const std::string place = fmt::format("tools[{}]", i);
    if (!tools[i].is_object() || !tools[i].contains("function") || !tools[i]["function"].is_object())
      wrong_type(place, "an object with a function", tools[i]);
    const Json name = tools[i]["function"].value("name", Json());
    if (!name.is_string()) wrong_type(place + ".function.name", "a string", name);
  }
  return tools;
}

}  // namespace limpid
