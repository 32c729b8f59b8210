// Messages, system text and tools of Anthropic's format in the form that chat/ takes (chat/messages.h): blocks become
// content, reasoning_content and tool_calls, results of tools become messages of their own, and an assistant's message
// at the end becomes the beginning of the answer. What a model that reads text cannot take (images, documents, tools
// that run on Anthropic's servers) is refused.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "chat/prompt.h"
#include "server/request_fields.h"

namespace limpid {

// `system` and `messages` of the body, into `prompt`'s messages and start. thinking: asked for; a beginning of the
// answer must then bring its own. Throws 400 naming the place ("messages[2].content[0].type").
void read_anthropic_messages(RequestFields& fields, bool thinking, PromptRequest& prompt);

// `tools` as OpenAI's; null: none. Throws 400.
nlohmann::ordered_json read_anthropic_tools(RequestFields& fields);

}  // namespace limpid
