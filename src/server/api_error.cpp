#include "server/api_error.h"

#include <utility>

namespace limpid {

ApiError::ApiError(int status_code, std::string error_type, std::string message, std::string parameter,
                   std::string error_code, int retry_after)
    : std::runtime_error(std::move(message)),
      status(status_code),
      type(std::move(error_type)),
      param(std::move(parameter)),
      code(std::move(error_code)),
      retry_after_s(retry_after) {}

ApiError api_error(const Error& error) {
  switch (error.kind()) {
    case ErrorKind::input:
    case ErrorKind::unsupported:
      return bad_request(error.what());
    case ErrorKind::not_found:
      return not_found(error.what());
    case ErrorKind::resources:
      return overloaded(error.what(), 5);
    case ErrorKind::system:
    case ErrorKind::cancelled:
      break;
  }
  return {500, "server_error", error.what(), {}, "internal_error"};
}

ApiError bad_request(std::string message, std::string param) {
  return {400, "invalid_request_error", std::move(message), std::move(param), "invalid_request_error"};
}
ApiError bad_parameter(std::string message, std::string param) {
  return {422, "invalid_request_error", std::move(message), std::move(param), "invalid_parameter"};
}
ApiError unauthorized(std::string message) {
  return {401, "authentication_error", std::move(message), {}, "invalid_api_key"};
}
ApiError forbidden(std::string message) { return {403, "permission_error", std::move(message), {}, "forbidden"}; }
ApiError not_found(std::string message, std::string code) {
  return {404, "not_found_error", std::move(message), {}, code.empty() ? "not_found" : std::move(code)};
}
ApiError no_balance(std::string message) {
  return {402, "insufficient_balance", std::move(message), {}, "insufficient_balance"};
}
ApiError too_many_requests(std::string message, int retry_after_s) {
  return {429, "rate_limit_error", std::move(message), {}, "rate_limit_reached", retry_after_s};
}
ApiError overloaded(std::string message, int retry_after_s) {
  return {503, "overloaded_error", std::move(message), {}, "overloaded", retry_after_s};
}

}  // namespace limpid
