// The body of POST /v1/messages and /v1/messages/count_tokens, Anthropic's, read into an AnswerRequest. docs/api.md
// lists every field; schemas.json describes them for programs.
//
// Where Anthropic's own limits follow from its models, not from the format, they are not kept: thinking budgets below
// 1,024 tokens, temperatures above 1. `seed` is ours, as in the other formats.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "server/answer_request.h"
#include "server/anthropic_encoder.h"

namespace limpid {

struct AnthropicRequest {
  AnswerRequest answer;
  AnthropicOptions options;
};

enum class ClaudeNames {
  unknown,
  the_default,  // "claude..." stands for the default model, as at DeepSeek's /anthropic
};

// counting: for count_tokens, which has no max_tokens. served, fields: as of parse_openai_chat. Throws ApiError, 400
// also where a value is wrong: this format has no 422.
AnthropicRequest parse_anthropic(std::string_view body, bool counting, const std::vector<std::string>& served,
                                 std::set<std::string>* fields = nullptr, ClaudeNames claude = ClaudeNames::unknown);

}  // namespace limpid
