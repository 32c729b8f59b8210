// response_format, tools, tool_choice and parallel_tool_calls: what an answer must look like, as a grammar
// (chat/grammar.h).
#pragma once

#include "server/answer_request.h"
#include "server/request_fields.h"

namespace limpid {

inline constexpr std::size_t kMostTools = 128;

// Fills in the tools of the prompt and AnswerRequest::grammar. A grammar of a schema is compiled here, that of tool
// calls when the model and with it their format is known. Throws ApiError naming the field: 422 for a schema that
// cannot be held.
void read_structure(RequestFields& fields, AnswerRequest& answer);

// A wrong message or tool, as chat/ words it: "messages[2].role: ...".
ApiError wrong_message(const Error& error);

}  // namespace limpid
