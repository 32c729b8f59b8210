// What an answer looks like on the wire: the head, the pieces of a chunked body, the server's own error bodies.
#pragma once

#include <cstddef>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>

#include "net/http_server.h"

namespace limpid {

bool same_name(std::string_view a, std::string_view b);  // ASCII, without case

std::string_view reason_phrase(int status);  // "Not Found"; "" where none is known
std::string http_date(std::time_t now);      // "Sun, 06 Nov 1994 08:49:37 GMT"

// Answers of these never have a body, whatever the handler gives.
bool bodiless(int status);  // 1xx, 204, 304

struct ResponseHead {
  int status = 200;
  const HttpFields& headers;  // of the handler: what is the server's own among them is left out, a name that is none
                              // too; control characters of a value become spaces (no answer can be split by one)
  std::optional<std::size_t> length;  // Content-Length
  bool chunked = false;
  bool keep_alive = true;
  bool http_1_0 = false;
  std::string_view date;
};
std::string response_head(const ResponseHead& head);

void append_chunk(std::string& out, std::string_view piece);  // nothing for an empty piece: that would end the body
constexpr std::string_view kLastChunk = "0\r\n\r\n";

// {"error": {"message", "type", "param": null, "code"}} with Content-Type. retry_after > 0: seconds of Retry-After.
// `message` and `code` are the server's own words: no character of them needs escaping.
ServedResponse error_response(int status, std::string_view code, std::string_view message, int retry_after = 0);

}  // namespace limpid
