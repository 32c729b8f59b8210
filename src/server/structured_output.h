// response_format, tools, tool_choice and parallel_tool_calls: what an answer must look like, as a grammar
// (chat/grammar.h).
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "chat/grammar.h"
#include "server/answer_request.h"
#include "server/request_fields.h"

namespace limpid {

inline constexpr std::size_t kMostTools = 128;

// What an answer must be; empty: it is free. Compiled when it is asked for, for that takes its time: throws ApiError
// naming the field then, 422 for a schema that cannot be held.
struct AnswerFormat {
  std::function<std::shared_ptr<const Grammar>()> grammar;
  std::string key;  // of all that it is made of
  std::shared_ptr<const nlohmann::ordered_json> schema;
};

// Fills in the tools of the prompt, AnswerRequest::grammar and its key. Throws ApiError naming the field.
void read_structure(RequestFields& fields, AnswerRequest& answer);

// The parts that every wire format shares. tools: OpenAI's form, checked; null: none. rules: nothing where the model is
// not to be told of them. An answer that may be calls or of the format is one or the other, never both.
void set_structure(nlohmann::ordered_json tools, const std::optional<ToolRules>& rules, AnswerFormat format,
                   AnswerRequest& answer);
// place: the schema's, for the 422 of one that cannot be held.
AnswerFormat schema_format(const nlohmann::ordered_json& schema, const std::string& place);

// A wrong message or tool, as chat/ words it: "messages[2].role: ...".
ApiError wrong_message(const Error& error);

}  // namespace limpid
