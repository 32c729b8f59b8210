// The body of an error as a wire format words it. A route names the one of its format (router.h); the dispatcher and
// the encoders call it.
#pragma once

#include <exception>
#include <string>

#include "server/api_error.h"

namespace limpid {

// JSON text.
using ErrorBody = std::string (*)(const ApiError& error, const std::string& request_id);

// OpenAI's and DeepSeek's: {"error": {"message", "type", "param", "code"}}; param and code are null where there is
// none.
std::string openai_error_body(const ApiError& error, const std::string& request_id);

// What may be told of an Error from below: without the directories of paths, nothing at all of those that are our
// fault or the system's (500): the log has them under the request's id.
ApiError public_error(const Error& error, const std::string& request_id);
ApiError internal_error(const std::string& request_id);

// What the peer is told of anything that was thrown, and what of it is for the log; empty: nothing.
struct ToldError {
  ApiError error;
  std::string log;
};
ToldError told_error(const std::exception_ptr& thrown, const std::string& request_id);

// `text` with every absolute path shortened to its last name.
std::string without_directories(const std::string& text);

}  // namespace limpid
