// ApiError: why a request is refused, with everything that an error body and its headers need. Thrown by what serves a
// request; one place (the dispatcher) turns it, and every other exception, into a reply. Each wire format words the
// body in its own form (OpenAI's and DeepSeek's {"error": {message, type, param, code}}, Anthropic's {"type": "error"}).
//
// Status codes as DeepSeek documents them: 400 the body has a wrong form, 401 no or a wrong key, 402 the balance is used
// up, 422 a parameter has a wrong value, 429 too many requests, 500 the server failed, 503 overloaded.
#pragma once

#include <stdexcept>
#include <string>

#include "base/error.h"

namespace limpid {

class ApiError : public std::runtime_error {
 public:
  ApiError(int status_code, std::string error_type, std::string message, std::string parameter = {},
           std::string error_code = {}, int retry_after = 0);

  int status = 500;
  std::string type;       // "invalid_request_error", "authentication_error", ...
  std::string param;      // the field that is wrong, "messages[2].role"; empty: none
  std::string code;       // "invalid_api_key"; empty: none
  int retry_after_s = 0;  // > 0: the header Retry-After
};

// The reply for an Error of the layers below: input and unsupported 400, not_found 404, resources 503, the rest 500.
ApiError api_error(const Error& error);

// Shorthands for what is thrown most. message says what was expected and what was found.
ApiError bad_request(std::string message, std::string param = {});   // 400 invalid_request_error
ApiError bad_parameter(std::string message, std::string param);      // 422 invalid_request_error
ApiError unauthorized(std::string message);                          // 401 authentication_error, code invalid_api_key
ApiError forbidden(std::string message);                             // 403 permission_error
ApiError not_found(std::string message, std::string code = {});      // 404 not_found_error
ApiError no_balance(std::string message);                            // 402 insufficient_balance
ApiError too_many_requests(std::string message, int retry_after_s);  // 429 rate_limit_error
ApiError overloaded(std::string message, int retry_after_s);         // 503 overloaded_error

}  // namespace limpid
