// Messages as clients send them (the OpenAI form), checked and brought into the one form that chat templates get.
#pragma once

#include <nlohmann/json.hpp>

#include "text/tool_calls.h"

namespace limpid {

// Every message becomes an object with a known role and text content:
// - content may be a string, null (with tool calls), or parts of type "text", which are joined;
// - thinking inside an assistant's content ("<think>...</think>answer") moves to reasoning_content, so that the
// template shows earlier thinking or
//   leaves it out by its own rule and never twice;
// - arguments of tool calls become what the format's template expects: text for DeepSeek, an object for the others
// where it is JSON. Throws Error(input) naming the place ("messages[2].role") and what was found; Error(unsupported)
// for images and other parts.
nlohmann::ordered_json normalise_messages(const nlohmann::ordered_json& messages, ToolFormat format);

// Checks the shape of tools ([{type: "function", function: {name, ...}}]); null stays null, an empty list becomes null.
nlohmann::ordered_json normalise_tools(const nlohmann::ordered_json& tools);

}  // namespace limpid
