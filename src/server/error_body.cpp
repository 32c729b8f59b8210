#include "server/error_body.h"
#include "server/json_text.h"

#include <new>
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
  return json_text(body);
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

ToldError told_error(const std::exception_ptr& thrown, const std::string& request_id) {
  const auto told = [](ApiError error, const char* log) {
    const bool logged = error.status >= 500 && log != nullptr;
    return ToldError{std::move(error), logged ? log : ""};
  };
  try {
    std::rethrow_exception(thrown);
  } catch (const ApiError& error) {
    return told(error, error.status == 500 ? error.what() : nullptr);
  } catch (const Error& error) {
    return told(public_error(error, request_id), error.what());
  } catch (const std::bad_alloc&) {
    return told(overloaded("the server has no memory for this request", 5), "out of memory");
  } catch (const std::exception& error) {
    return told(internal_error(request_id), error.what());
  }
}

ApiError public_error(const Error& error, const std::string& request_id) {
  const ApiError full = api_error(error);
  if (full.status >= 500 && error.kind() != ErrorKind::resources) return internal_error(request_id);
  return {full.status, full.type, without_directories(full.what()), full.param, full.code, full.retry_after_s};
}

}  // namespace limpid
