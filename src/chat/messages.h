// Messages and tools as clients send them (the OpenAI form), checked before a template sees them: text/chat_template.h
// brings them into the form that the model's template takes, and relies on this.
#pragma once

#include <nlohmann/json.hpp>

namespace limpid {

// The messages, each an object with a known role ("function" becomes "tool") and content that is text or a list of text
// parts; an assistant's may be null. Throws Error(input) naming the place ("messages[2].role") and what was found;
// Error(unsupported) for images and other parts.
nlohmann::ordered_json check_messages(nlohmann::ordered_json messages);

// The tools ([{type: "function", function: {name, ...}}]); an empty list becomes null. Throws Error(input) naming the
// place.
nlohmann::ordered_json check_tools(nlohmann::ordered_json tools);

}  // namespace limpid
