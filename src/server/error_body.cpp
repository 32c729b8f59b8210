#include "server/error_body.h"

#include <nlohmann/json.hpp>

namespace limpid {

namespace {

using Json = nlohmann::ordered_json;

Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

bool begins_path(const std::string& text, std::size_t i) {
  if (text[i] != '/') return false;
  return i == 0 || std::string_view(" \t\"'(=:").find(text[i - 1]) != std::string_view::npos;
}

}  // namespace

std::string openai_error_body(const ApiError& error, const std::string&) {
  Json body;
  body["error"]["message"] = error.what();
  body["error"]["type"] = error.type;
  body["error"]["param"] = text_or_null(error.param);
  body["error"]["code"] = text_or_null(error.code);
  return body.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string without_directories(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    if (!begins_path(text, i)) {
      out += text[i++];
      continue;
    }
    std::size_t end = text.find_first_of(" \t\n\"'():,;", i);
    if (end == std::string::npos) end = text.size();
    const std::string path = text.substr(i, end - i);
    out += path.substr(path.rfind('/') + 1);
    i = end;
  }
  return out;
}

ApiError internal_error(const std::string& request_id) {
  return {500,
          "server_error",
          "the server failed to answer; its log says why, under the id " + request_id,
          {},
          "internal_error"};
}

ApiError public_error(const Error& error, const std::string& request_id) {
  const ApiError full = api_error(error);
  if (full.status >= 500 && error.kind() != ErrorKind::resources) return internal_error(request_id);
  return {full.status, full.type, without_directories(full.what()), full.param, full.code, full.retry_after_s};
}

}  // namespace limpid
