#include "server/anthropic_messages.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "server/structured_output.h"

namespace limpid {

namespace {

using Json = nlohmann::ordered_json;

// One message's blocks, sorted.
struct Blocks {
  std::string text, thinking;
  bool has_text = false, has_thinking = false;
  Json calls = Json::array(), results = Json::array();
};

void add_text(std::string& to, bool& has, const std::string& text) {
  if (has && !to.empty()) to += '\n';
  to += text;
  has = true;
}

[[noreturn]] void not_read(const std::string& place, const std::string& type) {
  throw bad_request(fmt::format("{}: a block of type \"{}\"; text, thinking, tool_use and tool_result are read here",
                                place, type.substr(0, 40)),
                    place);
}

// Text, or a list of text blocks.
std::string plain_text(const Json& content, const std::string& place) {
  if (content.is_string()) return content.get<std::string>();
  if (!content.is_array()) throw bad_request(place + ": expected a string or a list of text blocks", place);
  std::string text;
  bool any = false;
  for (std::size_t i = 0; i < content.size(); ++i) {
    const std::string here = fmt::format("{}[{}]", place, i);
    RequestFields block(content[i], here);
    if (const std::string type = block.required_text("type"); type != "text") not_read(here, type);
    add_text(text, any, block.required_text("text"));
  }
  return text;
}

Json call_of(RequestFields& block) {
  const Json& input = block.required("input");
  if (!input.is_object()) block.wrong_type("input", "an object", input);
  return {{"id", block.required_text("id")},
          {"type", "function"},
          {"function", {{"name", block.required_text("name")}, {"arguments", input.dump()}}}};
}

Json result_of(RequestFields& block, const std::string& place) {
  const Json* content = block.find("content");
  return {{"role", "tool"},
          {"tool_call_id", block.required_text("tool_use_id")},
          {"content", content == nullptr ? std::string() : plain_text(*content, place + ".content")}};
}

Blocks read_blocks(const Json& content, const std::string& place, bool assistant) {
  Blocks out;
  if (content.is_string()) {
    add_text(out.text, out.has_text, content.get<std::string>());
    return out;
  }
  if (!content.is_array()) throw bad_request(place + ": expected a string or a list of blocks", place);
  for (std::size_t i = 0; i < content.size(); ++i) {
    const std::string here = fmt::format("{}[{}]", place, i);
    RequestFields block(content[i], here);
    const std::string type = block.required_text("type");
    if (type == "text") {
      add_text(out.text, out.has_text, block.required_text("text"));
    } else if (assistant && type == "thinking") {
      add_text(out.thinking, out.has_thinking, block.required_text("thinking"));
    } else if (assistant && type == "tool_use") {
      out.calls.push_back(call_of(block));
    } else if (!assistant && type == "tool_result") {
      out.results.push_back(result_of(block, here));
    } else if (!assistant || type != "redacted_thinking") {  // of another service: nobody here can read it
      not_read(here, type);
    }
  }
  return out;
}

// Turns of one role that follow each other are one turn in this format; templates want them so, too.
void add_user(Json& messages, const std::string& text) {
  if (!messages.empty() && messages.back()["role"] == "user") {
    messages.back()["content"] = messages.back()["content"].get<std::string>() + "\n" + text;
    return;
  }
  messages.push_back({{"role", "user"}, {"content", text}});
}

void add_assistant(Json& messages, const Blocks& blocks) {
  Json message = {{"role", "assistant"}, {"content", blocks.text}};
  if (blocks.has_thinking) message["reasoning_content"] = blocks.thinking;
  if (!blocks.calls.empty()) message["tool_calls"] = blocks.calls;
  messages.push_back(std::move(message));
}

void set_start(const Blocks& blocks, bool thinking, const std::string& place, PromptRequest& prompt) {
  if (!blocks.calls.empty())
    throw bad_request(place + ": ends with a call; its tool_result must follow in a user's message", place);
  if (thinking && blocks.has_text && !blocks.has_thinking)
    throw bad_request(place + ": with thinking, a beginning of the answer must have its thinking block before it",
                      place);
  prompt.start = AnswerStart{blocks.thinking, blocks.has_text, blocks.text};
}

}  // namespace

void read_anthropic_messages(RequestFields& fields, bool thinking, PromptRequest& prompt) {
  prompt.messages = Json::array();
  if (const Json* system = fields.find("system"))
    prompt.messages.push_back({{"role", "system"}, {"content", plain_text(*system, "system")}});
  const Json& given = fields.required("messages");
  if (!given.is_array()) fields.wrong_type("messages", "a list", given);
  bool anything = false;
  for (std::size_t i = 0; i < given.size(); ++i) {
    const std::string place = fmt::format("messages[{}]", i);
    RequestFields message(given[i], place);
    const std::string role = message.required_text("role");
    const Json& content = message.required("content");
    const std::string inside = place + ".content";
    if (role == "assistant") {
      const Blocks blocks = read_blocks(content, inside, true);
      if (i + 1 == given.size())
        set_start(blocks, thinking, inside, prompt);
      else
        add_assistant(prompt.messages, blocks);
    } else if (role == "user") {
      const Blocks blocks = read_blocks(content, inside, false);
      for (const Json& result : blocks.results) prompt.messages.push_back(result);
      if (blocks.has_text || blocks.results.empty()) add_user(prompt.messages, blocks.text);
      anything = true;
    } else if (role == "system") {
      prompt.messages.push_back({{"role", "system"}, {"content", plain_text(content, inside)}});
    } else {
      throw bad_request(place + ".role: expected user, assistant or system", place + ".role");
    }
  }
  if (!anything) throw bad_request("messages: there is no message of the user", "messages");
}

nlohmann::ordered_json read_anthropic_tools(RequestFields& fields) {
  const Json* given = fields.find("tools");
  if (given == nullptr) return nullptr;
  if (!given->is_array()) fields.wrong_type("tools", "a list", *given);
  if (given->size() > kMostTools)
    throw bad_request(fmt::format("tools: {} of them, at most {} are allowed", given->size(), kMostTools), "tools");
  Json tools = Json::array();
  for (std::size_t i = 0; i < given->size(); ++i) {
    const std::string place = fmt::format("tools[{}]", i);
    RequestFields tool((*given)[i], place);
    if (const auto type = tool.text("type"); type && *type != "custom")
      throw bad_request(fmt::format("{}.type: \"{}\" runs on Anthropic's servers; only \"custom\" is known here", place,
                                    type->substr(0, 40)),
                        place + ".type");
    Json function = {{"name", tool.required_text("name")}};
    if (const auto description = tool.text("description")) function["description"] = *description;
    const Json& schema = tool.required("input_schema");
    if (!schema.is_object()) tool.wrong_type("input_schema", "an object", schema);
    function["parameters"] = schema;
    if (const auto strict = tool.boolean("strict")) function["strict"] = *strict;
    tools.push_back({{"type", "function"}, {"function", std::move(function)}});
  }
  return tools.empty() ? Json() : tools;
}

}  // namespace limpid
