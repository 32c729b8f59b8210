// The body of POST /chat/completions, OpenAI's with DeepSeek's additions and ours, read into an AnswerRequest.
// docs/api.md lists every field; schemas.json describes them for programs, and a test holds it against what is read
// here.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "server/answer_request.h"
#include "server/openai_options.h"

namespace limpid {

struct OpenaiChatRequest {
  AnswerRequest answer;
  OpenaiOptions options;
};

// served: ids of the models there are. fields, if any: every field's path that was looked for (tests). Throws ApiError.
OpenaiChatRequest parse_openai_chat(std::string_view body, const std::vector<std::string>& served,
                                    std::set<std::string>* fields = nullptr);

}  // namespace limpid
