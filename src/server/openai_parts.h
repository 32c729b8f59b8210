// Pieces of OpenAI's answers that chat and completions share, as JSON text: written straight into strings, for one is
// made for every token.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/answer_encoder.h"

namespace limpid {

// Appends `text` as a JSON string, quotes and all. Bytes that are no UTF-8 become U+FFFD.
void append_json_string(std::string& out, std::string_view text);
std::string json_string(std::string_view text);

// A log-probability; that of what is impossible, which JSON cannot say, is -9999 as in OpenAI's answers.
std::string json_number(double value);

// {"prompt_tokens": ..., "completion_tokens": ..., ..., DeepSeek's prompt_cache_hit_tokens and _miss_tokens}
std::string usage_json(const AnswerUsage& usage);
// As llama-server has them: {"cache_n", "prompt_n", "prompt_ms", "prompt_per_second", "predicted_n", ...}
std::string timings_json(const AnswerUsage& usage);

// "stop", "length", "tool_calls", "cancelled".
std::string_view finish_name(ChatFinish finish);

// {"token": "...", "logprob": -0.1, "bytes": [...], "top_logprobs": [...]}
std::string logprob_json(const ChatTokenInfo& info, int top);

// {"error": ...} as one event.
std::string error_event(const ApiError& error);

}  // namespace limpid
