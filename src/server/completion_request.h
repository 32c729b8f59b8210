// The body of POST /completions, OpenAI's legacy form with DeepSeek's fill in the middle (prompt and suffix), read into
// an AnswerRequest.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "server/answer_request.h"
#include "server/openai_options.h"

namespace limpid {

struct CompletionRequest {
  AnswerRequest answer;
  OpenaiOptions options;
};

inline constexpr std::size_t kMostPrompts = 16;

// As parse_openai_chat. The prompts' ids are made when the model is there: control tokens in a prompt stay text unless
// the request says "parse_special"; a suffix needs a model that has tokens for it (400 otherwise).
CompletionRequest parse_completion(std::string_view body, const std::vector<std::string>& served,
                                   std::set<std::string>* fields = nullptr);

}  // namespace limpid
